/** Schemas of session events, and the building blocks that the schemas of requests share with them. */
import * as v from 'valibot';
import type { EventOf, Json, LargeValue, SessionEvent, SessionEventType } from './types.ts';

/** A schema whose output is a T. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** The schema of an object of type T: all of T's fields, each by its type, must be listed; others are kept. */
export function shaped<T>(entries: { [K in keyof Required<T>]: v.GenericSchema<unknown, T[K]> }): Schema<T> {
  return v.looseObject(entries as unknown as v.ObjectEntries) as unknown as Schema<T>;
}

export const text = v.string();
export const flag = v.boolean();
/** A finite number. */
export const number = v.custom<number>((value) => Number.isFinite(value), 'Expected a finite number');
/** A safe integer of at least 0. */
export const natural = v.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  'Expected a whole number of at least 0',
);
const integer = v.custom<number>((value) => Number.isSafeInteger(value), 'Expected a whole number');
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;
/** A moment that exists, in ISO 8601 with its zone. */
export const isoTime = v.custom<string>(
  (value) => typeof value === 'string' && ISO.test(value) && !Number.isNaN(Date.parse(value)),
  'Expected a time in ISO 8601 with its zone',
);
/** What effects carry. */
export const json = v.custom<Json>(
  (value) => isJson(value, 0),
  'Expected a JSON value at most 200 levels deep',
);
export const optional = <T>(inner: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T | undefined> =>
  v.optional(inner);

const DEPTH_MAX = 200;

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth > DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((item) => isJson(item, depth + 1));
  const proto = Object.getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== null) return false;
  for (const item of Object.values(value)) if (!isJson(item, depth + 1)) return false;
  return true;
}

/** How an effect failed. */
export const failure = optional(
  shaped<{ name: string; message: string; code?: string }>({
    name: text,
    message: text,
    code: optional(text),
  }),
);
/** Tokens of a model call. */
export const usage = optional(
  shaped<{ inputTokens: number; outputTokens: number }>({ inputTokens: number, outputTokens: number }),
);

/** sha256, in hex. */
export const hash = v.custom<string>(
  (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
  'Expected a sha256 in hex',
);
/** Where a value is that is too large for the place where it belongs. */
export const largeValue = shaped<LargeValue>({ sha256: hash, bytes: natural });
const large = optional(largeValue);

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
  closed: shaped<EventOf<'closed'>>({
    type: v.literal('closed'),
    large,
    seq: natural,
    reason: text,
    timestamp: isoTime,
  }),
};

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
