/** The life of a cell inside the kernel: it begins, it ends once, with a result or an error. */
import { type Bindings, enterBindings, leaveBindings, restoreBindings } from './bindings.ts';
import { abandonEffects, setCellSource } from './effects.ts';
import {
  chain,
  define,
  defineGetter,
  expose,
  IntrinsicError,
  IntrinsicRangeError,
  IntrinsicSyntaxError,
  IntrinsicTypeError,
  put,
} from './intrinsics.ts';
import { forgetWriting } from './nesting.ts';
import { forgetRejected, setExitMark } from './rejections.ts';
import { describe, type Failure, inspectBounded, type Rendering } from './rendering.ts';
import { forgetMap, rememberMap } from './stacks.ts';
import { bare, emit, writeResult } from './wall.ts';

let running: number | undefined;
/** The running cell has a map: most have none. */
let mapped = false;
let lastResult: unknown;
let lastError: unknown;
/** Thrown by `exit()`: unwinds the cell, is no error. */
const exitMark = bare({ exit: true });
let exiting = false;
const NOTHING: Rendering = { text: '', truncated: false };

setCellSource(() => running);
setExitMark(exitMark);

export function begin(given: { cell: number; map?: string | null; bindings?: Bindings }): void {
  running = given.cell;
  exiting = false;
  const map = given.map ?? null;
  mapped = map !== null;
  rememberMap(given.cell, map);
  enterBindings(given.bindings);
}

/** Ends the running cell; false when `cell` is not the one that runs (it was abandoned meanwhile). */
function end(cell: number | undefined, succeeded = false): boolean {
  if (cell === undefined || running !== cell) return false;
  running = undefined;
  leaveBindings(succeeded);
  if (mapped) forgetMap(cell);
  return true;
}

/** Waits for the promise that evaluating the cell's body gave. */
export function cellDone(promise: Promise<{ value: unknown }>): void {
  const cell = running;
  // Without it `then` would look up `constructor`, which users can overwrite.
  define(promise, 'constructor', undefined);
  chain(
    promise,
    (outcome) => {
      if (running === cell) succeed(cell, (outcome as { value: unknown }).value);
    },
    (reason) => {
      if (running === cell) fail(cell, reason);
    },
  );
}

function succeed(cell: number | undefined, value: unknown): void {
  // Rendering may run user code (getters, custom inspect): the cell still runs.
  const shown = value === undefined || exiting ? NOTHING : inspectBounded(value);
  if (!end(cell, true)) return;
  lastResult = value;
  finish(shown);
}

function finish({ text, truncated }: Rendering): void {
  writeResult(text, truncated);
  emit('settled', undefined);
}

function fail(cell: number | undefined, reason: unknown): void {
  if (exiting || reason === exitMark) {
    if (end(cell)) finish(NOTHING);
    return;
  }
  const failure = describe(reason);
  if (!end(cell)) return;
  lastError = reason;
  emit('error', bare(failure));
  emit('settled', undefined);
}

/** The body did not even start: the engine refused it. */
export function cellThrew(error: unknown): void {
  restoreBindings();
  fail(running, error);
}

/** The host ended the cell (a strike, a promise that never settles, a failed step). It knows: nothing is emitted. */
export function abandon(given: Partial<Failure> & { cell?: number; effect?: number }): void {
  const cell = running ?? given.cell;
  abandonEffects(cell, given.effect);
  forgetRejected();
  forgetWriting();
  end(running);
  if (given.name !== undefined) lastError = makeError(given);
}

/** The compiler refused the cell. */
export function compileFailed(given: Failure): void {
  end(running);
  lastError = makeError(given);
}

function makeError({ name = 'Error', message = '', stack }: Partial<Failure>): Error {
  let error: Error;
  if (name === 'SyntaxError') error = new IntrinsicSyntaxError(message);
  else if (name === 'RangeError') error = new IntrinsicRangeError(message);
  else if (name === 'TypeError') error = new IntrinsicTypeError(message);
  else error = new IntrinsicError(message);
  if (error.name !== name) define(error, 'name', name);
  define(error, 'stack', stack ?? `${name}: ${message}`);
  return error;
}

function exit(): never {
  exiting = true;
  emit('exit', undefined);
  throw exitMark;
}

/** A global that shows a value of ours until the user assigns to it. */
function installShadowable(name: string, read: () => unknown): void {
  defineGetter(globalThis, name, read, (value) => {
    put(globalThis, name, value);
  });
}

export function installCells(): void {
  installShadowable('_', () => lastResult);
  installShadowable('_error', () => lastError);
  expose(globalThis, 'exit', exit);
  define(globalThis, 'global', globalThis);
}
