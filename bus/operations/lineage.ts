/** Requests that make sessions out of others; any worker serves them. */
import { natural, number, optional, shaped, text } from '../schema.ts';
import { AccessMode } from '../types.ts';
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

export const LINEAGE = {
  fork: operation({
    subject: 'fork',
    from: ['client'],
    servedBy: ['worker'],
    access: AccessMode.ReadWrite,
    idempotent: true,
    answer: 'long',
    request: shaped<ForkRequest>({ session: text, name: text, seq: optional(natural), commandId: text }),
    reply: shaped<ForkReply>({
      session: text,
      parent: shaped<ForkReply['parent']>({ session: text, seq: natural }),
      bytesWritten: natural,
      durationMs: number,
    }),
    what: 'begins a session that goes on from an event of another one',
  }),
};
