/**
 * One instance of the QuickJS module: its memory, its exports, and the imports we give it. All that could differ
 * between two runs is replaced: the clock stands at `clockMs`, the time zone is UTC, the environment is empty,
 * nothing is written anywhere, memory grows by exactly what is asked up to a cap.
 *
 * Invariants: between calls the stack pointer is where it was at creation, so an instance is its memory alone and
 * memories can be copied between instances. An instance that trapped is thrown away.
 */
import { isDeep } from './depth.ts';
import { lastPromise, unheard } from './promises.ts';
import { IMPORTS, type KernelWasm } from './wasm.ts';

const WASM_PAGE = 65_536;
const INITIAL_PAGES = 256;

/** Exports that the kernel calls. Values are pointers into the memory. */
export interface Engine {
  malloc(size: number): number;
  free(pointer: number): void;
  QTS_NewRuntime(): number;
  QTS_NewContext(runtime: number, intrinsics: number): number;
  QTS_RuntimeSetMaxStackSize(runtime: number, bytes: number): void;
  QTS_RuntimeEnableInterruptHandler(runtime: number): void;
  QTS_NewFunction(
    context: number,
    name: number,
    length: number,
    isConstructor: number,
    hostRef: number,
  ): number;
  QTS_NewArrayBuffer(context: number, block: number, length: number): number;
  QTS_NewString(context: number, text: number): number;
  QTS_GetString(context: number, value: number): number;
  QTS_FreeCString(context: number, text: number): void;
  QTS_FreeValuePointer(context: number, value: number): void;
  QTS_GetGlobalObject(context: number): number;
  QTS_GetUndefined(): number;
  QTS_GetProp(context: number, object: number, key: number): number;
  QTS_SetProp(context: number, object: number, key: number, value: number): void;
  QTS_Call(context: number, callee: number, self: number, count: number, pointers: number): number;
  QTS_Eval(
    context: number,
    code: number,
    length: number,
    file: number,
    detectModule: number,
    flags: number,
  ): number;
  QTS_ResolveException(context: number, value: number): number;
  QTS_ExecutePendingJob(runtime: number, max: number, contextOut: number): number;
  QTS_IsJobPending(runtime: number): number;
  QTS_NewFloat64(context: number, value: number): number;
  QTS_PromiseState(context: number, promise: number): number;
  QTS_PromiseResult(context: number, promise: number): number;
  QTS_DupValuePointer(context: number, value: number): number;
  QTS_ArgvGetJSValueConstPointer(pointers: number, index: number): number;
}

/** The heap cannot be used any more: `memory` (the cap was reached) or `trap` (the engine aborted). */
export class KernelTrap extends Error {
  readonly reason: 'memory' | 'trap';
  constructor(reason: 'memory' | 'trap', message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'KernelTrap';
    this.reason = reason;
  }
}

/** What the guest may ask of the host while it runs. */
export interface InstanceHooks {
  /** Called every 10,000 steps; true strikes. */
  interrupt(): boolean;
  emit(kind: string, payload: string): void;
  /** The cell is looked at: a function that was put into it was called, with so many arguments. */
  look?(pointers: number, count: number): void;
}

/** Functions of the host that the prelude finds on globalThis, by their reference numbers. */
export const HOST_FUNCTIONS = {
  __reprise_emit: 1,
  __reprise_promise: 2,
  __reprise_prepare: 3,
  __reprise_deep: 4,
  __reprise_within: 5,
} as const;

/** Reference number of the function that a cell calls to be looked at (see `prober.ts`): made when it is wanted. */
export const LOOK_FUNCTION = 6;

/** What `__reprise_promise(promise, question)` answers; `last` takes no promise. */
export const PROMISE_QUESTIONS = { state: 0, value: 1, unheard: 2, last: 3 } as const;

/** Where the interpreter of an instance keeps things. */
export interface Addresses {
  runtime: number;
  /** A few bytes for pointers to arguments and results. */
  scratch: number;
  undefined: number;
  /** Address of the word that the stack pointer must not fall below. */
  stackLimit: number;
  entries: { prepare: number };
}

/** Bytes of stack for writing down an error's stack when there is none left. */
const PREPARE_STACK = 64 * 1024;

const NO_HOOKS: InstanceHooks = { interrupt: () => false, emit: () => undefined };

export class Instance {
  readonly memory: WebAssembly.Memory;
  readonly engine: Engine;
  hooks: InstanceHooks = NO_HOOKS;
  /** Unknown until the interpreter has started. */
  addresses: Addresses | undefined;
  /** What the guest's clocks show, ms since the epoch. */
  clockMs = 0;
  /** The stack grows down from here. */
  readonly stackTop: number;
  readonly #stackPointer: () => number;
  #bytes: Buffer;
  #words: Int32Array;
  readonly #maxPages: number;

