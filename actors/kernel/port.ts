/**
 * The kernel as its users see it: a pool of sandboxed QuickJS instances in worker threads, into which heap
 * images are swapped. A `KernelHost` serves many sessions; calls for one session never overlap.
 *
 * Determinism: the same boot parameters and the same steps give the same turns and the same `stateId`s, on
 * every machine with the same `version`. Facts that may differ (durations) are marked.
 */
import type { Evaluated } from '../../bus/operations/looks.ts';
import type { Json, VariableSummary } from '../../bus/types.ts';
import type { Looks } from './compiler/probing.ts';

/** What a fresh kernel is seeded with: comes from the `session` event alone. */
export interface BootParameters {
  sessionId: string;
  createdMs: number;
  seed: string;
  /** Version of the behaviours it was born with (`behaviours.ts`). */
  version: number;
}

/** A strike that replay must repeat: at the `fuel`-th interrupt callback of the turn. */
export interface Strike {
  reason: 'user' | 'timeout';
  fuel: number;
}

/** Looks at a cell while it runs; they change nothing of what it gives. */
export interface Probing {
  /** What is put into its code, and the names that it calls; for the step that begins the cell, and all after it. */
  looks: Looks;
  /** The first expression of each look is whether it is wanted: 1 or 0. */
  conditional: boolean;
  /** Values as one line each, for lists of them. */
  brief: boolean;
  /** Looks that are kept; of the others only the number is told. */
  limit: number;
}
/** What looks have shown in a turn. */
export interface Probed {
  hits: ProbedHit[];
  /** Looks beyond the limits. */
  more: number;
  /** What the condition threw, where it threw first: it does not hold there. */
  refused?: string;
}
export interface ProbedHit {
  /** Number of the place. */
  place: number;
  values: ({ value: string } | { error: string })[];
}

/** One thing that enters the kernel. `seq` is that of its event; `timeMs` its timestamp. */
export type KernelStep = { failed?: { name: string; message: string; stack: string }; probing?: Probing } & (
  | {
      type: 'input';
      seq: number;
      timeMs: number;
      cell: number;
      code: string;
      strike?: Strike;
      timeoutMs?: number;
    }
  /** Answer of an effect: resolves (value) or rejects (error) the guest's promise, then runs all jobs. */
  | {
      type: 'answer';
      seq: number;
      timeMs: number;
      effect: number;
      value?: Json;
      error?: { name: string; message: string; code?: string };
      strike?: Strike;
      timeoutMs?: number;
    }
  /** The cell that awaits is given up (Ctrl-C, or its budget is spent): it ends with an error. */
  | { type: 'abandon'; seq: number; timeMs: number; reason: 'user' | 'timeout' }
);

export interface KernelOutput {
  stream: 'stdout' | 'stderr';
  /** console method: log, info, debug, warn, error, table… */
  level: string;
  /** Rendered text without the final newline. Consecutive outputs of one level come joined by newlines. */
  text: string;
  truncated?: boolean;
}

/** A piece of what a turn prints, sent while it runs. The turn's outputs say the same, and alone are lasting. */
export interface Printed {
  /** UTF-16 units of the turn's console text (its outputs in order, each with its newline) before this piece. */
  at: number;
  parts: { stream: 'stdout' | 'stderr'; text: string }[];
}

/** A global function by which cells ask for effects of a kind: takes one JSON value, gives a promise. */
export interface EffectCall {
  name: string;
  kind: string;
}

/** An effect the guest asked for. `effect` is a counter of the session, never reused. */
export interface KernelRequest {
  effect: number;
  /** 'timer' (payload {delayMs, dueMs}), 'llm', or what a call is offered for (`EffectCall`). */
  kind: string;
  payload: Json;
}

