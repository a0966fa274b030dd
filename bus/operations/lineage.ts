/** Requests that make sessions out of others; any worker serves them. */
import * as v from 'valibot';
import { CELL_REQUEST_BYTES_MAX, IMPORT_PIECE_BYTES_MAX } from '../limits.ts';
import { bytes, flag, json, natural, number, optional, shaped, text } from '../schema.ts';
import { AccessMode, type Json } from '../types.ts';
import { type Divergence, divergence } from './looks.ts';
import { operation } from './row.ts';

/** `fork`: a new session that shares everything up to an event of another one, and goes on by itself. */
export interface ForkRequest {
  session: string;
  /** Name of the new session. */
  name: string;
  /** Absent: the newest event; of a session that was closed, the one before its end. */
  seq?: number;
  /** The same id forks once: asked again, it gets the first answer. */
  commandId: string;
}
export interface ForkReply {
  session: string;
  /** The session that holds the event: of an event that a fork shares, the one that it shares it with. */
  parent: { session: string; seq: number };
  bytesWritten: number;
  durationMs: number;
}

/**
 * `edit`: a fork in which what entered at an event is another, and everything behind it runs again, up to what has to
 * be asked of the world. One of `code`, `answer`, `timeMs` and `seed` says what changes.
 */
export interface EditRequest {
  session: string;
  /** Name of the new session. */
  name: string;
  /** The event that is another. */
  seq: number;
  /** The code of a cell. */
  code?: string;
  /** What an effect brought; of a model call, a text. */
  answer?: { value: Json };
  /** When it entered, ms since the epoch: all that comes after it moves with it. */
  timeMs?: number;
  /** Of the session's first event: the seed of its randomness. */
  seed?: string;
  /** Begins nothing: only tells what it would come to. */
  dryRun?: boolean;
  /** Ends before the first call of a model that is not recorded. */
  noCalls?: boolean;
  commandId: string;
}
export interface EditReply {
  session: string;
  /** null: nothing is shared, for it is the first event that changes. */
  parent: { session: string; seq: number } | null;
  /** Recorded answers of models that were taken again. */
  reused: number;
  /** Those that were recorded behind the change and cannot be taken again. */
  asked: number;
  /** What is asked for anew first. */
  first: { effect: number; kind: string; detail: string } | null;
  /** Events of the other session that are still to enter; null: none. */
  rest: { from: number; to: number } | null;
  /** seq of the new session's newest event. */
  seq: number;
  bytesWritten: number;
  durationMs: number;
}

/**
 * `import.<worker>`: a piece of a log that is to become a session. The pieces are a stream of events (`pieces.ts`), each
 * in msgpack, the `session` event first. All of them go to one worker, one after the other; with the last one the
 * session begins. When anything is lost on the way, all of it is sent again.
 */
export interface ImportRequest {
  /** Name of the new session. */
  session: string;
  /** The same id imports once: asked again, it gets an answer like the first. */
  commandId: string;
  /** Number of the piece, from 0. */
  piece: number;
  bytes: Uint8Array;
  /** It was the last one; or nothing more comes, and nothing is to become of it. */
  end?: 'done' | 'dropped';
}
export interface ImportReply {
  /** Absent while more is to come. */
  imported?: Imported;
}
export interface Imported {
  session: string;
  id: string;
  events: number;
  checkpoints: number;
  /** It has an end, and takes no more cells. */
  closed: boolean;
  /** Re-execution gives what the log says. */
  verified: boolean;
  /** Where it does not: the variables cannot be rebuilt. */
  divergence: Divergence | null;
  bytesWritten: number;
  durationMs: number;
}

const place = shaped<ForkReply['parent']>({ session: text, seq: natural });
const made = {
  from: ['client'],
  servedBy: ['worker'],
  access: AccessMode.ReadWrite,
  idempotent: true,
  answer: 'long',
} as const;

export const LINEAGE = {
  fork: operation({
    ...made,
    subject: 'fork',
    request: shaped<ForkRequest>({ session: text, name: text, seq: optional(natural), commandId: text }),
    reply: shaped<ForkReply>({
      session: text,
      parent: place,
      bytesWritten: natural,
      durationMs: number,
    }),
    what: 'begins a session that goes on from an event of another one',
  }),
  edit: operation({
    ...made,
    subject: 'edit',
    requestBytes: CELL_REQUEST_BYTES_MAX,
    request: shaped<EditRequest>({
      session: text,
      name: text,
      seq: natural,
      code: optional(text),
      answer: optional(shaped<{ value: Json }>({ value: json })),
      timeMs: optional(natural),
      seed: optional(text),
      dryRun: optional(flag),
      noCalls: optional(flag),
      commandId: text,
    }),
    reply: shaped<EditReply>({
      session: text,
      parent: v.nullable(place),
      reused: natural,
      asked: natural,
      first: v.nullable(
        shaped<NonNullable<EditReply['first']>>({ effect: natural, kind: text, detail: text }),
      ),
      rest: v.nullable(shaped<NonNullable<EditReply['rest']>>({ from: natural, to: natural })),
      seq: natural,
      bytesWritten: natural,
      durationMs: number,
    }),
    what: 'begins a fork in which an event is another, and runs the rest again',
  }),
};

/** Served by each worker under its own name. */
export const IMPORT = operation({
  ...made,
  subject: 'import.<worker>',
  requestBytes: IMPORT_PIECE_BYTES_MAX + 8 * 1024,
  request: shaped<ImportRequest>({
    session: text,
    commandId: text,
    piece: natural,
    bytes,
    end: optional(v.picklist(['done', 'dropped'])),
  }),
  reply: shaped<ImportReply>({
    imported: optional(
      shaped<Imported>({
        session: text,
        id: text,
        events: natural,
        checkpoints: natural,
        closed: flag,
        verified: flag,
        divergence: v.nullable(divergence),
        bytesWritten: natural,
        durationMs: number,
      }),
    ),
  }),
  what: 'begins a session out of a log that it brings',
});
