/**
 * Reads a session's commits. Each commit names the positions of up to 32 before it, so every read walks back
 * along those lists and then fetches by known position, pipelined; the log is never scanned.
 */
import { CHAIN_START, ChainReader, eventsOf, lastSeqOf, placeAfter } from '../bus/chain.ts';
import { isCommand, ofCommand } from '../bus/command-events.ts';
import { hasCode } from '../bus/errors.ts';
import { type Rung, rungTowards } from '../bus/ladder.ts';
import type {
  FindBounds,
  FoundCommand,
  LoadBounds,
  LoadReply,
  ReadReply,
  ScannedMessage,
  ScanReply,
} from '../bus/operations/logs.ts';
import type { SessionEvent, StoredCommit } from '../bus/types.ts';
import { ChainWalk, holed, startOf } from './chain-walk.ts';
import { parentOf, partsSince } from './lineage.ts';
import type { LogStore } from './ports.ts';

/** Commits of one answer to `load`, at most. */
export const TAIL_COMMITS_MAX = 512;
/** Bytes of commits in one answer to `read`, about. */
const READ_BYTES = 1024 * 1024;
/** Events that one answer to `read` may hold, where the log is long. */
const READ_AHEAD = 2_000;
/** What an answer adds to each commit. */
const WRAPPING_BYTES = 64;
/** Commits behind the seq that was asked for: a turn that is under way there ends in them, mostly. */
const BEHIND_MAX = 3;
/** Messages looked at at once, whatever is wrong with them. */
const BATCH = 64;
/** Commits that are looked through for a command. */
const FOUND_WITHIN = 8_192;

/** Reads of one storage process; what it remembers only saves steps. */
export class History {
  readonly #log: LogStore;
  readonly #walk: ChainWalk;

  constructor(log: LogStore) {
    this.#log = log;
    this.#walk = new ChainWalk(log);
  }

  /** Forgets where a session's commits are: it was deleted. */
  forget(token: string): void {
    this.#walk.forget(token);
  }

