/** Who is there. */
import * as v from 'valibot';
import { natural, number, optional, type Schema, shaped, text } from '../schema.ts';
import { AccessMode } from '../types.ts';
import { operation } from './row.ts';

/** Answer on `presence.who` and `presence.ping.*`. */
export interface PresenceReply {
  role: 'worker' | 'storage' | 'llm' | 'supervisor';
  process: string;
  pid: number;
  /** Resident sessions of a worker. */
  sessions?: number;
  state: string;
  version: string;
  /** Counters since start: errors by code, commits, calls… */
  counters?: Record<string, number>;
}

const presenceReply = shaped<PresenceReply>({
  role: v.picklist(['worker', 'storage', 'llm', 'supervisor']),
  process: text,
  pid: natural,
  sessions: optional(natural),
  state: text,
  version: text,
  counters: optional(v.record(text, number) as Schema<Record<string, number>>),
});

const asked = {
  request: shaped<object>({}),
  reply: presenceReply,
  access: AccessMode.ReadOnly,
  idempotent: true,
  answer: 'quick',
} as const;

export const PRESENCE = {
  who: operation({
    ...asked,
    subject: 'presence.who',
    from: ['client', 'supervisor'],
    servedBy: ['worker', 'llm', 'storage', 'supervisor'],
    what: 'asks every process who it is',
  }),
  pingWorker: operation({
    ...asked,
    subject: 'presence.ping.<worker>',
    from: ['client'],
    servedBy: ['worker'],
    what: 'asks for a sign of life',
  }),
  pingLlm: operation({
    ...asked,
    subject: 'presence.ping.llm.<id>',
    from: ['client', 'worker'],
    servedBy: ['llm'],
    what: 'the same',
  }),
  pingStorage: operation({
    ...asked,
    subject: 'presence.ping.storage.<id>',
    from: ['client'],
    servedBy: ['storage'],
    what: 'the same',
  }),
  pingSupervisor: operation({
    ...asked,
    subject: 'presence.ping.supervisor.<id>',
    from: ['client'],
    servedBy: ['supervisor'],
    what: 'the same',
  }),
};
