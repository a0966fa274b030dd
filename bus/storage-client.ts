/** Storage over the bus, for whoever asks it. All that it is asked may be asked again: an unknown outcome is. */
import { type AskStorage, BlobClient } from './blob-client.ts';
import { encode } from './codec.ts';
import { hasCode, RepriseError } from './errors.ts';
import { limitsOf, type SizeLimits } from './limits.ts';
import type { AppendReply, AppendRequest, ScannedMessage, ScanReply } from './operations/logs.ts';
import type { ReplyOf, RequestOf } from './operations/row.ts';
import { APPEND, STORE, type StoreOperation } from './operations/storage.ts';
import { Patience } from './patience.ts';
import type { Bus, Clock } from './port.ts';
import type { Schema } from './schema.ts';
import type { Subjects } from './subjects.ts';
import type { StoredCommit } from './types.ts';
import { parseReply } from './wire.ts';

export interface StorageClientPorts {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  /** One try, ms: longer than any healthy answer, short enough to notice a dead one. Default 1 s. */
  tryMs?: number;
  /** How long storage may be silent before a request fails, ms; default 15 s. */
  waitMs?: number;
  /** Code of that failure. Default UNAVAILABLE */
  late?: 'TIMEOUT' | 'UNAVAILABLE';
}

export class StorageClient {
  readonly #ports: StorageClientPorts;
  readonly #closed = new AbortController();

  constructor(ports: StorageClientPorts) {
    this.#ports = ports;
  }

  /** Nothing is asked again from now on: what waits for a silent storage fails. */
  close(): void {
    this.#closed.abort(new RepriseError('DRAINING', 'this process is leaving the bus'));
  }

  /** What fits into a message, as the server is now. */
  get limits(): SizeLimits {
    return limitsOf(this.#ports.bus.maxPayload);
  }

  /** @throws RepriseError of storage; UNAVAILABLE (or TIMEOUT) after `waitMs`; the signal's reason */
  ask<Name extends StoreOperation>(
    name: Name,
    request: RequestOf<(typeof STORE)[Name]>,
    signal?: AbortSignal,
  ): Promise<ReplyOf<(typeof STORE)[Name]>> {
    const reply = STORE[name].reply as Schema<ReplyOf<(typeof STORE)[Name]>>;
    return this.#ask(this.#ports.subjects.store(name), request, reply, signal);
  }

  /** @throws RepriseError FENCED, or as `ask` */
  append(request: AppendRequest): Promise<AppendReply> {
    return this.#ask(this.#ports.subjects.append(request.commit.session), request, APPEND.reply);
  }

  /** Commits with events from seq `from` to `to`, oldest first, a page at a time. @throws RepriseError as `ask` */
  async *read(
    session: string,
    from: number,
    to?: number,
    signal?: AbortSignal,
  ): AsyncGenerator<StoredCommit[], void> {
    let next: number | null = from;
    while (next !== null && next <= (to ?? next)) {
      const page: { commits: StoredCommit[]; next: number | null } = await this.ask(
        'read',
        to === undefined ? { session, from: next } : { session, from: next, to },
        signal,
      );
      yield page.commits;
      next = page.next;
    }
  }

  /** What stands in a session's log, in order, whatever is wrong with it; a page at a time. @throws RepriseError as `ask` */
  async *scan(session: string): AsyncGenerator<ScannedMessage[], void> {
    let after: number | null = 0;
    while (after !== null) {
      const page: ScanReply = await this.ask('scan', { session, after });
      yield page.found;
      after = page.next;
    }
  }

  /** Blobs, and values that no message holds. */
  blobs(signal?: AbortSignal): BlobClient {
    const ask: AskStorage = (name, request) => this.ask(name, request as never, signal) as never;
    return new BlobClient(ask, () => this.limits.contentBytes);
  }

  async #ask<Reply extends object>(
    subject: string,
    request: object,
    reply: Schema<Reply>,
    signal: AbortSignal = this.#closed.signal,
  ): Promise<Reply> {
    const { bus, clock, tryMs = 1_000, waitMs = 15_000, late = 'UNAVAILABLE' } = this.#ports;
    const patience = new Patience(bus, clock, { waitMs, signal, late });
    const data = encode(request);
    for (;;) {
      try {
        const timeoutMs = Math.max(1, Math.min(tryMs, patience.leftMs));
        return parseReply(reply, await bus.request(subject, data, { timeoutMs }));
      } catch (thrown) {
        // Whoever lost the log must not write on.
        if (hasCode(thrown, 'FENCED')) throw thrown;
        patience.assertWorthwhile(thrown, 'storage');
        await patience.pause(thrown);
      }
    }
  }
}
