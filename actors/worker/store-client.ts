/** The session's view of storage, over the bus. */
import { eventsOf, seqOf } from '../../bus/chain.ts';
import { ofCommand } from '../../bus/command-events.ts';
import type { RepriseError } from '../../bus/errors.ts';
import { restoredEvents } from '../../bus/large.ts';
import type { SizeLimits } from '../../bus/limits.ts';
import type {
  AppendReply,
  FindBounds,
  FoundCommand,
  LoadBounds,
  LoadReply,
  ScannedMessage,
} from '../../bus/operations/logs.ts';
import type { StorageClient } from '../../bus/storage-client.ts';
import type { Commit, LargeValue, SessionEvent, SessionMetadata, StoredCommit } from '../../bus/types.ts';
import type { SessionStore } from '../session/ports.ts';

export class StoreClient implements SessionStore {
  readonly #storage: StorageClient;

  constructor(storage: StorageClient) {
    this.#storage = storage;
  }

  get limits(): SizeLimits {
    return this.#storage.limits;
  }

  append(commit: Commit, expected: number): Promise<AppendReply> {
    return this.#storage.append({ commit, expected });
  }

  load(session: string, kernel: string, bounds: LoadBounds = {}): Promise<LoadReply> {
    return this.#storage.ask('load', { session, kernel, ...bounds });
  }

  async *read(session: string, from: number, to?: number): AsyncIterable<StoredCommit> {
    for await (const commits of this.#storage.read(session, from, to)) yield* commits;
  }

  scan(session: string): AsyncIterable<ScannedMessage[]> {
    return this.#storage.scan(session);
  }

  async find(session: string, commandId: string, within: FindBounds): Promise<FoundCommand> {
    const { seq, more } = await this.#storage.ask('find', { session, commandId, ...within });
    if (!seq) return { events: [], more };
    const events: SessionEvent[] = [];
    for await (const stored of this.read(session, ...seq)) {
      const within = eventsOf(stored).filter((event) => seqOf(event) >= seq[0] && seqOf(event) <= seq[1]);
      events.push(...(await restoredEvents(within, stored.commit.head.id, this)));
    }
    return { events: ofCommand(events) };
  }

  async get(session: string): Promise<SessionMetadata | null> {
    return (await this.#storage.ask('get', { session })).metadata;
  }

  async trouble(session: string, kernel: string, error: RepriseError | null): Promise<void> {
    const failure = error && { code: error.code, message: error.message, hint: error.hint, at: error.at };
    await this.#storage.ask('trouble', { session, kernel, failure });
  }

  image(stateId: string): Promise<Uint8Array | null> {
    return this.#storage.blobs().get('ckpt', stateId);
  }

  putImage(stateId: string, bytes: Uint8Array): Promise<boolean> {
    return this.#storage.blobs().put('ckpt', stateId, bytes);
  }

  putLarge(scope: string, value: LargeValue, bytes: Uint8Array): Promise<void> {
    return this.#storage.blobs().putLarge(scope, value, bytes);
  }

  getLarge(scope: string, value: LargeValue): Promise<Uint8Array> {
    return this.#storage.blobs().getLarge(scope, value);
  }
}
