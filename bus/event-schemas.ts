/** Schemas of what a log holds: events and commits. */
import * as v from 'valibot';
import { ladderFault, type Rung } from './ladder.ts';
import {
  bytes,
  failure,
  flag,
  hash,
  integer,
  isoTime,
  json,
  largeValue,
  natural,
  number,
  optional,
  type Schema,
  shaped,
  text,
  token,
  usage,
} from './schema.ts';
import type {
  Commit,
  CommitHead,
  EventOf,
  ForkPoint,
  SessionEvent,
  SessionEventType,
  StoredCommit,
} from './types.ts';

const large = optional(largeValue);

const forkPoint = shaped<ForkPoint>({
  session: text,
  id: text,
  seq: natural,
  position: natural,
  hash,
});

const events: { [T in SessionEventType]: Schema<EventOf<T>> } = {
  session: shaped<EventOf<'session'>>({
    type: v.literal('session'),
    large,
    version: natural,
    id: text,
    created: isoTime,
    seq: optional(natural),
    name: optional(text),
    seed: optional(text),
    kernel: optional(text),
    parent: optional(shaped<{ id: string; seq: number }>({ id: text, seq: natural })),
    origin: optional(text),
    commandId: optional(text),
  }),
  input: shaped<EventOf<'input'>>({
    type: v.literal('input'),
    large,
    seq: natural,
    code: text,
    timestamp: isoTime,
    commandId: optional(text),
    cell: optional(natural),
    timeoutMs: optional(number),
  }),
  output: shaped<EventOf<'output'>>({
    type: v.literal('output'),
    large,
    seq: natural,
    value: text,
    timestamp: isoTime,
    stream: optional(v.picklist(['result', 'stdout', 'stderr'])),
    level: optional(text),
    cell: optional(natural),
    shouldExit: optional(flag),
    durationMs: optional(number),
    truncated: optional(flag),
  }),
  checkpoint: shaped<EventOf<'checkpoint'>>({
    type: v.literal('checkpoint'),
    large,
    seq: natural,
    reason: text,
    stateId: text,
    timestamp: optional(isoTime),
    sizeBytes: optional(natural),
  }),
  llm_req: shaped<EventOf<'llm_req'>>({
    type: v.literal('llm_req'),
    large,
    seq: natural,
    prompt: text,
    receiptKey: text,
    timestamp: optional(isoTime),
    cell: optional(natural),
    effect: optional(natural),
    request: optional(json),
  }),
  llm_resp: shaped<EventOf<'llm_resp'>>({
    type: v.literal('llm_resp'),
    large,
    seq: natural,
    response: text,
    receiptKey: text,
    timestamp: optional(isoTime),
    effect: optional(natural),
    model: optional(text),
    usage,
    error: failure,
  }),
  error: shaped<EventOf<'error'>>({
    type: v.literal('error'),
    large,
    seq: natural,
    message: text,
    timestamp: isoTime,
    name: optional(text),
    stack: optional(text),
    cell: optional(natural),
    durationMs: optional(number),
    shouldExit: optional(flag),
    rolledBack: optional(flag),
  }),
  effect_req: shaped<EventOf<'effect_req'>>({
    type: v.literal('effect_req'),
    large,
    seq: natural,
    kind: text,
    effect: natural,
    timestamp: isoTime,
    cell: optional(natural),
    payload: json,
  }),
  effect_resp: shaped<EventOf<'effect_resp'>>({
    type: v.literal('effect_resp'),
    large,
    seq: natural,
    kind: text,
    effect: natural,
    timestamp: isoTime,
    value: optional(json),
    error: failure,
  }),
  effect_cancel: shaped<EventOf<'effect_cancel'>>({
    type: v.literal('effect_cancel'),
    large,
    seq: natural,
    effect: natural,
    timestamp: isoTime,
    cell: optional(natural),
  }),
  interrupt: shaped<EventOf<'interrupt'>>({
    type: v.literal('interrupt'),
    large,
    seq: natural,
    reason: v.picklist(['user', 'timeout']),
    timestamp: isoTime,
    fuel: integer,
    at: natural,
    commandId: optional(text),
  }),
  warning: shaped<EventOf<'warning'>>({
    type: v.literal('warning'),
    large,
    seq: natural,
    timestamp: isoTime,
    limit: v.picklist(['heap', 'effects', 'background']),
    used: natural,
    max: natural,
    cell: optional(natural),
  }),
  paused: shaped<EventOf<'paused'>>({
    type: v.literal('paused'),
    large,
    seq: natural,
    timestamp: isoTime,
    turns: natural,
    limit: natural,
  }),
  fork: shaped<EventOf<'fork'>>({
    type: v.literal('fork'),
    large,
    seq: natural,
    timestamp: isoTime,
    id: text,
    name: text,
    parent: forkPoint,
    commandId: optional(text),
    copied: optional(flag),
    asked: optional(
      v.array(shaped<{ effect: number; receiptKey: string }>({ effect: natural, receiptKey: text })),
    ),
  }),
  annotation: shaped<EventOf<'annotation'>>({
    type: v.literal('annotation'),
    large,
    seq: natural,
    timestamp: isoTime,
    action: v.picklist(['add', 'change', 'remove']),
    checkpointSeq: natural,
    label: text,
    snapshot: optional(v.literal(true)),
    renamed: optional(text),
    created: optional(isoTime),
    description: optional(text),
    tags: optional(v.array(text)),
    commandId: optional(text),
  }),
  closed: shaped<EventOf<'closed'>>({
    type: v.literal('closed'),
    large,
    seq: natural,
    reason: text,
    timestamp: isoTime,
  }),
};

