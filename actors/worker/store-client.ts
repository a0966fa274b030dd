/** The session's view of storage, over the bus. */
import { encode } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { Schema } from '../../bus/event-schemas.ts';
import { limitsOf, type SizeLimits } from '../../bus/limits.ts';
import type { Bus, Clock } from '../../bus/port.ts';
import type { AppendReply, LoadReply, ReadReply } from '../../bus/protocol.ts';
import {
  appendReplySchema,
  blobGetReplySchema,
  blobPutReplySchema,
  findReplySchema,
  getReplySchema,
  loadReplySchema,
  parseReply,
  readReplySchema,
} from '../../bus/reply-schemas.ts';
import type { Subjects } from '../../bus/subjects.ts';
import type { Commit, SessionEvent, SessionMetadata, StoredCommit } from '../../bus/types.ts';
import type { SessionStore } from '../session/ports.ts';

/** One try at storage; longer than any healthy answer, short enough to notice a dead one. */
const TRY_MS = 1_000;
/** How long storage may be silent before a session gives up. */
const SILENCE_MS = 15_000;
/** Blobs larger than this travel in parts. */
const PART_BYTES = 1_000_000;

/** Failures of the way to storage; the request may be sent again. */
const SILENT = ['NO_RESPONDERS', 'TIMEOUT', 'DISCONNECTED', 'UNAVAILABLE', 'DRAINING'] as const;

export class StoreClient implements SessionStore {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  #closed = false;

  constructor(bus: Bus, subjects: Subjects, clock: Clock) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
  }

  /** Nothing is asked again from now on: what waits for a silent storage fails. */
  close(): void {
    this.#closed = true;
  }

  get limits(): SizeLimits {
    return limitsOf(this.#bus.maxPayload);
  }

  async append(commit: Commit, expected: number): Promise<AppendReply> {
    return this.#ask(this.#subjects.append(commit.session), { commit, expected }, appendReplySchema);
  }

  async load(session: string, kernel: string): Promise<LoadReply> {
    return this.#ask(this.#subjects.store('load'), { session, kernel }, loadReplySchema);
  }

  async *read(session: string, from: number): AsyncIterable<StoredCommit> {
    let next: number | null = from;
    while (next !== null) {
      const reply: ReadReply = await this.#ask(
        this.#subjects.store('read'),
        { session, from: next },
        readReplySchema,
      );
      yield* reply.commits;
      next = reply.next;
    }
  }

  async find(session: string, commandId: string): Promise<SessionEvent[]> {
    return (await this.#ask(this.#subjects.store('find'), { session, commandId }, findReplySchema)).events;
  }

  async get(session: string): Promise<SessionMetadata | null> {
    return (await this.#ask(this.#subjects.store('get'), { session }, getReplySchema)).metadata;
  }

  async image(stateId: string): Promise<Uint8Array | null> {
    const subject = this.#subjects.store('blob.get');
    const first = await this.#ask(subject, { kind: 'ckpt', key: stateId, part: 0 }, blobGetReplySchema);
    if (!first.bytes) return null;
    const parts = [first.bytes];
    for (let part = 1; part < first.parts; part++) {
      const { bytes } = await this.#ask(subject, { kind: 'ckpt', key: stateId, part }, blobGetReplySchema);
      if (!bytes) return null;
      parts.push(bytes);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  async putImage(stateId: string, bytes: Uint8Array): Promise<boolean> {
    const subject = this.#subjects.store('blob.put');
    const put = async (request: object) => (await this.#ask(subject, request, blobPutReplySchema)).stored;
    if (bytes.byteLength <= PART_BYTES) return put({ kind: 'ckpt', key: stateId, bytes });
    const parts = Math.ceil(bytes.byteLength / PART_BYTES);
    let stored = false;
    for (let part = 0; part < parts; part++) {
      const slice = bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
      stored = (await put({ kind: 'ckpt', key: stateId, bytes: slice, part, parts })) || stored;
    }
    return stored;
  }

  /** Every request to storage is idempotent (appends by commit id), so an unknown outcome is asked again. */
  async #ask<T extends object>(subject: string, request: object, schema: Schema<T>): Promise<T> {
    const data = encode(request);
    const giveUp = this.#clock.now() + SILENCE_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        return parseReply(schema, await this.#bus.request(subject, data, { timeoutMs: TRY_MS }));
      } catch (error) {
        if (!hasCode(error, ...SILENT) || !error.retryable) throw error;
        if (this.#closed) throw error;
        if (this.#clock.now() > giveUp) {
          throw new RepriseError('UNAVAILABLE', `storage has not answered for ${SILENCE_MS / 1000} s`, {
            cause: error,
            hint: 'retry with the same commandId; `reprise doctor` tells what is wrong',
          });
        }
        const delayMs = Math.min(10 * 2 ** attempt, 500);
        await new Promise<void>((resolve) => this.#clock.setTimer(resolve, delayMs));
      }
    }
  }
}
