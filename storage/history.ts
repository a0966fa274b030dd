/**
 * Reads a session's commits. Each commit names the positions of up to 32 before it, so every read walks back
 * along those lists and then fetches by known position, pipelined; the log is never scanned.
 */
import { BROKEN_HINT, CHAIN_START, ChainReader, lastSeqOf, placeAfter } from '../bus/chain.ts';
import { ofCommand } from '../bus/command-events.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type {
  FindBounds,
  FoundCommand,
  LoadReply,
  ReadReply,
  ScannedMessage,
  ScanReply,
} from '../bus/operations/logs.ts';
import type { SessionEvent, StoredCommit } from '../bus/types.ts';
import { Lru } from './lru.ts';
import type { LogStore } from './ports.ts';

/** Commits of one answer to `load`, at most. */
export const TAIL_COMMITS_MAX = 512;
/** Bytes of commits in one answer to `read`, about. */
const READ_BYTES = 1024 * 1024;
/** What an answer adds to each commit. */
const WRAPPING_BYTES = 64;
/** Commits fetched at once. */
const BATCH = 64;
/** Commits that are looked through for a command. */
const FOUND_WITHIN = 8_192;
/** Sessions whose positions are remembered (only those that were read in full). */
const REMEMBERED = 256;

/** Where all commits of a session are, oldest first, and the first seq of those that were looked at. */
interface Chain {
  positions: number[];
  firsts: Map<number, number>;
}

/** Reads of one storage process; what it remembers only saves steps. */
export class History {
  readonly #log: LogStore;
  readonly #chains = new Lru<Chain>(REMEMBERED);

  constructor(log: LogStore) {
    this.#log = log;
  }

  /** Forgets where a session's commits are: it was deleted. */
  forget(token: string): void {
    this.#chains.delete(token);
  }

