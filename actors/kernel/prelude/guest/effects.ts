/**
 * Effects: what the guest asks of the world, and the answers. Each has a number of the session that is never
 * reused; answers arrive in log order, so callbacks and promises run in the same order on every replay.
 */
import { EFFECTS_MAX } from '../../../../bus/limits.ts';
import { reportUncaught } from './console.ts';
import {
  apply,
  chain,
  define,
  expose,
  IntrinsicError,
  IntrinsicPromise,
  IntrinsicRangeError,
  IntrinsicTypeError,
  min,
  now,
  push,
  put,
  Table,
  trunc,
} from './intrinsics.ts';
import { jsonOf, jsonText } from './json.ts';
import { isPromise } from './kinds.ts';
import { isExit, noted } from './rejections.ts';
import { sessionBehaves } from './version.ts';
import { bare, emit } from './wall.ts';

interface Refusal {
  name: string;
  message: string;
  code?: string;
}

/** An effect without an answer. */
interface Pending {
  cell: number | undefined;
  /** The timer that it lets fire, as users know it. */
  timer?: number;
  fulfil(value: unknown): void;
  refuse(error: Refusal): void;
}

const pending = new Table<number, Pending>();
let pendingCount = 0;
let lastEffect = 0;
let currentCell: () => number | undefined = () => undefined;

/** Tells whose effects the next ones are. */
export function setCellSource(source: () => number | undefined): void {
  currentCell = source;
}

/** @throws RangeError (of the guest) when the session waits for too much already */
function request(kind: string, payload: unknown, answer: Omit<Pending, 'cell'>, isAgain = false): number {
  if (pendingCount >= EFFECTS_MAX && !isAgain && sessionBehaves('effectsCapped')) {
    throw new IntrinsicRangeError(
      `a session waits for ${EFFECTS_MAX} timers and model calls at most: await some, or clear them`,
    );
  }
  const effect = ++lastEffect;
  pending.set(effect, { cell: currentCell(), ...answer });
  pendingCount++;
  emit('req', bare({ effect, kind, payload }));
  return effect;
}

function cancel(effect: number): void {
  if (forget(effect)) emit('cancel', effect);
}

function forget(effect: number): boolean {
  const known = pending.delete(effect);
  if (known) pendingCount--;
  return known;
}

/** Settles an effect; unknown ones (cancelled before their answer came) are ignored. */
export function answer(given: { effect: number; value?: unknown; error?: Refusal }): void {
  const waiting = pending.get(given.effect);
  if (waiting === undefined) return;
  forget(given.effect);
  if (given.error === undefined) waiting.fulfil(given.value);
  else waiting.refuse(bare(given.error));
}

/** Gives up what a cell still waits for. `quietly` was consumed already: no cancel for it. */
export function abandonEffects(cell: number | undefined, quietly?: number): void {
  if (quietly !== undefined) forget(quietly);
  if (cell === undefined) return;
  const given: number[] = [];
  pending.each((one, effect) => {
    if (one.cell !== cell) return;
    push(given, effect);
    if (one.timer !== undefined) timers.delete(one.timer);
  });
  for (let at = 0; at < given.length; at++) cancel(given[at]!);
}

// ── llm ─────────────────────────────────────────────────────────────────────────────────────────────────

/** `options` go with a prompt. A number there is the index of an array's `map`. */
function requestOf(input: unknown, options: unknown): unknown {
  if (typeof input === 'string') {
    if (options === undefined || typeof options === 'number') return bare({ prompt: input });
    const more = jsonOf(options, 'llm: options') as { prompt?: unknown; messages?: unknown } | null;
    if (typeof more !== 'object' || more === null || 'length' in more) {
      throw new IntrinsicTypeError(`llm: options must be an object, not ${kindOf(options)}`);
    }
    if (more.prompt !== undefined || more.messages !== undefined) {
      throw new IntrinsicTypeError('llm: options cannot hold another prompt or messages');
    }
    put(more, 'prompt', input);
    return more;
  }
  if (options !== undefined && typeof options !== 'number') {
    throw new IntrinsicTypeError('llm: options go into the request: llm({prompt | messages, model, …})');
  }
  const request = jsonOf(input, 'llm: request') as { prompt?: unknown; messages?: unknown } | null;
  if (typeof request !== 'object' || request === null || 'length' in request) {
    throw new IntrinsicTypeError('llm: pass a prompt, {prompt: string} or {messages: [{role, content}]}');
  }
  const { prompt, messages } = request;
  if (prompt !== undefined && typeof prompt !== 'string') {
    throw new IntrinsicTypeError(`llm: request.prompt must be a string, not ${kindOf(prompt)}`);
  }
  if (messages !== undefined) assertMessages(messages);
  if (prompt === undefined && messages === undefined) {
    throw new IntrinsicTypeError('llm: request needs a prompt or messages');
  }
  return request;
}

function assertMessages(messages: unknown): void {
  const list = messages as { role?: unknown; content?: unknown }[];
  if (typeof messages !== 'object' || messages === null || !('length' in messages) || list.length === 0) {
    throw new IntrinsicTypeError('llm: request.messages must be an array of {role, content}');
  }
  for (let at = 0; at < list.length; at++) {
    const message = list[at];
    const where = `llm: request.messages[${at}]`;
    if (typeof message !== 'object' || message === null) {
      throw new IntrinsicTypeError(`${where} must be an object, not ${kindOf(message)}`);
    }
    if (typeof message.role !== 'string') {
      throw new IntrinsicTypeError(`${where}.role must be a string, not ${kindOf(message.role)}`);
    }
    if (message.content === undefined) throw new IntrinsicTypeError(`${where}.content is missing`);
  }
}

const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);

/** The error of a refused effect, as the guest catches it. */
function errorOf(refusal: Refusal): Error {
  const error = new IntrinsicError(refusal.message);
  define(error, 'name', refusal.name);
  if (refusal.code !== undefined) {
    put(error, 'code', refusal.code);
  }
  define(error, 'stack', `${refusal.name}: ${refusal.message}`);
  return error;
}

/** JSON characters of a request to a model: it must fit into a commit. */
const REQUEST_CHARS_MAX = 600_000;

/** Asks a model; resolves to its text. */
function llm(input: unknown, options?: unknown): Promise<unknown> {
  return noted(
    new IntrinsicPromise((resolve, reject) => {
      const payload = requestOf(input, options);
      const { length } = jsonText(payload);
      if (length > REQUEST_CHARS_MAX) {
        const error = new IntrinsicTypeError(
          `llm: the request has ${length} characters; at most ${REQUEST_CHARS_MAX}`,
        );
        if (sessionBehaves('requestLimitCoded')) put(error, 'code', 'TOO_LARGE');
        throw error;
      }
      request('llm', payload, {
        fulfil: resolve,
        refuse: (refusal) => reject(errorOf(refusal)),
      });
    }),
  );
}

// ── Timers ──────────────────────────────────────────────────────────────────────────────────────────────

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
  const waiting: Omit<Pending, 'cell'> = {
    timer: id ?? lastEffect + 1,
    fulfil: () => fire(waiting.timer!),
    refuse: () => timers.delete(waiting.timer!),
  };
  // An interval that has fired takes the place that it had.
  timer.effect = request('timer', bare({ delayMs, dueMs: now() + delayMs }), waiting, id !== undefined);
  timers.set(waiting.timer!, timer);
  return waiting.timer!;
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

export function installEffects(): void {
  const setImmediate = makeTimer('setImmediate', false);
  const named = {
    llm,
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
