/**
 * Rejections that nobody hears of. Every promise that user code makes is noted when it is made (`began` at the start
 * of async functions and executors, the builtins that make promises for everything else); when a turn's jobs have
 * run, those that are rejected and that nobody waits for are reported, once. A promise is forgotten as soon as
 * somebody waits for it: who waits has a promise of his own.
 */
import { reportUncaught } from './console.ts';
import {
  apply,
  define,
  expose,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  IntrinsicPromise,
  setPrototypeOf,
} from './intrinsics.ts';
import { sessionBehaves } from './version.ts';
import { emit, probePromise } from './wall.ts';

/** Answers of the host, see `promises.ts`. */
const PENDING = 1;
const REJECTED = 2;

/** Promises that wait without being waited for; of more the later ones are not watched. */
const WATCHED_MAX = 10_000;
const FIRST_SWEEP = 500;

// Without a prototype: no setter of the user's is asked.
const watched = setPrototypeOf([], null) as unknown[];
let sweepAt = FIRST_SWEEP;

let reporting = false;
/** Called when the session's version is known. */
export function startReporting(): void {
  reporting = probePromise !== undefined && sessionBehaves('rejectionsReported');
}

let exitMark: unknown;
/** What `exit()` throws: no failure. */
export function setExitMark(mark: unknown): void {
  exitMark = mark;
}
export const isExit = (thrown: unknown): boolean => thrown === exitMark;

/** Notes a promise that nobody may be waiting for. Returns it. */
export function noted<T>(promise: T): T {
  if (!reporting) return promise;
  if (watched.length >= sweepAt) {
    sweep(undefined);
    sweepAt = watched.length * 2 + FIRST_SWEEP;
  }
  if (watched.length >= WATCHED_MAX) return promise;
  if (watched.length === 0) emit('unheard', true);
  watched[watched.length] = promise;
  return promise;
}

/** Called at the start of an async function or of an executor. */
export function began(): void {
  if (reporting) noted(probePromise!(undefined, 3));
}

/** Lets go of what needs no watching any more, and of the rejected ones to `found`. */
function sweep(found: unknown[] | undefined): void {
  let kept = 0;
  for (let at = 0; at < watched.length; at++) {
    const state = probePromise!(watched[at], 2);
    if (state === PENDING || (state === REJECTED && found === undefined)) watched[kept++] = watched[at];
    else if (state === REJECTED) found![found!.length] = watched[at];
  }
  watched.length = kept;
}

/** Takes what is rejected and unheard; tells the host when nothing is left to look after. */
function takeRejected(): unknown[] {
  const found = setPrototypeOf([], null) as unknown[];
  sweep(found);
  sweepAt = watched.length * 2 + FIRST_SWEEP;
  if (watched.length === 0) emit('unheard', false);
  return found;
}

/** The end of a turn's jobs. Showing a reason may run code of the user's that rejects something else. */
export function reportUnhandled(): void {
  for (let found = takeRejected(); found.length > 0; found = takeRejected()) {
    for (let at = 0; at < found.length; at++) {
      const reason = probePromise!(found[at], 1);
      if (!isExit(reason)) reportUncaught(reason, '(in promise) ');
    }
  }
}

/** After a strike: what it broke off is not to be reported beside it. */
export function forgetRejected(): void {
  if (watched.length > 0) takeRejected();
}

type Method = (this: unknown, ...given: unknown[]) => unknown;

/** Replaces builtins by ones that note the promise they give. */
function noting(holder: object, names: readonly string[]): void {
  for (let at = 0; at < names.length; at++) {
    const name = names[at]!;
    const builtin = getOwnPropertyDescriptor(holder, name)?.value as Method | undefined;
    if (builtin === undefined) continue;
    // A method: without `prototype`, and no constructor, as builtins are.
    const { method } = {
      method(this: unknown, ...given: unknown[]): unknown {
        return noted(apply(builtin, this, given));
      },
    };
    define(method, 'length', builtin.length);
    expose(holder, name, method);
  }
}

export function installRejections(): void {
  if (probePromise === undefined) return;
  noting(IntrinsicPromise, ['reject', 'resolve', 'all', 'allSettled', 'any', 'race', 'try']);
  noting(IntrinsicPromise.prototype, ['then']);
  noting(Array, ['fromAsync']);
  const generators = getPrototypeOf(async function* () {}.prototype as object) as object;
  noting(generators, ['next', 'return', 'throw']);
  const { withResolvers } = IntrinsicPromise;
  const { method } = {
    method(this: unknown): unknown {
      const made = apply(withResolvers, this, []) as { promise: unknown };
      noted(made.promise);
      return made;
    },
  };
  expose(IntrinsicPromise, 'withResolvers', method);
}
