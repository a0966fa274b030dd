/**
 * What all schemas are made of, and `parse`, which checks with them.
 *
 * Fields that a schema does not know are kept: newer writers may add some, and a commit's hash covers them.
 * Every schema lists every field of its type (`shaped`), so a schema and its type cannot drift apart.
 */
import * as v from 'valibot';
import { type LogPoint, RepriseError } from './errors.ts';
import type { Json, LargeValue } from './types.ts';

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
export const integer = v.custom<number>((value) => Number.isSafeInteger(value), 'Expected a whole number');
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

export const bytes = v.instance(Uint8Array) as Schema<Uint8Array>;
/** A safe token of a subject: session tokens, blob keys. */
export const token = v.custom<string>(
  (value) => typeof value === 'string' && /^[A-Za-z0-9_~-]{1,128}$/.test(value),
  'Expected one safe token of 1 to 128 characters',
);

/**
 * Checks a value that came from outside. Returns the value itself: no schema transforms anything, and a
 * commit must keep every byte that its hash covers.
 * @throws RepriseError BAD_FORMAT naming the path of the first problem, such as `commit.events.1.seq`.
 */
export function parse<T>(schema: Schema<T>, value: unknown): T {
  const result = schema['~run']({ value }, FIRST_ONLY);
  if (result.issues === undefined) return value as T;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  // The message quotes what was received, which may be as large as a message can be.
  const problem =
    issue.message.length > PROBLEM_CHARS_MAX
      ? `${issue.message.slice(0, PROBLEM_CHARS_MAX)}…`
      : issue.message;
  throw new RepriseError('BAD_FORMAT', path === '' ? problem : `${path}: ${problem}`);
}

const PROBLEM_CHARS_MAX = 200;

const FIRST_ONLY = { abortEarly: true, abortPipeEarly: true } as const;

/** Where a log is not whole. */
export const logPoint = shaped<LogPoint>({ position: natural, seq: optional(natural) });

/** What a client calls its command. */
export const commandId = v.custom<string>(
  (value) => typeof value === 'string' && value.length > 0 && value.length <= 512,
  'Expected 1 to 512 characters',
);