  /** @param fresh false when the memory is to be filled with a heap that has been started already */
  constructor(wasm: KernelWasm, memoryBytes: number, fresh = true) {
    this.#maxPages = Math.floor(memoryBytes / WASM_PAGE);
    this.memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: this.#maxPages });
    this.#bytes = Buffer.from(this.memory.buffer);
    this.#words = new Int32Array(this.memory.buffer);
    const { exports } = new WebAssembly.Instance(wasm.module, { a: this.#imports() });
    const engine: Record<string, unknown> = {};
    for (const [name, letter] of Object.entries(wasm.exports)) engine[name] = exports[letter];
    this.engine = engine as unknown as Engine;
    this.#stackPointer = exports[wasm.stackPointer] as () => number;
    this.stackTop = this.#stackPointer();
    if (fresh) (exports[wasm.constructors] as () => void)();
  }

  /** The memory as bytes; valid until the guest runs again. */
  get bytes(): Buffer {
    if (this.#bytes.buffer !== this.memory.buffer) this.#refresh();
    return this.#bytes;
  }

  /** The memory as 32-bit words; valid until the guest runs again. */
  get words(): Int32Array {
    if (this.#bytes.buffer !== this.memory.buffer) this.#refresh();
    return this.#words;
  }

  /** Grows the memory to hold `bytes`; a larger memory never changes what the guest does. */
  reserve(bytes: number): void {
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / WASM_PAGE);
    if (missing > 0) this.memory.grow(missing);
  }

  /** Reads a NUL-terminated string. */
  readText(pointer: number): string {
    const bytes = this.bytes;
    return bytes.toString('utf8', pointer, bytes.indexOf(0, pointer));
  }

  /** Copies a string into the guest's memory; the caller frees it. */
  writeText(text: string): { pointer: number; length: number } {
    const length = Buffer.byteLength(text);
    const pointer = this.engine.malloc(length + 1);
    if (pointer === 0) throw new KernelTrap('memory', 'no memory for a string of the host');
    const bytes = this.bytes;
    bytes.write(text, pointer, 'utf8');
    bytes[pointer + length] = 0;
    return { pointer, length };
  }

  #refresh(): void {
    this.#bytes = Buffer.from(this.memory.buffer);
    this.#words = new Int32Array(this.memory.buffer);
  }

  #imports(): Record<string, WebAssembly.ImportValue> {
    const abort = (what: string) => () => {
      throw new KernelTrap('trap', `the engine stopped: ${what}`);
    };
    const clockMs = () => this.clockMs;
    return {
      a: this.memory,
      [IMPORTS.assertFail]: abort('assertion failed'),
      [IMPORTS.abort]: abort('abort'),
      [IMPORTS.exit]: abort('exit'),
      [IMPORTS.fdWrite]: (_fd: number, vectors: number, count: number, written: number) => {
        let total = 0;
        for (let i = 0; i < count; i++) total += this.words[(vectors >> 2) + 2 * i + 1]!;
        this.words[written >> 2] = total;
        return 0;
      },
      [IMPORTS.fdClose]: () => 0,
      [IMPORTS.fdSeek]: () => 70,
      [IMPORTS.environGet]: () => 0,
      [IMPORTS.environSizesGet]: (count: number, size: number) => {
        this.words[count >> 2] = 0;
        this.words[size >> 2] = 0;
        return 0;
      },
      [IMPORTS.setTimer]: () => 0,
      [IMPORTS.keepAliveClear]: () => undefined,
      [IMPORTS.normalizeModule]: () => 0,
      [IMPORTS.loadModule]: () => 0,
      [IMPORTS.freeHostRef]: () => undefined,
      [IMPORTS.dateNow]: clockMs,
      [IMPORTS.clockTimeGet]: (_clock: number, _precision: bigint, out: number) => {
        this.bytes.writeBigInt64LE(BigInt(Math.round(this.clockMs * 1e6)), out);
        return 0;
      },
      [IMPORTS.localTime]: (seconds: bigint, out: number) => this.#writeUtc(Number(seconds), out >> 2),
      [IMPORTS.timeZone]: (offset: number, daylight: number, name: number, daylightName: number) => {
        this.words[offset >> 2] = 0;
        this.words[daylight >> 2] = 0;
        this.bytes.write('UTC\0', name, 'latin1');
        this.bytes.write('UTC\0', daylightName, 'latin1');
      },
      [IMPORTS.resizeHeap]: (bytes: number) => {
        if (Math.ceil((bytes >>> 0) / WASM_PAGE) > this.#maxPages) {
          throw new KernelTrap('memory', 'the memory cap is reached');
        }
        this.reserve(bytes >>> 0);
        return 1;
      },
      [IMPORTS.interrupt]: () => (this.hooks.interrupt() ? 1 : 0),
      [IMPORTS.callFunction]: (
        context: number,
        _self: number,
        count: number,
        pointers: number,
        ref: number,
      ) => (count < 2 ? 0 : this.#callHost(context, pointers, ref, count)),
    };
  }

  /** A pointer to the result, 0 for undefined. */
  #callHost(context: number, pointers: number, ref: number, count: number): number {
    if (ref === HOST_FUNCTIONS.__reprise_emit) {
      this.hooks.emit(this.#argument(context, pointers, 0), this.#argument(context, pointers, 1));
      return 0;
    }
    if (ref === LOOK_FUNCTION) {
      this.hooks.look?.(pointers, count);
      return 0;
    }
    if (ref === HOST_FUNCTIONS.__reprise_prepare) return this.#prepare(context, pointers);
    const { engine } = this;
    const first = engine.QTS_ArgvGetJSValueConstPointer(pointers, 0);
    // Small integers stand in a value's lower word.
    const second = this.words[engine.QTS_ArgvGetJSValueConstPointer(pointers, 1) >> 2]!;
    if (ref === HOST_FUNCTIONS.__reprise_deep)
      return isDeep(this.words, first) ? engine.QTS_NewFloat64(context, 1) : 0;
    if (ref === HOST_FUNCTIONS.__reprise_within) return this.#within(context, first, second);
    return this.#askOfPromise(context, first, second);
  }

  /**
   * The engine's hook that writes an error's stack, which may be the error of a stack overflow. It calls functions of
   * the host without asking how much stack there is; ours is then given some.
   */
  #prepare(context: number, pointers: number): number {
    const { engine, addresses } = this;
    const { scratch, entries, undefined: none, stackLimit } = addresses!;
    const at = scratch >> 2;
    this.words[at] = engine.QTS_ArgvGetJSValueConstPointer(pointers, 0);
    this.words[at + 1] = engine.QTS_ArgvGetJSValueConstPointer(pointers, 1);
    const limit = this.words[stackLimit >> 2]! - PREPARE_STACK;
    return this.#withLimit(limit, () => engine.QTS_Call(context, entries.prepare, none, 2, scratch));
  }

  /** Calls a function with no more than so many bytes of stack. */
  #within(context: number, callee: number, bytes: number): number {
    const { undefined: none, stackLimit } = this.addresses!;
    const limit = Math.max(this.words[stackLimit >> 2]!, this.#stackPointer() - bytes);
    return this.#withLimit(limit, () => this.engine.QTS_Call(context, callee, none, 0, 0));
  }

  #withLimit(limit: number, call: () => number): number {
    const { stackLimit } = this.addresses!;
    const before = this.words[stackLimit >> 2]!;
    this.words[stackLimit >> 2] = limit;
    try {
      return call();
    } finally {
      this.words[stackLimit >> 2] = before;
    }
  }

