/** The log in memory, for tests and simulations. Everything goes through the codec, as on a real store. */
import { encode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import type { ScannedMessage } from '../bus/operations/logs.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';
import type { LogIndex, LogStore } from './ports.ts';
import { beheaded, commitIn, commitOf, foundIn, type Message, missing } from './readable.ts';

/** One message of the log. */
export interface Kept {
  position: number;
  /** Position of the newest commit before it, as its writer knew it; null when it did not say. */
  expected: number | null;
  /** null: a grave. */
  bytes: Uint8Array | null;
}

/** The log port in memory. */
export class MemoryLog implements LogStore {
  readonly #sessions = new Map<string, Kept[]>();
  /** Position of the newest message that a session ever had. */
  readonly #newest = new Map<string, number>();
  #position = 0;
  #removals = 0;

  async append(
    commit: Commit,
    expected: number,
    bytes: Uint8Array = encode(commit),
  ): Promise<{ position: number; sizeBytes: number; duplicate: boolean }> {
    const kept = this.#sessions.get(commit.session) ?? [];
    const last = kept.at(-1);
    if (endOf(last) !== expected) {
      const newest = last?.bytes ? read(last, commit.session) : undefined;
      if (newest && newest.commit.commit === commit.commit && newest.commit.hash === commit.hash) {
        return { position: newest.position, sizeBytes: newest.sizeBytes, duplicate: true };
      }
      throw new RepriseError('FENCED', `session ${commit.session} has moved on to ${endOf(last)}`);
    }
    this.#position += 1;
    // A copy: the caller may use its buffer again (and the `slice` of a Buffer is none).
    kept.push({ position: this.#position, expected, bytes: Uint8Array.from(bytes) });
    this.#set(commit.session, kept);
    return { position: this.#position, sizeBytes: bytes.byteLength, duplicate: false };
  }

  async last(token: string): Promise<StoredCommit | null> {
    const kept = this.#sessions.get(token);
    const newest = kept?.at(-1);
    if (!kept || !newest?.bytes) return null;
    if (newest.position !== this.#newest.get(token)) throw beheaded(token, kept[0]!.position);
    return read(newest, token);
  }

  async at(token: string, positions: number[]): Promise<StoredCommit[]> {
    const kept = new Map(this.#sessions.get(token)?.map((item) => [item.position, item]));
    return positions.map((position) => {
      const item = kept.get(position);
      if (item?.bytes) return read(item, token);
      throw missing(token, position);
    });
  }

  async holds(token: string): Promise<boolean> {
    return (this.#sessions.get(token)?.length ?? 0) > 0;
  }

  async scan(
    token: string,
    after: number,
    limit: number,
    before = Number.POSITIVE_INFINITY,
  ): Promise<ScannedMessage[]> {
    const all = (this.#sessions.get(token) ?? []).filter(({ position }) => position < before);
    // What lies before a grave is of a session that was removed.
    const grave = all.findLastIndex(({ bytes }) => bytes === null);
    const kept = all.slice(grave + 1).filter(({ position }) => position > after);
    return kept.slice(0, limit).map((item) => foundIn(messageOf(item, token)));
  }

  /**
   * What is kept of a session, for whoever tampers with it: a test. `next` is the position of what comes next. As with
   * the server, a session whose newest message was deleted is known to have had it.
   */
  tamper(token: string, change: (kept: Kept[], next: number) => Kept[]): void {
    this.#position += 1;
    this.#set(token, change(this.#sessions.get(token) ?? [], this.#position));
  }

  #set(token: string, kept: Kept[]): void {
    this.#sessions.set(token, kept);
    this.#newest.set(token, Math.max(this.#newest.get(token) ?? 0, kept.at(-1)?.position ?? 0));
  }

  async index(): Promise<LogIndex> {
    const commits = new Map([...this.#sessions].map(([token, kept]) => [token, kept.length]));
    return { commits, generation: this.#removals };
  }

  async bury(token: string, expected: number): Promise<number> {
    const kept = this.#sessions.get(token) ?? [];
    const dug = await this.grave(token, expected);
    if (dug !== null) return dug;
    if (endOf(kept.at(-1)) !== expected || expected === 0) {
      throw new RepriseError('FENCED', `session ${token} has moved on from ${expected}`);
    }
    this.#position += 1;
    kept.push({ position: this.#position, expected, bytes: null });
    this.#set(token, kept);
    return this.#position;
  }

  async grave(token: string, position: number): Promise<number | null> {
    const next = this.#sessions.get(token)?.find((item) => item.position > position);
    return next && next.bytes === null ? next.position : null;
  }

  async end(token: string): Promise<number> {
    return endOf(this.#sessions.get(token)?.at(-1));
  }

  async count(token: string): Promise<number> {
    return this.#sessions.get(token)?.length ?? 0;
  }

  async purge(token: string, before: number): Promise<void> {
    const kept = this.#sessions.get(token) ?? [];
    const left = kept.filter(({ position }) => position >= before);
    this.#removals += kept.length - left.length;
    if (left.length > 0) this.#sessions.set(token, left);
    else this.#sessions.delete(token);
  }

  async remove(token: string): Promise<boolean> {
    const removed = this.#sessions.delete(token);
    if (removed) this.#removals += 1;
    return removed;
  }

  async close(): Promise<void> {}
}

function messageOf({ position, expected, bytes }: Kept, token: string): Message {
  const read = () => {
    if (!bytes) throw new RepriseError('CORRUPT', `there is a grave at position ${position}`);
    return commitOf(bytes, token, position);
  };
  return { position, sizeBytes: bytes?.byteLength ?? 0, expected, read };
}

/** As far as a writer goes there is nothing before a grave. */
function endOf(newest: Kept | undefined): number {
  return newest?.bytes ? newest.position : 0;
}

function read(kept: Kept, token: string): StoredCommit {
  return commitIn(messageOf(kept, token));
}
