/** Requests to storage about logs. */
import * as v from 'valibot';
import { commitSchema, sealedCommit, storedCommit } from '../event-schemas.ts';
import { flag, natural, number, optional, type Schema, shaped, text } from '../schema.ts';
import { AccessMode, type Commit, type SessionEvent, type StoredCommit } from '../types.ts';
import { operation } from './row.ts';

/** `append.<shard>.<token>` */
export interface AppendRequest {
  commit: Commit;
  /** Log position of the previous commit, 0 for the first. */
  expected: number;
}
export interface AppendReply {
  position: number;
  sizeBytes: number;
  duplicate: boolean;
}

/** `store.load`: all that activation needs, in one answer. */
export interface LoadRequest extends LoadBounds {
  session: string;
  /** Kernel version that will restore it; a checkpoint by another kernel is left out and the tail is longer. */
  kernel: string;
}
/** What is asked for, when it is not the newest state from the newest checkpoint. */
export interface LoadBounds {
  /** Only checkpoints before this log position: that one turned out to be of no use. */
  before?: number;
  /** Only what leads to this seq, and the commits right behind it; absent: all. */
  at?: number;
}
export interface LoadReply {
  /** null: there is no such session. */
  last: StoredCommit | null;
  /** The commit carrying the newest usable checkpoint (with its fold), null to replay from seq 0. */
  checkpoint: StoredCommit | null;
  /** Commits after the checkpoint (or all), oldest first. At most 512; when `more`, read on by `store.read`. */
  tail: StoredCommit[];
  more: boolean;
  /** It could not be restored before: whoever restores it says so. */
  troubled?: boolean;
}

/** `store.read`: commits that hold events from seq `from` to `to`, oldest first, at most ~1 MB an answer. */
export interface ReadRequest {
  session: string;
  from: number;
  to?: number;
}
export interface ReadReply {
  commits: StoredCommit[];
  /** seq to continue from, null at the end. */
  next: number | null;
}

/** `store.scan`: what stands in a session's log, in order, whatever is wrong with it. For logs that are not whole. */
export interface ScanRequest {
  session: string;
  /** Position after which to go on; absent: from the first message. */
  after?: number;
}
/** What stands at one position of a log. */
export interface ScannedMessage {
  position: number;
  sizeBytes: number;
  /** Absent when what is there is no commit of the session. */
  commit?: Commit;
  /** What is wrong with it, seen alone. */
  problem?: string;
}
export interface ScanReply {
  found: ScannedMessage[];
  /** Position to go on after, null at the end. */
  next: number | null;
}

/** `store.examine`: sessions whose logs are not whole, as far as their links tell; a page of sessions an answer. */
export interface ExamineRequest {
  /** Continue after this token. */
  after?: string;
}
export interface BrokenLog {
  /** Its name, or its token where no name can be read. */
  session: string;
  problem: string;
}
export interface ExamineReply {
  broken: BrokenLog[];
  examined: number;
  next: string | null;
}

/** `store.find`: where a command's events are. Walks the log backwards; rare (retries of old commands). */
export interface FindRequest extends FindBounds {
  session: string;
  commandId: string;
}
/** How far back a command is sought. */
export interface FindBounds {
  /** It is none of the commits before this time, ms since the epoch. */
  sinceMs?: number;
  /** It is one of so many newest cells. */
  cellsMax?: number;
}
/** What was found of a command. */
export interface FoundCommand {
  /** Events of the command, input first; empty when it never ran; without its last event when unfinished. */
  events: SessionEvent[];
  /** Not found so far, and not all was looked through: the log is long. */
  more?: boolean;
}
export interface FindReply {
  /** First and last event of the command (its newest, while it is unfinished); null when it never ran. */
  seq: [number, number] | null;
  /** Not found so far, and not all was looked through: the log is long. */
  more?: boolean;
}

/** Checked by hand: it comes with every command. */
const appendReply: Schema<AppendReply> = v.custom<AppendReply>((value) => {
  const { position, sizeBytes, duplicate } = value as Partial<AppendReply>;
  return Number.isSafeInteger(position) && Number.isSafeInteger(sizeBytes) && typeof duplicate === 'boolean';
}, 'Expected the place of a commit');

const asked = { servedBy: ['storage'], idempotent: true, answer: 'quick' } as const;

export const LOG = {
  append: operation({
    ...asked,
    subject: 'append.<shard>.<session>',
    request: shaped<AppendRequest>({ commit: commitSchema, expected: natural }),
    reply: appendReply,
    from: ['worker'],
    access: AccessMode.ReadWrite,
    what: 'adds a commit to a log',
  }),
  load: operation({
    ...asked,
    subject: 'store.load',
    request: shaped<LoadRequest>({
      session: text,
      kernel: text,
      before: optional(natural),
      at: optional(natural),
    }),
    reply: shaped<LoadReply>({
      last: v.nullable(sealedCommit),
      checkpoint: v.nullable(sealedCommit),
      tail: v.array(sealedCommit),
      more: flag,
      troubled: optional(flag),
    }),
    from: ['worker'],
    access: AccessMode.ReadOnly,
    what: 'reads what an activation needs',
  }),
  read: operation({
    ...asked,
    subject: 'store.read',
    request: shaped<ReadRequest>({ session: text, from: natural, to: optional(natural) }),
    reply: shaped<ReadReply>({
      commits: v.array(storedCommit),
      next: v.nullable(natural),
    }),
    from: ['client', 'worker'],
    access: AccessMode.ReadOnly,
    what: 'reads a log',
  }),
  find: operation({
    ...asked,
    subject: 'store.find',
    request: shaped<FindRequest>({
      session: text,
      commandId: text,
      sinceMs: optional(number),
      cellsMax: optional(natural),
    }),
    reply: shaped<FindReply>({
      seq: v.nullable(v.tuple([natural, natural]) as Schema<[number, number]>),
      more: optional(flag),
    }),
    from: ['worker'],
    access: AccessMode.ReadOnly,
    what: 'reads the events of a command',
  }),
  scan: operation({
    ...asked,
    subject: 'store.scan',
    request: shaped<ScanRequest>({ session: text, after: optional(natural) }),
    reply: shaped<ScanReply>({
      found: v.array(
        shaped<ScannedMessage>({
          position: natural,
          sizeBytes: natural,
          commit: optional(commitSchema),
          problem: optional(text),
        }),
      ),
      next: v.nullable(natural),
    }),
    from: ['client', 'worker'],
    access: AccessMode.ReadOnly,
    what: 'reads a log that is not whole',
  }),
  examine: operation({
    ...asked,
    subject: 'store.examine',
    request: shaped<ExamineRequest>({ after: optional(text) }),
    reply: shaped<ExamineReply>({
      broken: v.array(shaped<BrokenLog>({ session: text, problem: text })),
      examined: natural,
      next: v.nullable(text),
    }),
    from: ['client'],
    access: AccessMode.ReadOnly,
    what: 'finds logs that are not whole',
  }),
};