  /**
   * What activation needs.
   * @param kernel version that will restore the checkpoint; '' leaves every checkpoint out
   * @param limitBytes of all commits in the answer; the newest commit and the checkpoint are always there
   * @throws RepriseError CORRUPT
   */
  load(token: string, kernel: string, limitBytes: number, bounds: LoadBounds = {}): Promise<LoadReply> {
    const { before = Number.POSITIVE_INFINITY, at = Number.POSITIVE_INFINITY } = bounds;
    return this.#steadily(token, async (last) => {
      if (!last) return { last: null, checkpoint: null, tail: [], more: false };
      const { above, found } = await this.#descend(last, at);
      const checkpoint = kernel === '' ? null : await this.#usable(found, kernel, before);
      const tail: StoredCommit[] = [];
      let bytes = last.sizeBytes + (checkpoint?.sizeBytes ?? 0);
      let behind = 0;
      let more = above !== last;
      for await (const stored of this.#following(checkpoint, above)) {
        bytes += stored.sizeBytes + WRAPPING_BYTES;
        if (bytes > limitBytes || behind > BEHIND_MAX || tail.length === TAIL_COMMITS_MAX) {
          more = true;
          break;
        }
        tail.push(stored);
        if (stored.commit.first > at) behind += 1;
      }
      return { last, checkpoint, tail, more };
    });
  }

  /** The commits after a checkpoint, or all, up to `above`. */
  async *#following(checkpoint: StoredCommit | null, above: StoredCommit): AsyncIterable<StoredCommit> {
    const reader = new ChainReader(checkpoint ? placeAfter(checkpoint) : CHAIN_START);
    for (const end of await partsSince(above, checkpoint ? lastSeqOf(checkpoint.commit) : 0, this.#log)) {
      const isBegun = checkpoint?.commit.session === end.commit.session;
      const positions = isBegun
        ? await this.#walk.positionsAfter(end, checkpoint.position)
        : (await this.#walk.chain(end)).positions;
      yield* this.#walk.fetch(end, positions, reader);
    }
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
      // One part of its lineage in an answer.
      const [end, ...later] = await partsSince(last, from, this.#log);
      const until = Math.min(to, end!.upTo ?? to);
      // Near the end nothing is asked of all that came before.
      const isKnown = from === 0 || this.#walk.knows(end!.commit.session);
      const { above } = isKnown ? { above: end! } : await this.#descend(end!, from + READ_AHEAD);
      const isNear = above !== end || from > end.commit.first / 2;
      const chain = await (isKnown || !isNear ? this.#walk.chain(end!) : this.#walk.chainSince(above, from));
      const commits: StoredCommit[] = [];
      let bytes = 0;
      const start = startOf(chain, from);
      const reader = new ChainReader(chain.firsts.get(chain.positions[start]!) === 0 ? CHAIN_START : null);
      for await (const stored of this.#walk.fetch(above, chain.positions.slice(start), reader)) {
        chain.firsts.set(stored.position, stored.commit.first);
        if (lastSeqOf(stored.commit) < from) continue;
        if (stored.commit.first > until) return { commits, next: null };
        bytes += stored.sizeBytes + WRAPPING_BYTES;
        if (commits.length > 0 && bytes > Math.min(READ_BYTES, limitBytes))
          return { commits, next: stored.commit.first };
        commits.push(stored);
      }
      if (above !== end) return { commits, next: lastSeqOf(above.commit) + 1 };
      return { commits, next: later.length > 0 && to > until ? until + 1 : null };
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

  /** How many commits under the session's own name the tails lead back to. @throws RepriseError CORRUPT */
  async count(last: StoredCommit): Promise<number> {
    return (await this.#walk.chain(last)).positions.length;
  }

  /**
   * All commits of a session, newest batch first, each batch oldest first; each walks one tail back, or into what it
   * is a fork of.
   * @throws RepriseError CORRUPT, CHAIN_BROKEN
   */
  async *backwards(last: StoredCommit): AsyncIterable<StoredCommit[]> {
    yield [last];
    for (let after = last; after.commit.first > 0; ) {
      const batch = await this.#before(after);
      const reader = new ChainReader(null);
      for (const stored of [...batch, after]) reader.checkLinks(stored);
      yield batch;
      after = batch[0]!;
    }
  }

  /** Up to 32 commits right before one, oldest first. */
  async #before(after: StoredCommit): Promise<StoredCommit[]> {
    const { tail, parent } = after.commit.head;
    if (tail.length === 0 && parent) return [await parentOf(after, this.#log)];
    if (tail.length === 0 || tail.at(-1)! >= after.position) throw holed(after);
    return this.#walk.batch(after.commit.session, tail, new ChainReader(null));
  }

  /**
   * Events of a command: its input and what followed until its cell ended, or its annotation; none when it never ran.
   * `more`: it was not among the commits that were looked through, and there are more.
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
        const events = batch.flatMap(eventsOf);
        const start = events.findLastIndex((event) => isCommand(event) && event.commandId === commandId);
        if (start >= 0) return { events: ofCommand([events.slice(start), ...after.reverse()].flat()) };
        commits += batch.length;
        cells += events.filter(isCommand).length;
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

  /**
   * The newest checkpoint at or before seq `at`, and a commit behind that seq from whose tails it can be reached: the
   * checkpoint after it, or the newest commit of all.
   */
  async #descend(
    last: StoredCommit,
    at: number,
  ): Promise<{ above: StoredCommit; found: StoredCommit | null }> {
    let above = last;
    let found = await this.#checkpointOf(last);
    while (found && found.commit.head.checkpoint!.seq > at) {
      above = found;
      found = await this.#older(found, at);
    }
    return { above, found };
  }

  /** The newest from `found` on that this kernel wrote, that carries the session's fold, and stands before `before`. */
  async #usable(found: StoredCommit | null, kernel: string, before: number): Promise<StoredCommit | null> {
    let holder = found;
    while (holder) {
      const { fold, foldLarge, kernel: writer } = holder.commit;
      if (holder.position < before && writer === kernel && (fold || foldLarge)) return holder;
      holder = await this.#older(holder);
    }
    return null;
  }

  /** The commit with the newest checkpoint at or before a commit. */
  async #checkpointOf(from: StoredCommit): Promise<StoredCommit | null> {
    const { checkpoint } = from.commit.head;
    if (!checkpoint) return null;
    const { position, seq } = checkpoint;
    return position === undefined ? from : this.#reach(from, { position, seq });
  }

  /** The commit at a position that holds a seq before that of `from`, or its own. */
  async #reach(from: StoredCommit, { position, seq }: Pick<Rung, 'position' | 'seq'>): Promise<StoredCommit> {
    const [end] = await partsSince(from, seq, this.#log);
    return end!.position === position ? end! : this.#walk.one(end!, position);
  }

  /** An older checkpoint than that of `holder`: on the way to seq `at`, else the one before. */
  async #older(holder: StoredCommit, at = Number.POSITIVE_INFINITY): Promise<StoredCommit | null> {
    const { ladder = [], tail } = holder.commit.head;
    const rung = rungTowards(ladder, at);
    if (rung) {
      const found = await this.#reach(holder, rung);
      const { position, seq } = found.commit.head.checkpoint ?? {};
      if (position !== undefined || seq !== rung.seq) throw holed(holder);
      return found;
    }
    // Older versions wrote no ladders.
    const previous = tail.at(-1);
    if (previous !== undefined) return this.#checkpointOf(await this.#walk.one(holder, previous));
    return holder.commit.head.parent ? this.#checkpointOf(await parentOf(holder, this.#log)) : null;
  }
}
