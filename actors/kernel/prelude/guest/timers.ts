/** Timers, and callbacks that nobody waits for. */
import { reportUncaught } from './console.ts';
import { cancel, nextEffect, request, type Waiting } from './effects.ts';
import { apply, chain, expose, IntrinsicTypeError, min, now, Table, trunc } from './intrinsics.ts';
import { isPromise, kindOf } from './kinds.ts';
import { isExit } from './rejections.ts';
import { bare } from './wall.ts';

interface Timer {
  callback: (...args: unknown[]) => unknown;
  args: unknown[];
  delayMs: number;
  repeats: boolean;
  effect: number;
}

/** By the id that users hold: the effect number of the first arming. */
const timers = new Table<number, Timer>();
const MAX_DELAY_MS = 2 ** 31 - 1;

function arm(timer: Timer, id: number | undefined): number {
  const { delayMs } = timer;
  const held = id ?? nextEffect();
  const forget = () => {
    timers.delete(held);
  };
  const waiting: Waiting = { fulfil: () => fire(held), refuse: forget, forsake: forget };
  // An interval that has fired takes the place that it had.
  timer.effect = request('timer', bare({ delayMs, dueMs: now() + delayMs }), waiting, id !== undefined);
  timers.set(held, timer);
  return held;
}

function fire(id: number): void {
  const timer = timers.get(id);
  if (timer === undefined) return;
  if (!timer.repeats) timers.delete(id);
  run(timer.callback, timer.args);
  if (timer.repeats && timers.get(id) === timer) arm(timer, id);
}

/** Calls a callback that nobody waits for. */
function run(callback: Timer['callback'], args: unknown[]): void {
  try {
    watch(apply(callback, undefined, args));
  } catch (thrown) {
    if (!isExit(thrown)) reportUncaught(thrown);
  }
}

/** An async callback's failure has nobody else to hear of it. */
export function watch(result: unknown): void {
  if (!isPromise(result)) return;
  const ignore = () => undefined;
  try {
    chain(result as Promise<unknown>, ignore, (reason) => {
      if (!isExit(reason)) reportUncaught(reason, '(in promise) ');
      return undefined;
    });
  } catch {
    // A promise with a broken constructor cannot be watched.
  }
}

function makeTimer(name: string, repeats: boolean): (...given: unknown[]) => number {
  return (callback, delay, ...args) => {
    if (typeof callback !== 'function') {
      throw new IntrinsicTypeError(`${name}: the callback must be a function, not ${kindOf(callback)}`);
    }
    const wanted = trunc(+(delay as number));
    const delayMs = wanted >= 1 ? min(wanted, MAX_DELAY_MS) : name === 'setImmediate' ? 0 : 1;
    return arm({ callback: callback as Timer['callback'], args, delayMs, repeats, effect: 0 }, undefined);
  };
}

function clear(id: unknown): void {
  const timer = timers.get(id as number);
  if (timer === undefined) return;
  timers.delete(id as number);
  cancel(timer.effect);
}

/** As the engine's, but what the callback throws is reported: nobody could catch it. */
function enqueue(callback: unknown): void {
  if (typeof callback !== 'function') {
    throw new IntrinsicTypeError(`queueMicrotask: the callback must be a function, not ${kindOf(callback)}`);
  }
  enqueueJob(() => run(callback as Timer['callback'], []));
}
const enqueueJob = queueMicrotask;

/** Starts a timer for code of ours (`AbortSignal.timeout`). */
export const startTimer = makeTimer('setTimeout', false);

export function installTimers(): void {
  const setImmediate = makeTimer('setImmediate', false);
  const named = {
    setTimeout: makeTimer('setTimeout', false),
    setInterval: makeTimer('setInterval', true),
    queueMicrotask: enqueue,
    setImmediate: (callback: unknown, ...args: unknown[]) => setImmediate(callback, 0, ...args),
    clearTimeout: (id: unknown) => clear(id),
    clearInterval: (id: unknown) => clear(id),
    clearImmediate: (id: unknown) => clear(id),
  };
  for (const name in named) {
    const method = named[name as keyof typeof named];
    expose(globalThis, name, method);
  }
}
