/** Requests to workers: to take a session on, or in. */
import { CELL_REQUEST_BYTES_MAX } from '../limits.ts';
import { optional, shaped, text } from '../schema.ts';
import { AccessMode } from '../types.ts';
import { IMPORT } from './lineage.ts';
import { operation } from './row.ts';
import { type SessionRequest, sessionRequestSchema } from './sessions.ts';

/** `activate` / `activate.<worker>`: become the owner, then do what `request` says (if any). */
export interface ActivateRequest {
  session: string;
  request?: SessionRequest;
}

const activation = {
  request: shaped<ActivateRequest>({ session: text, request: optional(sessionRequestSchema) }),
  /** Of an activation without a request: that it was done is all. With one, the reply is that of the request. */
  reply: shaped<object>({}),
  servedBy: ['worker'],
  access: AccessMode.ReadWrite,
  idempotent: true,
  answer: 'long',
  requestBytes: CELL_REQUEST_BYTES_MAX,
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
  importAt: IMPORT,
};