/** What one step led to. */
export interface Turn {
  /**
   * done: the cell ended (result or error set); waiting: its promise waits for effects; idle: no cell was
   * running (a background timer's answer, say).
   */
  status: 'done' | 'waiting' | 'idle';
  outputs: KernelOutput[];
  requests: KernelRequest[];
  /** Effects the guest no longer waits for (clearTimeout). Their answers must not be applied. */
  cancelled: number[];
  /** Rendered result; '' for undefined results of statements and for `undefined`… as a REPL prints nothing. */
  result?: { text: string; truncated?: boolean };
  /** The cell threw, hit a limit, or was struck. `stack` points into cells: `<cell 3>:2:7`. */
  error?: { name: string; message: string; stack: string };
  /** `exit()` was called. */
  exit: boolean;
  /** Interrupt callbacks this turn (deterministic). */
  fuel: number;
  /** Set when this turn was struck from outside: record it. */
  struck?: Strike;
  /**
   * The turn left the heap unusable (memory limit, wasm trap); `error` says which. The host has already dropped
   * the session: the caller opens it again at the state before this turn and applies the same step with
   * `failed` set, which performs the bookkeeping of a failed cell without running any guest code.
   */
  poisoned?: boolean;
  heapBytes: number;
  /** For a step with `probing`. */
  probed?: Probed;
  /** Wall-clock time of the turn in the kernel thread (a recorded fact, not deterministic). */
  durationMs: number;
}

/** A session's heap as bytes, plus the little state the host keeps for it. */
export interface HeapImage {
  kernel: string;
  /** sha256 (hex) of content: kernel version, pages, host state. */
  stateId: string;
  /** Opaque, compressed; restorable alone. */
  bytes: Uint8Array;
  heapBytes: number;
}

/** Code to be run in a copy of a session, as its next cell. */
export type EvaluationStep = Pick<
  Extract<KernelStep, { type: 'input' }>,
  'seq' | 'timeMs' | 'cell' | 'code' | 'timeoutMs'
>;

export interface InspectReport {
  variables: VariableSummary[];
  heapBytes: number;
  stateId: string;
  cells: number;
}

/** What a session starts from. An image is the heap with this `stateId`, or it is not used. */
export type OpenFrom = { boot: BootParameters } | { image: Uint8Array; stateId: string };

export interface KernelHost {
  /** Hash of the wasm bytes, the prelude and the cell compiler. */
  readonly version: string;
  /**
   * Takes a session on, from nothing or from an image.
   * @throws RepriseError CORRUPT when the image fails its hash, or is another heap than the one that is named
   */
  open(session: string, from: OpenFrom): Promise<void>;
  /**
   * Applies one step. Deterministic limits (memory, fuel, stack, output, cell size, never-settling promise) and
   * syntax errors are `Turn.error`, not exceptions.
   * A replay passes the recorded `strike` and a `timeoutMs` that cannot run out on a slower machine.
   * @throws RepriseError UNAVAILABLE when the session is not in the host, or its thread died or is stuck: the session
   * must be opened again from log and checkpoint. Not retryable when this very turn hung in a built-in function and
   * was ended by the outer watchdog: the step is then to be applied with `failed`.
   * @param hear is told what the turn prints while it runs, when it runs long: in order, without gaps, and not all of it
   */
  apply(session: string, step: KernelStep, hear?: (printed: Printed) => void): Promise<Turn>;
  /**
   * Applies steps one after the other in one call; a poisoned turn is the last. For replays: each step has happened
   * before, so none of them is expected to hang.
   * @throws as `apply`
   */
  applyAll(session: string, steps: readonly KernelStep[]): Promise<Turn[]>;
  /** The heap as it is now; does not change it. */
  capture(session: string): Promise<HeapImage>;
  /** Variables, previews, stateId, on a throwaway copy. */
  inspect(session: string): Promise<InspectReport>;
  /** Runs code on a throwaway copy; what it asks of the world is refused. @throws as `apply` */
  evaluate(session: string, step: EvaluationStep): Promise<Evaluated>;
  complete(session: string, code: string, cursor: number): Promise<{ completions: string[]; from: number }>;
  /** Strikes the running turn of the session, if any (asynchronous: the turn's result tells). */
  interrupt(session: string): void;
  /** Keeps the pages, frees the instance for others. The next apply brings it back. */
  park(session: string): Promise<void>;
  /** Forgets a session. */
  drop(session: string): void;
  /** Bytes held for parked sessions, instances alive, threads. */
  stats(): { sessions: number; parked: number; parkedBytes: number; instances: number; threads: number };
  close(): Promise<void>;
}