  #askOfPromise(context: number, promise: number, question: number): number {
    const { engine } = this;
    switch (question) {
      case PROMISE_QUESTIONS.state:
        return engine.QTS_NewFloat64(context, engine.QTS_PromiseState(context, promise));
      case PROMISE_QUESTIONS.unheard:
        return engine.QTS_NewFloat64(context, unheard(this, promise));
      case PROMISE_QUESTIONS.last: {
        const last = lastPromise(this, this.addresses!.runtime);
        return last === 0 ? 0 : engine.QTS_DupValuePointer(context, last);
      }
      default:
        return engine.QTS_PromiseResult(context, promise);
    }
  }

  #argument(context: number, pointers: number, index: number): string {
    const value = this.engine.QTS_ArgvGetJSValueConstPointer(pointers, index);
    const pointer = this.engine.QTS_GetString(context, value);
    if (pointer === 0) return '';
    const text = this.readText(pointer);
    this.engine.QTS_FreeCString(context, pointer);
    return text;
  }

  /** Fills a C `struct tm`. */
  #writeUtc(seconds: number, out: number): void {
    const date = new Date(seconds * 1000);
    const yearStart = Date.UTC(date.getUTCFullYear(), 0, 1);
    const fields = [
      date.getUTCSeconds(),
      date.getUTCMinutes(),
      date.getUTCHours(),
      date.getUTCDate(),
      date.getUTCMonth(),
      date.getUTCFullYear() - 1900,
      date.getUTCDay(),
      Math.floor((date.getTime() - yearStart) / 86_400_000),
      0,
      0,
    ];
    this.words.set(fields, out);
  }
}