  /**
   * What activation needs.
   * @param kernel version that will restore the checkpoint; '' leaves every checkpoint out
   * @param limitBytes of all commits in the answer; the newest commit and the checkpoint are always there
   * @param before log position before which the checkpoint must be
   * @throws RepriseError CORRUPT
   */
  load(
    token: string,
    kernel: string,
    limitBytes: number,
    before = Number.POSITIVE_INFINITY,
  ): Promise<LoadReply> {
    return this.#steadily(token, async (last) => {
      if (!last) return { last: null, checkpoint: null, tail: [], more: false };
      const checkpoint = kernel === '' ? null : await this.#usableCheckpoint(last, kernel, before);
      const positions = checkpoint
        ? await this.#positionsAfter(last, checkpoint.position)
        : (await this.#chain(last)).positions;
      const tail: StoredCommit[] = [];
      let bytes = last.sizeBytes + (checkpoint?.sizeBytes ?? 0);
      const reader = new ChainReader(checkpoint ? placeAfter(checkpoint) : CHAIN_START);
      for await (const stored of this.#fetch(last, positions.slice(0, TAIL_COMMITS_MAX), reader)) {
        bytes += stored.sizeBytes + WRAPPING_BYTES;
        if (bytes > limitBytes) break;
        tail.push(stored);
      }
      return { last, checkpoint, tail, more: tail.length < positions.length };
    });
  }

  /**
   * Commits that hold events from seq `from` to `to`, oldest first, about 1 MB and no more than `limitBytes`
   * (unless one commit alone is larger).
   * @throws RepriseError CORRUPT
   */
  read(
    token: string,
    from: number,
    to = Number.POSITIVE_INFINITY,
    limitBytes = READ_BYTES,
  ): Promise<ReadReply> {
    return this.#steadily(token, async (last) => {
      if (!last || from > lastSeqOf(last.commit)) return { commits: [], next: null };
      // Near the end nothing is asked of all that came before.
      const isNear = from > last.commit.first / 2 && !this.#chains.get(token);
      const chain = isNear ? await this.#chainSince(last, from) : await this.#chain(last);
      const commits: StoredCommit[] = [];
      let bytes = 0;
      const start = startOf(chain, from);
      const reader = new ChainReader(chain.firsts.get(chain.positions[start]!) === 0 ? CHAIN_START : null);
      for await (const stored of this.#fetch(last, chain.positions.slice(start), reader)) {
        chain.firsts.set(stored.position, stored.commit.first);
        if (lastSeqOf(stored.commit) < from) continue;
        if (stored.commit.first > to) return { commits, next: null };
        bytes += stored.sizeBytes + WRAPPING_BYTES;
        if (commits.length > 0 && bytes > Math.min(READ_BYTES, limitBytes))
          return { commits, next: stored.commit.first };
        commits.push(stored);
      }
      return { commits, next: null };
    });
  }

  /** What stands in a session's log after position `after`, whatever is wrong with it. @throws RepriseError of the store */
  async scan(token: string, after: number, limitBytes: number): Promise<ScanReply> {
    const found: ScannedMessage[] = [];
    let bytes = 0;
    const batch = await this.#log.scan(token, after, BATCH);
    for (const message of batch) {
      bytes += message.sizeBytes + WRAPPING_BYTES;
      if (found.length > 0 && bytes > Math.min(READ_BYTES, limitBytes)) break;
      found.push(message);
    }
    const isAll = batch.length < BATCH && found.length === batch.length;
    return { found, next: isAll ? null : found.at(-1)!.position };
  }

  /** How many commits the tails lead back to. @throws RepriseError CORRUPT */
  async count(last: StoredCommit): Promise<number> {
    return (await this.#chain(last)).positions.length;
  }

  /**
   * All commits of a session, newest batch first, each batch oldest first; each walks one tail back.
   * @throws RepriseError CORRUPT, CHAIN_BROKEN
   */
  async *backwards(last: StoredCommit): AsyncIterable<StoredCommit[]> {
    let after = last;
    yield [last];
    while (after.commit.head.tail.length > 0) {
      const { tail } = after.commit.head;
      if (tail.at(-1)! >= after.position) throw holed(after);
      const reader = new ChainReader(null);
      const batch = await this.#batch(last.commit.session, tail, reader);
      for (const stored of [...batch, after]) reader.checkLinks(stored);
      yield batch;
      after = batch[0]!;
    }
    if (after.commit.first !== 0) throw holed(after);
  }

  /**
   * Events of a command: its input and what followed until its cell ended; none when it never ran. `more`: it was not
   * among the commits that were looked through, and there are more.
   * @throws RepriseError CORRUPT, CHAIN_BROKEN
   */
  find(
    token: string,
    commandId: string,
    { sinceMs = 0, cellsMax = Number.POSITIVE_INFINITY }: FindBounds = {},
  ): Promise<FoundCommand> {
    return this.#steadily(token, async (last) => {
      if (!last) return { events: [] };
      const after: SessionEvent[][] = [];
      let [commits, cells] = [0, 0];
      for await (const batch of this.backwards(last)) {
        const events = batch.flatMap((stored) => stored.commit.events);
        const start = events.findLastIndex(
          (event) => event.type === 'input' && event.commandId === commandId,
        );
        if (start >= 0) return { events: ofCommand([events.slice(start), ...after.reverse()].flat()) };
        commits += batch.length;
        for (const { type } of events) if (type === 'input') cells += 1;
        if (cells > cellsMax || Date.parse(batch[0]!.commit.head.at) < sinceMs) return { events: [] };
        if (commits > FOUND_WITHIN) return { events: [], more: true };
        // A cell's end is sought only in what came after its input; all of it may be needed.
        after.push(events);
      }
      return { events: [] };
    });
  }

  /** Runs a read against the newest commit, once more when the session was deleted meanwhile. */
  async #steadily<T>(token: string, read: (last: StoredCommit | null) => Promise<T>): Promise<T> {
    const last = await this.#log.last(token);
    try {
      return await read(last);
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT', 'CHAIN_BROKEN')) throw thrown;
      this.forget(token);
      const now = await this.#log.last(token);
      if (now?.position === last?.position) throw thrown;
      return read(now);
    }
  }

  /** The newest checkpoint that this kernel wrote and that carries the session's fold. */
  async #usableCheckpoint(last: StoredCommit, kernel: string, before: number): Promise<StoredCommit | null> {
    let at: StoredCommit | null = last;
    while (at) {
      const { checkpoint } = at.commit.head;
      if (!checkpoint) return null;
      const holder: StoredCommit =
        checkpoint.position === undefined ? at : await this.#one(at, checkpoint.position);
      const { fold, foldLarge, kernel: writer } = holder.commit;
      if (holder.position < before && writer === kernel && (fold || foldLarge)) return holder;
      const previous: number | undefined = holder.commit.head.tail.at(-1);
      at = previous === undefined ? null : await this.#one(holder, previous);
    }
    return null;
  }

  /** Positions after `floor`, oldest first. */
  async #positionsAfter(last: StoredCommit, floor: number): Promise<number[]> {
    if (last.position <= floor) return [];
    const found = [last.position];
    for (let at = last; ; ) {
      const tail = at.commit.head.tail;
      for (let i = tail.length - 1; i >= 0 && tail[i]! > floor; i--) found.push(tail[i]!);
      const oldest = tail[0];
      if (oldest === undefined || oldest <= floor) return found.reverse();
      at = await this.#one(at, oldest);
    }
  }

  /** Where the commits are from the one with seq `from` on, or from one before it. */
  async #chainSince(last: StoredCommit, from: number): Promise<Chain> {
    const found = [last.position];
    const firsts = new Map([[last.position, last.commit.first]]);
    let at = last;
    while (at.commit.first > from) {
      const { tail } = at.commit.head;
      if (tail.length === 0) throw holed(at);
      for (let i = tail.length - 1; i >= 0; i--) found.push(tail[i]!);
      at = await this.#one(at, tail[0]!);
      firsts.set(at.position, at.commit.first);
    }
    return { positions: found.reverse(), firsts };
  }

  /** Where all commits are. A chain that is remembered is only extended. */
  async #chain(last: StoredCommit): Promise<Chain> {
    const { session } = last.commit;
    const known = this.#chains.get(session);
    const newestKnown = known?.positions.at(-1) ?? 0;
    if (known && newestKnown === last.position) return known;
    const found = [last.position];
    const firsts = new Map([[last.position, last.commit.first]]);
    for (let at = last; ; ) {
      const { tail } = at.commit.head;
      if (known && tail.includes(newestKnown)) {
        for (let i = tail.length - 1; tail[i]! > newestKnown; i--) found.push(tail[i]!);
        // A new object: another read may be extending the same chain at this moment.
        const end = known.positions.lastIndexOf(newestKnown) + 1;
        const positions = known.positions.slice(0, end).concat(found.reverse());
        const extended = { positions, firsts: new Map([...known.firsts, ...firsts]) };
        this.#chains.set(session, extended);
        return extended;
      }
      const oldest = tail[0];
      if (oldest === undefined) {
        if (at.commit.first !== 0) throw holed(at);
        break;
      }
      for (let i = tail.length - 1; i >= 0; i--) found.push(tail[i]!);
      at = await this.#one(at, oldest);
      firsts.set(at.position, at.commit.first);
    }
    const chain = { positions: found.reverse(), firsts };
    this.#chains.set(session, chain);
    return chain;
  }

  async #one(from: StoredCommit, position: number): Promise<StoredCommit> {
    if (position >= from.position) throw holed(from);
    const { session, head, first } = from.commit;
    try {
      return (await this.#log.at(session, [position]))[0]!;
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT')) throw thrown;
      // The commit after it tells with which seq it ends.
      const after = head.tail.find((place) => place > position);
      const next = after === undefined ? first : (await this.#log.at(session, [after]))[0]!.commit.first;
      throw withSeq(thrown, next - 1);
    }
  }

  /**
   * Commits at positions, in order, without reading `last` again; each must follow the one before it.
   * @throws RepriseError CHAIN_BROKEN, CORRUPT; where, is in the error
   */
  async *#fetch(last: StoredCommit, positions: number[], reader: ChainReader): AsyncIterable<StoredCommit> {
    for (let i = 0; i < positions.length; i += BATCH) {
      const wanted = positions.slice(i, i + BATCH);
      const known = wanted.at(-1) === last.position;
      if (known) wanted.pop();
      for (const stored of await this.#batch(last.commit.session, wanted, reader)) {
        reader.checkLinks(stored);
        yield stored;
      }
      if (!known) continue;
      reader.checkLinks(last);
      yield last;
    }
  }

  /** Commits at positions. Where one is missing or unreadable, those before it are read one by one, to say which seq. */
  async #batch(session: string, positions: number[], reader: ChainReader): Promise<StoredCommit[]> {
    try {
      return await this.#log.at(session, positions);
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT')) throw thrown;
    }
    const probe = reader.copy();
    for (const position of positions) {
      try {
        probe.checkLinks((await this.#log.at(session, [position]))[0]!);
      } catch (thrown) {
        throw hasCode(thrown, 'CORRUPT') ? withSeq(thrown, probe.next) : thrown;
      }
    }
    // It was there after all.
    return this.#log.at(session, positions);
  }
}

/** The error, with the seq where it does not say one. */
function withSeq(error: RepriseError, seq: number | undefined): RepriseError {
  const { code, message, hint, at } = error;
  if (!at || at.seq !== undefined || seq === undefined) return error;
  return new RepriseError(code, `${message} (seq ${seq})`, { hint, at: { ...at, seq }, cause: error });
}

function holed({ commit, position }: StoredCommit): RepriseError {
  return new RepriseError(
    'CORRUPT',
    `the commit of session ${commit.session} at position ${position} names wrong commits before it`,
    { hint: BROKEN_HINT, at: { position, seq: commit.first } },
  );
}

/** Index of a commit at or before the one that holds seq `from`. */
function startOf({ positions, firsts }: Chain, from: number): number {
  for (let i = positions.length - 1; i > 0; i--) {
    const first = firsts.get(positions[i]!);
    if (first !== undefined && first <= from) return i;
  }
  return 0;
}
