/**
 * An operation is one row: everything that is true of a request on the bus, whoever sends or serves it. From the rows
 * come the checks on both sides, dispatch, the client's calls and the permissions of the server's users. A new
 * operation is a row, its handler and its test.
 */
import { decode } from '../codec.ts';
import { RepriseError } from '../errors.ts';
import type { BusRole } from '../roles.ts';
import { parse, type Schema } from '../schema.ts';
import type { AccessMode } from '../types.ts';

export interface Operation<Request extends object = object, Reply extends object = object> {
  /** Subject below the prefix; `<…>` is a token. */
  readonly subject: string;
  readonly request: Schema<Request>;
  readonly reply: Schema<Reply>;
  /** Who asks. */
  readonly from: readonly BusRole[];
  readonly servedBy: readonly BusRole[];
  /** Whether it changes anything that lasts. */
  readonly access: AccessMode;
  /** Whether asking again, when the outcome is unknown, does nothing a second time. */
  readonly idempotent: boolean;
  /** `quick`: one answer within a second. `long`: accepted first, answered when it is done (`long-call.ts`). */
  readonly answer: 'quick' | 'long';
  /** Largest request, bytes; default: what a client asks is small, what our own processes ask is bounded by the server. */
  readonly requestBytes?: number;
  /** What it does, as in "<from> … ": the words of docs/security.md. */
  readonly what: string;
}

// biome-ignore lint/suspicious/noExplicitAny: any row, whatever it asks
export type AnyOperation = Operation<any, any>;
export type Operations = { readonly [name: string]: AnyOperation };

export type RequestOf<Row> = Row extends Operation<infer Request, infer _> ? Request : never;
export type ReplyOf<Row> = Row extends Operation<infer _, infer Reply> ? Reply : never;

/** Who serves a table of rows has a handler for each: one that is missing does not compile. */
export type Handlers<Rows extends Operations, Context extends unknown[] = []> = {
  [Name in keyof Rows]: (
    request: RequestOf<Rows[Name]>,
    ...context: Context
  ) => Promise<ReplyOf<Rows[Name]>> | ReplyOf<Rows[Name]>;
};

/** A row: its types are those of its schemas. */
export const operation = <Request extends object, Reply extends object>(
  row: Operation<Request, Reply>,
): Operation<Request, Reply> => row;

/** No request of a client has more, unless its row says so: 64 Ki units of code to be completed, and some room. */
const CLIENT_BYTES_MAX = 256 * 1024;
/** Requests have a dozen fields; one with thousands is a burden and nothing else. */
const FIELDS_MAX = 64;

/**
 * The request of a message, checked: its size before it is decoded, its shape before it is looked through.
 * @throws RepriseError BAD_FORMAT, TOO_LARGE
 */
export function readRequest<Row extends AnyOperation>(row: Row, data: Uint8Array): RequestOf<Row> {
  const { requestBytes = row.from.includes('client') ? CLIENT_BYTES_MAX : Number.POSITIVE_INFINITY } = row;
  if (data.byteLength > requestBytes) {
    throw new RepriseError(
      'TOO_LARGE',
      `the request has ${data.byteLength} bytes; the limit is ${requestBytes}`,
    );
  }
  const value = decode(data);
  assertSlim(value);
  return parse(row.request as Schema<RequestOf<Row>>, value);
}

/** @throws RepriseError BAD_FORMAT */
function assertSlim(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) throw new RepriseError('BAD_FORMAT', 'Expected an object instead of an array');
  const fields = Object.keys(value);
  if (fields.length > FIELDS_MAX)
    throw new RepriseError('BAD_FORMAT', `the request has ${fields.length} fields`);
  assertSlim((value as { request?: unknown }).request);
}
