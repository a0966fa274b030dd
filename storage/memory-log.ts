/** The log in memory, for tests and simulations. Everything goes through the codec, as on a real store. */
import { decode, encode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';
import type { LogIndex, LogStore } from './ports.ts';

interface Kept {
  position: number;
  bytes: Uint8Array;
}

/** The log port in memory. */
export class MemoryLog implements LogStore {
  readonly #sessions = new Map<string, Kept[]>();
  #position = 0;
  #removals = 0;

  async append(
    commit: Commit,
    expected: number,
    bytes: Uint8Array = encode(commit),
  ): Promise<{ position: number; sizeBytes: number; duplicate: boolean }> {
    const kept = this.#sessions.get(commit.session) ?? [];
    const last = kept.at(-1);
    if ((last?.position ?? 0) !== expected) {
      const newest = last && read(last);
      if (newest && newest.commit.commit === commit.commit && newest.commit.hash === commit.hash) {
        return { position: newest.position, sizeBytes: newest.sizeBytes, duplicate: true };
      }
      throw new RepriseError('FENCED', `session ${commit.session} has moved on to ${last?.position ?? 0}`);
    }
    this.#position += 1;
    // A copy: the caller may use its buffer again.
    kept.push({ position: this.#position, bytes: bytes.slice() });
    this.#sessions.set(commit.session, kept);
    return { position: this.#position, sizeBytes: bytes.byteLength, duplicate: false };
  }

  async last(token: string): Promise<StoredCommit | null> {
    const kept = this.#sessions.get(token)?.at(-1);
    return kept ? read(kept) : null;
  }

  async at(token: string, positions: number[]): Promise<StoredCommit[]> {
    const kept = new Map(this.#sessions.get(token)?.map((item) => [item.position, item]));
    return positions.map((position) => {
      const item = kept.get(position);
      if (item) return read(item);
      throw new RepriseError('CORRUPT', `the log has no commit of session ${token} at position ${position}`);
    });
  }

  async *sessions(): AsyncIterable<StoredCommit> {
    for (const kept of [...this.#sessions.values()]) yield read(kept.at(-1)!);
  }

  async index(): Promise<LogIndex> {
    const commits = new Map([...this.#sessions].map(([token, kept]) => [token, kept.length]));
    return { commits, generation: this.#removals };
  }

  async remove(token: string): Promise<boolean> {
    const removed = this.#sessions.delete(token);
    if (removed) this.#removals += 1;
    return removed;
  }

  async close(): Promise<void> {}
}

function read({ position, bytes }: Kept): StoredCommit {
  return { commit: decode(bytes) as Commit, position, sizeBytes: bytes.byteLength };
}
