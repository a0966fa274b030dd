/** Requests to storage about sessions as a whole. */
import * as v from 'valibot';
import { ERROR_CODES, type ErrorCode, type LogPoint } from '../errors.ts';
import { flag, logPoint, natural, number, optional, type Schema, shaped, text } from '../schema.ts';
import { AccessMode, type SessionMetadata } from '../types.ts';
import { operation } from './row.ts';
import { metadata } from './sessions.ts';

/** Why a session cannot be restored, and when it is tried again. */
export interface Trouble {
  /** Its name, or its token where no name can be read. */
  session: string;
  code: ErrorCode;
  message: string;
  hint?: string;
  /** Tries that failed in a row; 0: its newest commit cannot be read at all. */
  tries: number;
  /** No try before, ms since the epoch. */
  nextAt: number;
}
/** `store.trouble`: a worker could not restore a session, or could after all. */
export interface TroubleRequest {
  session: string;
  /** Version of the kernel that tried. */
  kernel: string;
  /** null: it was restored. */
  failure: (Pick<Trouble, 'code' | 'message' | 'hint'> & { at?: LogPoint }) | null;
}

/** `store.list` */
export interface ListRequest {
  /** Continue after this token. */
  after?: string;
  limit?: number;
  /** Only sessions with an unfinished cell or a timer due before this time (ms since the epoch). */
  unfinishedAt?: number;
}
export interface ListReply {
  sessions: SessionMetadata[];
  /** Sessions of this page that cannot be restored or read; those without metadata are in this list alone. */
  troubles?: Trouble[];
  next: string | null;
}

/** `store.get` */
export interface GetRequest {
  session: string;
  /** Asks, too, how far the removal of a session of this name is. */
  removal?: boolean;
}
export interface GetReply {
  metadata: SessionMetadata | null;
  /** null: none is under way. */
  removal?: RemovalProgress | null;
}
/** How much of an ended session is still to be removed, in messages of its log. */
export interface RemovalProgress {
  left: number;
  total: number;
}

/** `store.delete`: the session has ended when it is answered; its content goes in the background. */
export interface DeleteRequest {
  session: string;
}
export interface DeleteReply {
  deleted: boolean;
}

const trouble = shaped<Trouble>({
  session: text,
  code: text as unknown as Schema<ErrorCode>,
  message: text,
  hint: optional(text),
  tries: natural,
  nextAt: number,
});

const asked = { servedBy: ['storage'], idempotent: true, answer: 'quick' } as const;

export const CATALOGUE = {
  list: operation({
    ...asked,
    subject: 'store.list',
    request: shaped<ListRequest>({
      after: optional(text),
      limit: optional(natural),
      unfinishedAt: optional(number),
    }),
    reply: shaped<ListReply>({
      sessions: v.array(metadata),
      troubles: optional(v.array(trouble)),
      next: v.nullable(text),
    }),
    from: ['client', 'worker'],
    access: AccessMode.ReadOnly,
    what: 'lists the sessions',
  }),
  get: operation({
    ...asked,
    subject: 'store.get',
    request: shaped<GetRequest>({ session: text, removal: optional(flag) }),
    reply: shaped<GetReply>({
      metadata: v.nullable(metadata),
      removal: optional(v.nullable(shaped<RemovalProgress>({ left: natural, total: natural }))),
    }),
    from: ['client', 'worker'],
    access: AccessMode.ReadOnly,
    what: 'describes a session',
  }),
  delete: operation({
    ...asked,
    subject: 'store.delete',
    request: shaped<DeleteRequest>({ session: text }),
    reply: shaped<DeleteReply>({ deleted: flag }),
    from: ['client'],
    access: AccessMode.ReadWrite,
    what: 'removes a session (`reprise rm`)',
  }),
  trouble: operation({
    ...asked,
    subject: 'store.trouble',
    request: shaped<TroubleRequest>({
      session: text,
      kernel: text,
      failure: v.nullable(
        shaped<NonNullable<TroubleRequest['failure']>>({
          code: v.picklist(Object.keys(ERROR_CODES) as ErrorCode[]),
          message: text,
          hint: optional(text),
          at: optional(logPoint),
        }),
      ),
    }),
    reply: shaped<object>({}),
    from: ['worker'],
    access: AccessMode.ReadWrite,
    what: 'notes that a session cannot be restored',
  }),
};
