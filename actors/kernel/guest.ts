/**
 * The interpreter inside an instance: runtime, context and the prelude's entry points, as pointers into its
 * memory. A `Pristine` is the memory right after boot; every session starts from it, so the pointers hold in all
 * instances of a thread (see `boot.ts`).
 */
import type { Addresses, Instance } from './instance.ts';

/** Functions of the prelude that the host calls. Each takes one JSON string, but takeScope, cellDone, cellThrew, show and preview a value, prepare an error. */
export const ENTRIES = [
  'takeScope',
  'offer',
  'boot',
  'begin',
  'cellDone',
  'cellThrew',
  'answer',
  'abandon',
  'failed',
  'compileFailed',
  'unhandled',
  'prepare',
  'inspect',
  'complete',
  'show',
  'preview',
] as const;
export type Entry = (typeof ENTRIES)[number];

/** Evaluate as a plain script, or with top-level await (gives a promise of `{value}`). */
export const EVAL_SCRIPT = 0;
export const EVAL_ASYNC = 1 << 7;

/** The interpreter reloads its interrupt countdown with this. */
export const COUNTDOWN = 10_000;

/** Where things are in the memory. */
export interface Layout extends Addresses {
  context: number;
  entries: Record<Entry, number>;
  /** Address of the countdown to the next interrupt callback. */
  countdown: number;
  /** Address of the word that holds the end of the heap (sbrk). */
  heapEnd: number;
  /** The stack grows down from here; the heap grows up. */
  stackTop: number;
}

/** Memory right after boot. */
export interface Pristine {
  layout: Layout;
  /** From 0 to the end of the heap. */
  bytes: Buffer;
}

/** A thrown guest value is freed by whoever receives it. */
export type Outcome = { value: number; thrown?: undefined } | { value?: undefined; thrown: number };

/** Calls into the interpreter of one instance. */
export class Guest {
  readonly instance: Instance;
  readonly layout: Layout;

  constructor(instance: Instance, layout: Layout) {
    this.instance = instance;
    this.layout = layout;
    instance.addresses = layout;
  }

  /** End of the heap in use, bytes from 0. */
  get heapEnd(): number {
    return this.instance.words[this.layout.heapEnd >> 2]!;
  }

  get heapBytes(): number {
    return this.heapEnd - this.layout.stackTop;
  }

  eval(code: string, file: string, flags: number): Outcome {
    const { engine } = this.instance;
    const source = this.instance.writeText(code);
    const name = this.instance.writeText(file);
    const value = engine.QTS_Eval(this.layout.context, source.pointer, source.length, name.pointer, 0, flags);
    engine.free(source.pointer);
    engine.free(name.pointer);
    return this.#resolve(value);
  }

  /** Calls an entry with a value of the guest, which stays the caller's. */
  callWith(entry: Entry, argument: number): Outcome {
    const { scratch, context, entries } = this.layout;
    const callee = entries[entry];
    if (callee === 0) return { value: 0 };
    this.instance.words[scratch >> 2] = argument;
    const value = this.instance.engine.QTS_Call(context, callee, this.layout.undefined, 1, scratch);
    return this.#resolve(value);
  }

  /** Calls a function of the guest's without arguments. */
  callFunction(callee: number): Outcome {
    const { context, undefined: none, scratch } = this.layout;
    return this.#resolve(this.instance.engine.QTS_Call(context, callee, none, 0, scratch));
  }

  /** Calls an entry with a JSON text. */
  call(entry: Entry, argument: unknown): Outcome {
    const { engine } = this.instance;
    const text = this.instance.writeText(JSON.stringify(argument));
    const value = engine.QTS_NewString(this.layout.context, text.pointer);
    engine.free(text.pointer);
    const outcome = this.callWith(entry, value);
    this.free(value);
    return outcome;
  }

  /**
   * Runs queued jobs (promise reactions) until none is left, one throws, or `max` have run (-1: no bound).
   * What a job throws is nobody's to catch.
   */
  runJobs(max: number): void {
    const { runtime, scratch } = this.layout;
    this.free(this.instance.engine.QTS_ExecutePendingJob(runtime, max, scratch));
  }

  get jobPending(): boolean {
    return this.instance.engine.QTS_IsJobPending(this.layout.runtime) !== 0;
  }

  /** Makes the next function call or loop turn of the guest ask the interrupt callback. */
  hurryInterrupt(): void {
    this.instance.words[this.layout.countdown >> 2] = 1;
  }

  resetCountdown(): void {
    this.instance.words[this.layout.countdown >> 2] = COUNTDOWN;
  }

  /** A value as `String(value)` shows it. */
  text(value: number): string {
    const { engine } = this.instance;
    const pointer = engine.QTS_GetString(this.layout.context, value);
    if (pointer === 0) return '';
    const text = this.instance.readText(pointer);
    engine.QTS_FreeCString(this.layout.context, pointer);
    return text;
  }

  free(value: number): void {
    if (value !== 0) this.instance.engine.QTS_FreeValuePointer(this.layout.context, value);
  }

  /** Frees whatever an outcome holds; true when it was a value. */
  discard(outcome: Outcome): boolean {
    this.free(outcome.value ?? outcome.thrown ?? 0);
    return outcome.thrown === undefined;
  }

  #resolve(value: number): Outcome {
    const thrown = this.instance.engine.QTS_ResolveException(this.layout.context, value);
    if (thrown === 0) return { value };
    this.free(value);
    return { thrown };
  }
}
