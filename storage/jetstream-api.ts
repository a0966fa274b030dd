/**
 * Requests to JetStream with headers, below the storage ports. The client library's own request costs a timer
 * race and a fresh promise chain each; this one costs a map entry. Failures come as RepriseErrors.
 */
import type { Msg, MsgHdrs, NatsConnection, Subscription } from '@nats-io/nats-core';
import { createInbox, headers } from '@nats-io/transport-node';
import { hasCode, RepriseError } from '../bus/errors.ts';

/** An answer of JetStream: a stored message (direct get) or JSON. */
export type Answer = Msg;

/** JetStream's error body. */
export interface ApiError {
  code: number;
  err_code: number;
  description: string;
}

/** Root of JetStream's own subjects. */
export const API = '$JS.API';
/** The compare-and-set of an append: the server refuses the message unless it is so, and keeps what it said. */
export const EXPECTED_LAST = 'Nats-Expected-Last-Subject-Sequence';
/** Both mean: the subject's last sequence is not the expected one. */
export const WRONG_LAST_SEQUENCE: readonly number[] = [10071, 10164];
/** Error code of a stream that does not exist. */
export const STREAM_NOT_FOUND = 10059;

/** Limits of account, stream or disk. 10077 is the store's own failure: maximum bytes, or no space left. */
const FULL: readonly number[] = [10002, 10023, 10028, 10047, 10077];
/** The stream cannot be as we need it; or a stream of somebody else's takes our subjects. Waiting does not help. */
const UNFIT: readonly number[] = [10052, 10065];
const OVERSIZED = 10054;
const NOT_FOUND = 404;
const NO_RESPONDERS = 503;

interface Pending {
  subject: string;
  resolve(answer: Answer): void;
  reject(error: RepriseError): void;
  timer: NodeJS.Timeout;
}

/** JetStream over one connection, which stays its owner's. */
export class JetStreamApi {
  readonly connection: NatsConnection;
  readonly #timeoutMs: number;
  readonly #base: string;
  readonly #pending = new Map<string, Pending>();
  readonly #subscription: Subscription;
  #next = 0;
  #closed = false;

