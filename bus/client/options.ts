/** What callers of the client library may say beside what they ask. */
import type { VerifiedPlace } from '../operations/looks.ts';

export interface ExecuteOptions {
  /** The same id is executed once: give it to retry after TIMEOUT. Default: a new one. */
  commandId?: string;
  /** Wall-clock budget of the cell's computing, ms; default: the worker's. */
  timeoutMs?: number;
  /** How long to wait for the answer, ms; Infinity: as long as somebody is at work. Default `timeoutMs` (30 s) + 5 s. */
  waitMs?: number;
  signal?: AbortSignal;
}

export interface LookOptions {
  /** How long to wait for the answer, ms; default 30 s. */
  waitMs?: number;
  signal?: AbortSignal;
}

/** Of what takes as long as a log is long. */
export interface LongLookOptions {
  /** How long to wait while no worker is at work, ms; default 30 s. */
  waitMs?: number;
  signal?: AbortSignal;
}

export interface AtOptions extends LongLookOptions {
  /** Code to run there. */
  code?: string;
  /** Wall-clock budget of the code, ms; default 30 s. */
  timeoutMs?: number;
}

export interface VerifyOptions extends LongLookOptions {
  /** Once more, moved between kernels after turns that follow from this seed. */
  schedule?: string;
  /** Where it was verified before: nothing is executed when nothing has changed since. */
  known?: VerifiedPlace;
}

export interface BisectOptions extends LongLookOptions {
  /** Once it holds it holds for ever: found by halving. Default: every turn is looked at. */
  monotonic?: boolean;
  /** Wall-clock budget of the predicate at one moment, ms; default 5 s. */
  timeoutMs?: number;
}

export interface DiffOptions extends LongLookOptions {
  /** Wall-clock budget of looking into the variables of one side, ms; default 10 s. */
  timeoutMs?: number;
}

export interface ForkOptions extends LongLookOptions {
  /** The same id forks once: give it to retry after TIMEOUT. Default: a new one. */
  commandId?: string;
}

export interface ImportOptions extends LongLookOptions {
  /** The same id imports once: give it to retry after TIMEOUT. Default: a new one. */
  commandId?: string;
  /** Hears how many events were sent so far. */
  onEvent?: (events: number) => void;
}

export interface EditOptions extends ForkOptions {
  /** Begins nothing: only tells what would be asked. */
  dryRun?: boolean;
  /** false: ends before the first call that is not recorded. */
  calls?: boolean;
  /** Hears of every cell that is run again live. */
  onCell?: (code: string) => void;
}

export interface TraceOptions extends LongLookOptions {
  /** Hits or statements that are told; of the others only the number. Default 1,000. */
  limit?: number;
}

export interface ProbeOptions extends TraceOptions {
  /** An expression: only hits where it holds count. */
  condition?: string;
}
