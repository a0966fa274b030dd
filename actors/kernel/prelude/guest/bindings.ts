/**
 * The bindings of top-level let, const and class, as an object. What the engine does natively is nearly all: dead
 * zones, constants. It never lets go of a name, though; so a cell that declares names anew says beforehand what has to
 * happen to the bindings there are, and afterwards (see `compiler/declaring.ts`).
 */
import { defineProperty, globalEval, keys, push } from './intrinsics.ts';
import { emit } from './wall.ts';

/** What a cell does to bindings; names. */
export interface Bindings {
  /** Never initialised: they go, and the cell declares them itself. */
  drop?: string[];
  /** Constants that the cell assigns to, as it declares them again. */
  unlock?: string[];
  /** Constant once the cell has ended, though it assigns to them. */
  lock?: string[];
  /** Declared by the cell itself: without a value for ever when it fails before. */
  watch?: string[];
}

let scope: object;
let current: Bindings | undefined;

/** Takes the engine's own object: called once, at boot. */
export function takeScope(object: object): void {
  scope = object;
  // Allocates what later calls would: see `warmUp`.
  keys(scope);
}

export function enterBindings(given: Bindings | undefined): void {
  current = given;
  if (given === undefined) return;
  const { drop = [], unlock = [] } = given;
  for (let at = 0; at < drop.length; at++) delete (scope as Record<string, unknown>)[drop[at]!];
  setWritable(unlock, true);
}

/** The cell was not even begun: all is as before. */
export function restoreBindings(): void {
  if (current !== undefined) setWritable(current.unlock ?? [], false);
  current = undefined;
}

/** The cell has ended; the host is told which of its names have no value. */
export function leaveBindings(succeeded: boolean): void {
  if (current === undefined) return;
  const { lock = [], watch = [] } = current;
  current = undefined;
  setWritable(lock, false);
  if (succeeded) return;
  const unset: string[] = [];
  for (let at = 0; at < watch.length; at++) {
    // The property of one without a value must not be read: it holds what is no value of the language.
    try {
      globalEval(watch[at]!);
    } catch {
      push(unset, watch[at]!);
    }
  }
  if (unset.length > 0) emit('unset', unset);
}

function setWritable(names: string[], writable: boolean): void {
  for (let at = 0; at < names.length; at++) defineProperty(scope, names[at]!, { writable });
}