  /**
   * @param inboxes subject below which answers arrive
   * @param timeoutMs how long one request may take; below what callers wait for storage
   */
  constructor({ connection, inboxes }: { connection: NatsConnection; inboxes: string }, timeoutMs = 800) {
    this.connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#base = `${createInbox(inboxes)}.`;
    this.#subscription = connection.subscribe(`${this.#base}*`, {
      callback: (error, message) => {
        if (!error) this.#deliver(message);
      },
    });
    this.#watch();
  }

  /** Largest message the server takes, bytes. */
  get maxPayload(): number {
    return this.connection.info?.max_payload ?? 1024 * 1024;
  }

  /**
   * @throws RepriseError TIMEOUT or DISCONNECTED (the outcome is unknown), UNAVAILABLE (no JetStream there),
   * TOO_LARGE
   */
  request(
    subject: string,
    data: Uint8Array,
    extra?: MsgHdrs,
    timeoutMs: number = this.#timeoutMs,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new RepriseError('DISCONNECTED', 'the connection to the store is closed'));
        return;
      }
      this.#next += 1;
      const token = this.#next.toString(36);
      const timer = setTimeout(() => {
        this.#pending.delete(token);
        reject(new RepriseError('TIMEOUT', `no answer from the store on ${subject} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(token, { subject, resolve, reject, timer });
      try {
        this.connection.publish(subject, data, { reply: this.#base + token, headers: extra });
      } catch (cause) {
        this.#pending.delete(token);
        clearTimeout(timer);
        reject(this.#unsent(data, cause));
      }
    });
  }

  /** A request of the JSON API. @throws RepriseError as `request`, and what `apiError` makes of an error body. */
  async call<T>(operation: string, body: object | null = null, timeoutMs?: number): Promise<T> {
    const data = body === null ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(body));
    const answer = await this.request(`${API}.${operation}`, data, undefined, timeoutMs);
    const reply = parseJson<T & { error?: ApiError }>(answer);
    if (reply.error) throw apiError(reply.error);
    return reply;
  }

  /** The stored message at a sequence, null when there is none. */
  bySequence(stream: string, sequence: number): Promise<Answer | null> {
    const body = new TextEncoder().encode(`{"seq":${sequence}}`);
    return this.request(`${API}.DIRECT.GET.${stream}`, body).then(found);
  }

  /** The first stored message of a subject from a sequence on, null when there is none. */
  nextOf(stream: string, subject: string, from: number): Promise<Answer | null> {
    const body = new TextEncoder().encode(JSON.stringify({ seq: from, next_by_subj: subject }));
    return this.request(`${API}.DIRECT.GET.${stream}`, body).then(found);
  }

  /** The newest stored message of a subject, null when there is none. */
  lastOf(stream: string, subject: string): Promise<Answer | null> {
    return this.request(`${API}.DIRECT.GET.${stream}.${subject}`, new Uint8Array(0)).then(found);
  }

  close(): void {
    this.#closed = true;
    this.#failAll('the connection to the store was closed');
    this.#subscription.unsubscribe();
  }

  #deliver(message: Msg): void {
    const token = message.subject.slice(this.#base.length);
    const pending = this.#pending.get(token);
    if (!pending) return;
    this.#pending.delete(token);
    clearTimeout(pending.timer);
    if (message.data.byteLength === 0 && message.headers?.code === NO_RESPONDERS) {
      pending.reject(
        new RepriseError('UNAVAILABLE', `no JetStream answers on ${pending.subject}`, {
          hint: 'JetStream is off, still starting, or has stopped itself (full disk); or the stream is missing',
        }),
      );
      return;
    }
    pending.resolve(message);
  }

  #unsent(data: Uint8Array, cause: unknown): RepriseError {
    if (data.byteLength > this.maxPayload - 1024) {
      return new RepriseError('TOO_LARGE', `${data.byteLength} bytes: the server takes ${this.maxPayload}`, {
        cause,
      });
    }
    return new RepriseError('DISCONNECTED', 'the connection to the store is closed', { cause });
  }

  #failAll(why: string): void {
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) {
      clearTimeout(pending.timer);
      pending.reject(new RepriseError('DISCONNECTED', `${why}; the outcome is unknown`));
    }
  }

  /** The client leaves requests to their time-out when the connection drops. */
  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect' || status.type === 'close') {
        this.#failAll('the connection to the store was lost');
      }
    }
  }
}

/** NATS headers from a plain object. */
export function makeHeaders(entries: Record<string, string>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(entries)) made.append(name, value);
  return made;
}

/** Sequence of a message that a direct get returned. */
export function sequenceOf(message: Answer): number {
  return Number(message.headers?.get('Nats-Sequence'));
}

/** Subject of a message that a direct get returned, '' when it does not say. */
export function subjectOf(message: Answer): string {
  return message.headers?.get('Nats-Subject') ?? '';
}

/** What the writer of a stored message expected as its subject's last sequence, null when it did not say. */
export function expectedOf(message: Answer): number | null {
  const expected = message.headers?.get(EXPECTED_LAST);
  return expected ? Number(expected) : null;
}

/** An error body of JetStream as one of ours. */
export function apiError(error: ApiError): RepriseError {
  const text = `JetStream: ${error.description} (${error.err_code})`;
  if (WRONG_LAST_SEQUENCE.includes(error.err_code)) return new RepriseError('FENCED', text);
  if (error.err_code === OVERSIZED) return new RepriseError('TOO_LARGE', text);
  if (FULL.includes(error.err_code)) {
    return new RepriseError('STORAGE_FULL', text, {
      hint: 'free disk space or raise the limits of JetStream, then retry; nothing was lost',
    });
  }
  if (error.err_code === STREAM_NOT_FOUND) return new RepriseError('NOT_FOUND', text);
  if (UNFIT.includes(error.err_code)) {
    return new RepriseError('UNAVAILABLE', text, {
      retryable: false,
      hint: 'somebody else made a stream that is in the way: rename or remove it, or set another REPRISE_PREFIX',
    });
  }
  return new RepriseError('UNAVAILABLE', text);
}

/** True when a request may or may not have been carried out. */
export function isUnknownOutcome(thrown: unknown): boolean {
  return hasCode(thrown, 'TIMEOUT', 'DISCONNECTED');
}

/** @throws RepriseError UNAVAILABLE when the answer is no JSON */
export function parseJson<T>(message: Answer): T {
  try {
    return JSON.parse(new TextDecoder().decode(message.data)) as T;
  } catch (cause) {
    throw new RepriseError('UNAVAILABLE', 'the answer of JetStream is not JSON', { cause });
  }
}

function found(message: Answer): Answer | null {
  const code = message.headers?.code ?? 0;
  if (code === NOT_FOUND) return null;
  if (code !== 0)
    throw new RepriseError('UNAVAILABLE', `JetStream: ${message.headers?.description} (${code})`);
  // Without a sequence it is no stored message: an error body of the JSON API, say.
  if (!message.headers?.get('Nats-Sequence')) throw new RepriseError('UNAVAILABLE', 'JetStream: no message');
  return message;
}
