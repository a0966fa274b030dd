/**
 * One sandbox in this process, driven by hand: compiler, prelude and engine without threads, images or fuel.
 * For tests of what cells see; the kernel host has its own.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import load from '@jitl/quickjs-ng-wasmfile-release-sync/emscripten-module';
import { QuickJSFFI } from '@jitl/quickjs-ng-wasmfile-release-sync/ffi';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import {
  type CompilerState,
  compileCell,
  completionTarget,
  initialCompilerState,
} from '../../actors/kernel/compiler/compile.ts';
import { withUnset } from '../../actors/kernel/compiler/declaring.ts';
import { findLexicalScope } from '../../actors/kernel/lexical-scope.ts';
import { preludeSource } from '../../actors/kernel/prelude/source.ts';
import type { Json, VariableSummary } from '../../bus/types.ts';

const compiledWasm = new WebAssembly.Module(
  readFileSync(createRequire(import.meta.url).resolve('@jitl/quickjs-ng-wasmfile-release-sync/wasm')),
);
const ASYNC = 1 << 7;

export interface GuestTurn {
  stdout: string[];
  stderr: string[];
  result?: { text: string; truncated?: boolean };
  error?: { name: string; message: string; stack: string };
  requests: { effect: number; kind: string; payload: Json }[];
  cancelled: number[];
  exit: boolean;
  settled: boolean;
}

export class Guest {
  /** What `Date.now()` says inside, ms. */
  nowMs = 1_700_000_000_000;
  state: CompilerState = initialCompilerState;
  cells = 0;
  #turn: GuestTurn = emptyTurn();
  #variables: VariableSummary[] = [];
  readonly #ffi: QuickJSFFI;
  readonly #module;
  readonly #runtime: number;
  readonly #context: number;
  readonly #entries: number;

  // biome-ignore lint/suspicious/noExplicitAny: the FFI's branded pointers mean nothing here
  private constructor(module: any, clock: { guest?: Guest }, probe: boolean) {
    clock.guest = this;
    this.#module = module;
    // biome-ignore lint/suspicious/noExplicitAny: as above
    this.#ffi = new QuickJSFFI(module) as any;
    module.callbacks = {
      callFunction: (_: unknown, _context: number, _this: number, _argc: number, argv: number, id: number) =>
        this.#hostCall(id, argv),
      shouldInterrupt: () => 0,
      loadModuleSource: () => 0,
      normalizeModule: () => 0,
      freeHostRef: () => undefined,
    };
    const ffi = this.#ffi as never as Record<string, (...args: unknown[]) => number>;
    this.#runtime = ffi.QTS_NewRuntime!();
    ffi.QTS_RuntimeSetMaxStackSize!(this.#runtime, 256 * 1024);
    this.#context = ffi.QTS_NewContext!(this.#runtime, 0);
    this.#define('__reprise_emit', 1);
    if (probe) this.#define('__reprise_promise', 2);
    this.#entries = this.eval(preludeSource, '<prelude>');
    const words = new Int32Array(module.HEAPU8.buffer);
    const global = ffi.QTS_GetGlobalObject!(this.#context);
    this.#invoke('takeScope', findLexicalScope(words, this.#context, global));
  }

  static async boot(
    options: { seed?: string; promiseProbe?: boolean; version?: number } = {},
  ): Promise<Guest> {
    const clock: { guest?: Guest } = {};
    const fixed = {
      instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
        const instance = new WebAssembly.Instance(
          compiledWasm,
          withClock(imports, () => clock.guest?.nowMs ?? 0),
        );
        done(instance);
        return instance.exports;
      },
    };
    // biome-ignore lint/suspicious/noExplicitAny: emscripten's options are wider than their types
    const module = await (load as any)(fixed);
    const guest = new Guest(module, clock, options.promiseProbe ?? true);
    guest.call('boot', {
      sessionId: 's',
      createdMs: guest.nowMs,
      seed: options.seed ?? 'seed',
      version: options.version ?? BEHAVIOUR_VERSION,
    });
    return guest;
  }

  get #calls(): Record<string, (...args: unknown[]) => number> {
    return this.#ffi as never;
  }

  #define(name: string, id: number): void {
    const { QTS_NewFunction, QTS_SetProp, QTS_GetGlobalObject } = this.#calls;
    const made = QTS_NewFunction!(this.#context, name, 2, false, id);
    QTS_SetProp!(this.#context, QTS_GetGlobalObject!(this.#context), this.#string(name), made);
  }

  #hostCall(id: number, argv: number): number {
    const { QTS_ArgvGetJSValueConstPointer, QTS_PromiseState, QTS_PromiseResult } = this.#calls;
    const first = QTS_ArgvGetJSValueConstPointer!(argv, 0);
    const second = this.#text(QTS_ArgvGetJSValueConstPointer!(argv, 1));
    if (id === 1) {
      this.#emitted(this.#text(first), second);
      return this.#calls.QTS_GetUndefined!();
    }
    // Who waits for a promise only the kernel host can tell.
    if (second === '2' || second === '3') return this.#calls.QTS_NewFloat64!(this.#context, 0);
    if (second === '0') {
      return this.#calls.QTS_NewFloat64!(this.#context, QTS_PromiseState!(this.#context, first));
    }
    return QTS_PromiseResult!(this.#context, first);
  }

  #emitted(kind: string, payload: string): void {
    const turn = this.#turn;
    const value = payload === '' ? undefined : JSON.parse(payload);
    if (kind === 'out') turn[value.stream as 'stdout' | 'stderr'].push(value.text);
    else if (kind === 'req') turn.requests.push(value);
    else if (kind === 'cancel') turn.cancelled.push(value);
    else if (kind === 'result') turn.result = value;
    else if (kind === 'error') turn.error = value;
    else if (kind === 'exit') turn.exit = true;
    else if (kind === 'settled') turn.settled = true;
    else if (kind === 'looked') this.#variables.push(value);
    else if (kind === 'unheard' || kind === 'listed') return;
    else if (kind === 'unset') this.state = withUnset(this.state, value);
    else throw new Error(`unknown emission ${kind}`);
  }

  #string(text: string): number {
    const size = this.#module.lengthBytesUTF8(text) + 1;
    const at = this.#module._malloc(size);
    this.#module.stringToUTF8(text, at, size);
    const value = this.#calls.QTS_NewString!(this.#context, at);
    this.#module._free(at);
    return value;
  }

  #text(value: number): string {
    const at = this.#calls.QTS_GetString!(this.#context, value);
    const text = this.#module.UTF8ToString(at);
    this.#calls.QTS_FreeCString!(this.#context, at);
    return text;
  }

  #checked(value: number): number {
    const error = this.#calls.QTS_ResolveException!(this.#context, value);
    if (error !== 0) throw new GuestException(error, this.#text(error));
    return value;
  }

  /** Evaluates a script and returns its value's pointer. */
  eval(code: string, file: string, flags = 0): number {
    const size = this.#module.lengthBytesUTF8(code) + 1;
    const at = this.#module._malloc(size);
    this.#module.stringToUTF8(code, at, size);
    const value = this.#calls.QTS_Eval!(this.#context, at, size - 1, file, 0, flags);
    this.#module._free(at);
    return this.#checked(value);
  }

  #invoke(entry: string, argument: number): number {
    const { QTS_GetProp, QTS_Call, QTS_GetUndefined } = this.#calls;
    const method = QTS_GetProp!(this.#context, this.#entries, this.#string(entry));
    const argv = this.#module._malloc(4);
    new DataView(this.#module.HEAPU8.buffer).setUint32(argv, argument, true);
    const value = QTS_Call!(this.#context, method, QTS_GetUndefined!(), 1, argv);
    this.#module._free(argv);
    return this.#checked(value);
  }

  /** Calls an entry point of the prelude with JSON; the text it returns. */
  call(entry: string, argument: unknown): string {
    return this.#text(this.#invoke(entry, this.#string(JSON.stringify(argument))));
  }

  #runJobs(): void {
    const out = this.#module._malloc(4);
    this.#checked(this.#calls.QTS_ExecutePendingJob!(this.#runtime, -1, out));
    this.#module._free(out);
  }

  #take(): GuestTurn {
    this.#runJobs();
    const turn = this.#turn;
    this.#turn = emptyTurn();
    return turn;
  }

  /** Runs one cell as far as it goes. */
  run(code: string): GuestTurn {
    const cell = ++this.cells;
    const compiled = compileCell(code, this.state, cell);
    if (!compiled.ok) {
      this.call('compileFailed', compiled.error);
      return { ...this.#take(), error: compiled.error };
    }
    const { map, bindings } = compiled;
    this.call('begin', { cell, seq: cell, timeMs: this.nowMs, map, bindings });
    try {
      if (compiled.declare !== null) this.eval(compiled.declare, `<cell ${cell}>`);
      const promise = this.eval(compiled.body, `<cell ${cell}>`, ASYNC);
      this.state = compiled.next;
      this.#invoke('cellDone', promise);
    } catch (thrown) {
      if (!(thrown instanceof GuestException)) throw thrown;
      this.#invoke('cellThrew', thrown.value);
    }
    return this.#take();
  }

  /** Text of a cell's result; throws when the cell did. */
  show(code: string): string {
    const turn = this.run(code);
    if (turn.error) throw new Error(turn.error.stack);
    if (!turn.result) throw new Error('the cell has not ended');
    return turn.result.text;
  }

  answer(
    effect: number,
    outcome: { value?: Json; error?: { name: string; message: string; code?: string } },
  ): GuestTurn {
    this.call('answer', { effect, timeMs: this.nowMs, ...outcome });
    return this.#take();
  }

  /** Any other entry point, as a turn. */
  step(entry: string, argument: unknown): GuestTurn {
    this.call(entry, argument);
    return this.#take();
  }

  inspect(): VariableSummary[] {
    this.#variables = [];
    this.call('inspect', { state: this.state, from: 0, withheld: 'none' });
    return this.#variables;
  }

  complete(code: string, cursor = code.length): { completions: string[]; from: number } {
    return JSON.parse(this.call('complete', { ...completionTarget(code, cursor), state: this.state }));
  }

  /** Copy of the whole memory. */
  memory(): Uint8Array {
    return this.#module.HEAPU8.slice();
  }
}

class GuestException extends Error {
  readonly value: number;
  constructor(value: number, message: string) {
    super(message);
    this.value = value;
  }
}

function emptyTurn(): GuestTurn {
  return { stdout: [], stderr: [], requests: [], cancelled: [], exit: false, settled: false };
}

/** Gives the engine our time instead of the machine's. Names of imports are those of the pinned build. */
function withClock(imports: WebAssembly.Imports, nowMs: () => number): WebAssembly.Imports {
  const given = imports.a!;
  const memory = given.a as WebAssembly.Memory;
  const readClock = (_clock: number, _precision: bigint, at: number): number => {
    new DataView(memory.buffer).setBigInt64(at, BigInt(nowMs()) * 1_000_000n, true);
    return 0;
  };
  return { ...imports, a: { ...given, q: readClock, p: nowMs } };
}
