/** The session's view of storage, over the bus. */
import { BlobClient } from '../../bus/blob-client.ts';
import { seqOf } from '../../bus/chain.ts';
import { encode } from '../../bus/codec.ts';
import { ofCommand } from '../../bus/command-events.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { Schema } from '../../bus/event-schemas.ts';
import { limitsOf, type SizeLimits } from '../../bus/limits.ts';
import type { Bus, Clock } from '../../bus/port.ts';
import type {
  AppendReply,
  FindBounds,
  FoundCommand,
  LoadReply,
  LoadRequest,
  ReadReply,
} from '../../bus/protocol.ts';
import {
  appendReplySchema,
  findReplySchema,
  getReplySchema,
  loadReplySchema,
  parseReply,
  readReplySchema,
  troubleReplySchema,
} from '../../bus/reply-schemas.ts';
import type { Subjects } from '../../bus/subjects.ts';
import type { Commit, LargeValue, SessionEvent, SessionMetadata, StoredCommit } from '../../bus/types.ts';
import type { SessionStore } from '../session/ports.ts';

/** One try at storage; longer than any healthy answer, short enough to notice a dead one. */
const TRY_MS = 1_000;
/** How long storage may be silent before a session gives up. */
const SILENCE_MS = 15_000;

/** Failures of the way to storage; the request may be sent again. */
const SILENT = ['NO_RESPONDERS', 'TIMEOUT', 'DISCONNECTED', 'UNAVAILABLE', 'DRAINING'] as const;

export class StoreClient implements SessionStore {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  readonly #blobs: BlobClient;
  #closed = false;

  constructor(bus: Bus, subjects: Subjects, clock: Clock) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
    this.#blobs = new BlobClient(
      (operation, request, schema) => this.#ask(subjects.store(operation), request, schema),
      () => this.limits.contentBytes,
    );
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

  async load(session: string, kernel: string, before?: number): Promise<LoadReply> {
    const request: LoadRequest = before === undefined ? { session, kernel } : { session, kernel, before };
    return this.#ask(this.#subjects.store('load'), request, loadReplySchema);
  }

  async *read(session: string, from: number, to?: number): AsyncIterable<StoredCommit> {
    let next: number | null = from;
    while (next !== null) {
      const reply: ReadReply = await this.#ask(
        this.#subjects.store('read'),
        { session, from: next, to },
        readReplySchema,
      );
      yield* reply.commits;
      next = reply.next;
    }
  }

  async find(session: string, commandId: string, within: FindBounds): Promise<FoundCommand> {
    const request = { session, commandId, ...within };
    const { seq, more } = await this.#ask(this.#subjects.store('find'), request, findReplySchema);
    if (!seq) return { events: [], more };
    const events: SessionEvent[] = [];
    for await (const { commit } of this.read(session, ...seq)) {
      for (const event of commit.events)
        if (seqOf(event) >= seq[0] && seqOf(event) <= seq[1]) events.push(event);
    }
    return { events: ofCommand(events) };
  }

  async get(session: string): Promise<SessionMetadata | null> {
    return (await this.#ask(this.#subjects.store('get'), { session }, getReplySchema)).metadata;
  }

  async trouble(session: string, kernel: string, error: RepriseError | null): Promise<void> {
    const failure = error && { code: error.code, message: error.message, hint: error.hint };
    await this.#ask(this.#subjects.store('trouble'), { session, kernel, failure }, troubleReplySchema);
  }

  image(stateId: string): Promise<Uint8Array | null> {
    return this.#blobs.get('ckpt', stateId);
  }

  putImage(stateId: string, bytes: Uint8Array): Promise<boolean> {
    return this.#blobs.put('ckpt', stateId, bytes);
  }

  putLarge(scope: string, value: LargeValue, bytes: Uint8Array): Promise<void> {
    return this.#blobs.putLarge(scope, value, bytes);
  }

  getLarge(scope: string, value: LargeValue): Promise<Uint8Array> {
    return this.#blobs.getLarge(scope, value);
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
