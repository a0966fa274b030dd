/** The shape of a session's fold, and of what applies one event to it. */
import type { Ladder } from '../../bus/ladder.ts';
import type {
  CheckpointAnnotation,
  EventOf,
  ForkPoint,
  SessionEvent,
  SessionEventType,
} from '../../bus/types.ts';
import type { CommandIndex } from './command-index.ts';
import type { EffectTable } from './effect-table.ts';

/** The cell that has begun and not ended. */
export interface RunningCell {
  cell: number;
  /** seq of its input event. */
  seq: number;
  commandId: string;
  /** seq of the event that began its latest turn. */
  turnAt: number;
  timeoutMs?: number;
}

/** Where the session stands in the log: known from stored commits, not from events. */
export interface LogPlace {
  /** Position of the newest commit, 0 when there is none. */
  position: number;
  /** Hash of the newest commit, '' when there is none. */
  hash: string;
  epoch: number;
  /** Positions of up to 32 newest commits, newest last. */
  tail: number[];
  /** Bytes stored for the session so far, checkpoint images included. */
  sizeBytes: number;
}

/** What somebody says of a moment. Times are ISO here: a fold is compared and stored as it is. */
export type Annotation = Omit<CheckpointAnnotation, 'created'> & { created: string };

export interface SessionFold {
  name: string;
  token: string;
  id: string;
  created: string;
  seed: string;
  /** Version of the behaviours that it was born with. */
  version: number;
  /** seq of the newest event, -1 when there is none. */
  seq: number;
  /** seq of the newest event but for annotations: they do nothing to the session. */
  standsAt: number;
  /** Time of the newest event, ms since the epoch: kernel time never runs backwards. */
  timeMs: number;
  cells: number;
  closed: boolean;
  running: RunningCell | null;
  effects: EffectTable;
  /** Turns since the newest input that no cell waited for: timers' callbacks, mostly. */
  backgroundTurns: number;
  /** They have used up their budget: answers wait until the next command. */
  paused: boolean;
  /** Limits of which half is used, as was told. */
  warned: readonly EventOf<'warning'>['limit'][];
  /** What is said of its moments, oldest first. */
  annotations: readonly Annotation[];
  commands: CommandIndex;
  checkpointCount: number;
  checkpoint: { seq: number; stateId: string; position?: number } | null;
  /** Checkpoints before the newest one, from which every older one is near. */
  ladder: Ladder;
  /** Of a fork: where its log goes on from. */
  parent: ForkPoint | null;
  /** Estimated cost of replaying what came after the newest checkpoint, ms. */
  replayCostMs: number;
  log: LogPlace;
}

/** A handler of one event type: returns what changes in the fold. */
export type EventHandler<T extends SessionEventType> = (
  fold: SessionFold,
  event: Extract<SessionEvent, { type: T }>,
) => Partial<SessionFold>;
