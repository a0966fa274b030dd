/** What every reply on the bus is: `{ok: true, …}`, or a `WireError` with `ok: false`. */
import { decode } from './codec.ts';
import { type ErrorCode, RepriseError, type WireError } from './errors.ts';
import { flag, logPoint, optional, parse, type Schema, shaped, text } from './schema.ts';

/** A request that failed. */
export type Failure = WireError & { ok: false };
/** What comes back on every request. */
export type Reply<T> = (T & { ok: true }) | Failure;

/**
 * First answer to a request that takes longer than ~15 ms: it was accepted by `process`, which answers
 * on `subjects.ping(process)`. The real reply follows on the same inbox.
 */
export interface Accepted {
  ok: 'accepted';
  process: string;
}

/**
 * The content of a reply.
 * @throws RepriseError the failure that the reply tells of, or BAD_FORMAT when it is not a reply of this shape.
 */
export function parseReply<T extends object>(schema: Schema<T>, bytes: Uint8Array): T {
  const reply = decode(bytes);
  if (isRecord(reply) && reply.ok === false) throw RepriseError.fromWire(parse(wireError, reply));
  if (!isRecord(reply) || reply.ok !== true) throw new RepriseError('BAD_FORMAT', 'not a reply');
  const { ok: _, ...content } = reply;
  return parse(schema, content);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const wireError = shaped<WireError>({
  error: text,
  // A newer part may send a code that this one does not know: `fromWire` makes it INTERNAL.
  code: text as unknown as Schema<ErrorCode>,
  retryable: flag,
  hint: optional(text),
  at: optional(logPoint),
});
