/** Requests to workers, about any session. */
import * as v from 'valibot';
import { flag, natural, number, optional, shaped, text } from '../schema.ts';
import { AccessMode } from '../types.ts';
import { operation } from './row.ts';
import { type InspectReply, inspected, type SessionRequest, sessionRequestSchema } from './sessions.ts';

/** `activate` / `activate.<worker>`: become the owner, then do what `request` says (if any). */
export interface ActivateRequest {
  session: string;
  request?: SessionRequest;
}

export interface ReplayRequest {
  session: string;
}
/** The first difference between the log and what re-execution gave. */
export interface Divergence {
  seq: number;
  /** Log position of the commit where the chain breaks. */
  position?: number;
  kind: 'output' | 'effect' | 'stateId' | 'chain' | 'missing' | 'extra';
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

const divergence = shaped<Divergence>({
  seq: number,
  position: optional(natural),
  kind: v.picklist(['output', 'effect', 'stateId', 'chain', 'missing', 'extra']),
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

const lastGoodReply = shaped<LastGoodReply>({ ...inspected, divergence: optional(divergence) });

const activation = {
  request: shaped<ActivateRequest>({ session: text, request: optional(sessionRequestSchema) }),
  /** Of an activation without a request: that it was done is all. With one, the reply is that of the request. */
  reply: shaped<object>({}),
  servedBy: ['worker'],
  access: AccessMode.ReadWrite,
  idempotent: true,
  answer: 'long',
} as const;

export const WORKER = {
  activate: operation({
    ...activation,
    subject: 'activate',
    from: ['client', 'worker'],
    what: 'makes some worker the owner',
  }),
  activateAt: operation({
    ...activation,
    subject: 'activate.<worker>',
    from: ['client'],
    what: 'makes this worker the owner',
  }),
  replay: operation({
    subject: 'replay',
    request: shaped<ReplayRequest>({ session: text }),
    reply: replayReply,
    from: ['client'],
    servedBy: ['worker'],
    access: AccessMode.ReadOnly,
    idempotent: true,
    answer: 'long',
    what: 'executes a log again and compares',
  }),
  lastGood: operation({
    subject: 'last-good',
    request: shaped<LastGoodRequest>({ session: text }),
    reply: lastGoodReply,
    from: ['client'],
    servedBy: ['worker'],
    access: AccessMode.ReadOnly,
    idempotent: true,
    answer: 'long',
    what: 'executes what is good of a log and looks at it',
  }),
};
