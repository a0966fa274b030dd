/**
 * Effects: what the guest asks of the world, and the answers. Each has a number of the session that is never
 * reused; answers arrive in log order, so callbacks and promises run in the same order on every replay.
 */
import { EFFECTS_MAX } from '../../../../bus/limits.ts';
import {
  define,
  IntrinsicError,
  IntrinsicPromise,
  IntrinsicRangeError,
  push,
  put,
  Table,
} from './intrinsics.ts';
import { noted } from './rejections.ts';
import { sessionBehaves } from './version.ts';
import { bare, emit } from './wall.ts';

export interface Refusal {
  name: string;
  message: string;
  code?: string;
}

/** What an answer does. */
export interface Waiting {
  fulfil(value: unknown): void;
  refuse(error: Refusal): void;
  /** Its cell has given it up: no answer will come. */
  forsake?(): void;
}

/** An effect without an answer. */
interface Pending extends Waiting {
  cell: number | undefined;
}

const pending = new Table<number, Pending>();
let pendingCount = 0;
let lastEffect = 0;
let currentCell: () => number | undefined = () => undefined;

/** Tells whose effects the next ones are. */
export function setCellSource(source: () => number | undefined): void {
  currentCell = source;
}

/** The number that the next effect gets. */
export const nextEffect = (): number => lastEffect + 1;

/**
 * Asks for an effect. @param isAgain it takes the place of one that has just been answered
 * @returns its number
 * @throws RangeError (of the guest) when the session waits for too much already
 */
export function request(kind: string, payload: unknown, answer: Waiting, isAgain = false): number {
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

/** Gives up an effect: its answer is not wanted any more. */
export function cancel(effect: number): void {
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
    if (one.forsake !== undefined) one.forsake();
  });
  for (let at = 0; at < given.length; at++) cancel(given[at]!);
}

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

/** Asks for what `payload` makes; a promise of its answer. */
export function asked(kind: string, payload: () => unknown): Promise<unknown> {
  return noted(
    new IntrinsicPromise((resolve, reject) => {
      request(kind, payload(), { fulfil: resolve, refuse: (refusal) => reject(errorOf(refusal)) });
    }),
  );
}