/** Every type of event that a session can hold. */
export const SESSION_EVENT_TYPES = Object.keys(events) as readonly SessionEventType[];

export const isSessionEventType = (type: string): type is SessionEventType => Object.hasOwn(events, type);

const unknownType = shaped<{ type: never }>({
  type: v.picklist(Object.keys(events)) as unknown as Schema<never>,
});

/** Any event. Its schema is looked up by `type`: faster than trying one after the other. */
export const sessionEventSchema: Schema<SessionEvent> = v.lazy((value): Schema<SessionEvent> => {
  const type = (value as { type?: unknown } | null | undefined)?.type;
  return typeof type === 'string' && Object.hasOwn(events, type)
    ? (events[type as SessionEventType] as Schema<SessionEvent>)
    : (unknownType as unknown as Schema<SessionEvent>);
});

const positions = v.custom<number[]>(isPositions, 'Expected at most 32 ascending log positions');

function isPositions(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length > 32) return false;
  let before = 0;
  for (const item of value) {
    if (!Number.isSafeInteger(item) || item <= before) return false;
    before = item;
  }
  return true;
}

const commitHead = shaped<CommitHead>({
  name: text,
  id: text,
  created: isoTime,
  at: isoTime,
  checkpointCount: natural,
  sizeBefore: natural,
  tail: positions,
  checkpoint: optional(
    shaped<NonNullable<CommitHead['checkpoint']>>({
      seq: natural,
      stateId: text,
      position: optional(natural),
    }),
  ),
  ladder: optional(
    v.pipe(
      v.array(shaped<Rung>({ number: natural, seq: natural, position: natural })),
      v.check((ladder) => ladderFault(ladder) === null, 'Expected a ladder of checkpoints'),
    ) as Schema<Rung[]>,
  ),
  running: optional(flag),
  closed: optional(flag),
  partial: optional(flag),
  wakeAt: optional(number),
  parent: optional(forkPoint),
});

/** The shape of a commit; whether it follows the one before is for `storage/validation.ts`. */
export const commitSchema = shaped<Commit>({
  v: v.literal(1),
  session: token,
  commit: token,
  epoch: natural,
  first: natural,
  events: v.pipe(v.array(sessionEventSchema), v.minLength(1, 'Expected at least one event')),
  prev: v.custom<string>(
    (value) => typeof value === 'string' && (value === '' || /^[0-9a-f]{64}$/.test(value)),
    'Expected the hash of the commit before, or an empty string',
  ),
  hash,
  kernel: text,
  head: commitHead,
  fold: optional(bytes),
  foldLarge: optional(largeValue),
});

/** A commit in its place. */
export const storedCommit = shaped<StoredCommit>({
  commit: commitSchema,
  position: natural,
  sizeBytes: natural,
  upTo: optional(natural),
});

/** The outside of a stored commit: what is in it was checked when it was appended, and its hash is checked next. */
export const sealedCommit = v.custom<StoredCommit>((value) => {
  const { commit, position, sizeBytes } = (value ?? {}) as Partial<StoredCommit>;
  if (!Number.isSafeInteger(position) || !Number.isSafeInteger(sizeBytes) || !commit) return false;
  return typeof commit.hash === 'string' && Array.isArray(commit.events) && typeof commit.head === 'object';
}, 'Expected a stored commit');
