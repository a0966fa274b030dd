/**
 * Looks at sessions: a worker executes a log up to some event, on a kernel of its own, and tells what it sees. The
 * session itself is not touched. A new look is a row and its handler.
 */
import * as v from 'valibot';
import { CELL_REQUEST_BYTES_MAX } from '../limits.ts';
import { flag, natural, number, optional, shaped, text } from '../schema.ts';
import { AccessMode } from '../types.ts';
import { annotationsReply, annotationsRequest } from './annotations.ts';
import { operation } from './row.ts';
import { budget, type CellError, cellError, type InspectReply, inspected } from './sessions.ts';

export interface ReplayRequest {
  session: string;
}
/** The first difference between the log and what re-execution gave. */
export interface Divergence {
  seq: number;
  /** Log position of the commit where the chain breaks. */
  position?: number;
  /** `checkpoint`: what is stored of it is not what its events give. */
  kind: 'output' | 'effect' | 'stateId' | 'chain' | 'missing' | 'extra' | 'checkpoint';
  expected: string;
  actual: string;
}
export interface ReplayReply {
  verified: boolean;
  events: number;
  checkpoints: number;
  divergence?: Divergence;
  durationMs: number;
}

/** `last-good`: a session as it was before what is wrong with its log. */
export interface LastGoodRequest {
  session: string;
}
export interface LastGoodReply extends InspectReply {
  /** What is wrong after it; absent: nothing, and this is the newest state. */
  divergence?: Divergence;
}

export const divergence = shaped<Divergence>({
  seq: number,
  position: optional(natural),
  kind: v.picklist(['output', 'effect', 'stateId', 'chain', 'missing', 'extra', 'checkpoint']),
  expected: text,
  actual: text,
});
const replayReply = shaped<ReplayReply>({
  verified: flag,
  events: natural,
  checkpoints: natural,
  divergence: optional(divergence),
  durationMs: number,
});

/** `verify`: all that can be proven of a session. */
export interface VerifyRequest {
  session: string;
  /** Executes it once more, taken out of its kernel and put into a new one between turns that follow from this seed. */
  schedule?: string;
  /** Where it was verified before: nothing is executed when that is its newest commit, and the kernel the same. */
  known?: VerifiedPlace;
}
/** Up to where a session was verified, and by which kernel. */
export interface VerifiedPlace {
  seq: number;
  /** Hash of the newest commit. */
  hash: string;
  kernel: string;
}
export interface VerifyReply extends ReplayReply, VerifiedPlace {
  session: string;
  /** Nothing was executed: it is as it was when it was verified. */
  known?: boolean;
  /** Checkpoints from whose stored heap what follows was executed, too. */
  tails: number;
  /** How often the schedule moved it into a new kernel. */
  moves?: number;
  /** The checkpoint from which the difference was found; absent: from the first event on. */
  from?: number;
  /** Where in the code of the session the difference is. */
  place?: CodePlace;
}
/** A line of a cell's code. */
export interface CodePlace {
  cell: number;
  line: number;
  text: string;
}

const verifiedPlace = { seq: number, hash: text, kernel: text };
const verifyReply = shaped<VerifyReply>({
  ...verifiedPlace,
  session: text,
  verified: flag,
  known: optional(flag),
  events: natural,
  checkpoints: natural,
  tails: natural,
  moves: optional(natural),
  divergence: optional(divergence),
  from: optional(natural),
  place: optional(shaped<CodePlace>({ cell: natural, line: natural, text })),
  durationMs: number,
});

const lastGoodReply = shaped<LastGoodReply>({ ...inspected, divergence: optional(divergence) });

/** `at`: a session as it was right after an event. */
export interface AtRequest {
  session: string;
  /** Absent: the newest event. */
  seq?: number;
  /** Code to be run there, on the copy. */
  code?: string;
  timeoutMs?: number;
}
export interface AtReply extends InspectReply {
  session: string;
  seq: number;
  /** Number of the cell that the event belongs to, or came before it; 0: none. */
  cell: number;
  /** Time of the event, ISO. */
  time: string;
  /** Its turn has no outcome in the log: the heap is the one before it. */
  unfinished?: boolean;
  /** What the code led to. */
  evaluated?: Evaluated;
}
/** What code led to that was run on a copy of a session. */
export interface Evaluated {
  output: string;
  stdout: string;
  stderr: string;
  error: CellError | null;
  /** Effects that it asked for, and that were refused. */
  refused: number;
}

const atReply = shaped<AtReply>({
  ...inspected,
  session: text,
  seq: natural,
  cell: natural,
  time: text,
  unfinished: optional(flag),
  evaluated: optional(
    shaped<Evaluated>({
      output: text,
      stdout: text,
      stderr: text,
      error: v.nullable(cellError),
      refused: natural,
    }),
  ),
});

/** `bisect`: the first event after which a predicate over the variables holds. */
export interface BisectRequest {
  session: string;
  /** An expression; where it throws, it does not hold. */
  predicate: string;
  /** Once it holds, it holds for ever: found by halving. Else every turn is looked at, in one pass. */
  monotonic?: boolean;
  timeoutMs?: number;
}
export interface BisectReply {
  session: string;
  /** The event; null: it never holds. */
  seq: number | null;
  cell: number;
  /** Time of the event, ISO. */
  time: string;
  /** What the predicate gave before the event, and after it. */
  before: string;
  after: string;
  /** Moments that were looked at. */
  steps: number;
}

const bisectReply = shaped<BisectReply>({
  session: text,
  seq: v.nullable(natural),
  cell: natural,
  time: text,
  before: text,
  after: text,
  steps: natural,
});

/** What is true of every look. */
export const look = {
  from: ['client'],
  servedBy: ['worker'],
  access: AccessMode.ReadOnly,
  idempotent: true,
  answer: 'long',
} as const;

export const LOOK = {
  annotations: operation({
    ...look,
    subject: 'annotations',
    request: annotationsRequest,
    reply: annotationsReply,
    what: 'reads what is said of the moments of a session',
  }),
  replay: operation({
    ...look,
    subject: 'replay',
    request: shaped<ReplayRequest>({ session: text }),
    reply: replayReply,
    what: 'executes a log again and compares',
  }),
  verify: operation({
    ...look,
    subject: 'verify',
    request: shaped<VerifyRequest>({
      session: text,
      schedule: optional(text),
      known: optional(shaped<VerifiedPlace>(verifiedPlace)),
    }),
    reply: verifyReply,
    what: 'executes a log from its beginning and from each of its checkpoints on, and compares',
  }),
  lastGood: operation({
    ...look,
    subject: 'last-good',
    request: shaped<LastGoodRequest>({ session: text }),
    reply: lastGoodReply,
    what: 'executes what is good of a log and looks at it',
  }),
  at: operation({
    ...look,
    subject: 'at',
    requestBytes: CELL_REQUEST_BYTES_MAX,
    request: shaped<AtRequest>({
      session: text,
      seq: optional(natural),
      code: optional(text),
      timeoutMs: optional(budget),
    }),
    reply: atReply,
    what: 'looks at a session as it was after an event',
  }),
  bisect: operation({
    ...look,
    subject: 'bisect',
    requestBytes: CELL_REQUEST_BYTES_MAX,
    request: shaped<BisectRequest>({
      session: text,
      predicate: text,
      monotonic: optional(flag),
      timeoutMs: optional(budget),
    }),
    reply: bisectReply,
    what: 'finds the first event after which something holds',
  }),
};
