/** What host and kernel threads say to one another. */
import type { WireError } from '../../bus/errors.ts';
import type { Layout } from './guest.ts';
import type { KernelLimits } from './limits.ts';
import type { EffectCall, EvaluationStep, KernelStep, OpenFrom, Printed } from './port.ts';
import type { Luggage } from './residency.ts';
import type { KernelWasm } from './wasm.ts';

export interface ThreadSetup {
  wasm: KernelWasm;
  limits: KernelLimits;
  calls?: readonly EffectCall[];
  kernel: string;
  /** Empty when `pristine` is given. */
  prelude: string;
  pristine?: SharedPristine;
  capacity: number;
  /** Cells of no session run while the thread is idle, so that the first ones of a session are fast. */
  warmUp: boolean;
  flags: SharedArrayBuffer;
}

export interface SharedPristine {
  layout: Layout;
  bytes: SharedArrayBuffer;
}

/** A request; `luggage` brings the session along from another thread. */
export type ThreadRequest = { id: number; session: string; luggage?: Luggage } & (
  | { op: 'open'; from: OpenFrom }
  /** `heard`: what it prints while it runs is sent. */
  | { op: 'apply'; step: KernelStep; heard?: boolean }
  | { op: 'applyAll'; steps: readonly KernelStep[] }
  | { op: 'capture' }
  | { op: 'inspect' }
  | { op: 'evaluate'; step: EvaluationStep }
  | { op: 'complete'; code: string; cursor: number }
  | { op: 'park' }
  | { op: 'drop' }
);

export type ThreadMessage =
  | { type: 'ready'; pristine: SharedPristine }
  /** `value` is the result; `gone`: the session has left the thread with this answer. */
  | { type: 'done'; id: number; value?: unknown; error?: WireError; gone?: boolean }
  /** The turn that request `id` applies has printed this so far. */
  | { type: 'printed'; id: number; printed: Printed }
  /** The thread runs a long turn (or no longer does). */
  | { type: 'slow'; slow: boolean }
  /** A request that cannot be served now, with its session, to be served by another thread. */
  | { type: 'bounced'; request: ThreadRequest };

/** Words of the shared flags. */
export const FLAG = {
  /** Moves while the thread makes progress. */
  progress: 0,
  /** Id of the request being served, 0: none. */
  current: 1,
  parked: 2,
  parkedKilobytes: 3,
  instances: 4,
  /** The request `id` is to be interrupted when word `strikes + id % STRIKE_SLOTS` holds `id`. */
  strikes: 16,
} as const;
export const STRIKE_SLOTS = 256;
export const FLAG_WORDS = FLAG.strikes + STRIKE_SLOTS;
