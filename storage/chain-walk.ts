/**
 * Where the commits of a session are, and the way to them: each names up to 32 before it, so positions are found by
 * walking back, and commits by position.
 */
import { BROKEN_HINT, type ChainReader, placeBefore } from '../bus/chain.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { StoredCommit } from '../bus/types.ts';
import { Lru } from './lru.ts';
import type { LogStore } from './ports.ts';

/** Commits fetched at once. */
const BATCH = 64;
/** Sessions whose positions are remembered (only those that were read in full). */
const REMEMBERED = 256;

/** Where all commits under a session's name are, oldest first, and the first seq of those that were looked at. */
export interface Chain {
  positions: number[];
  firsts: Map<number, number>;
}

/** The walks of one storage process; what it remembers only saves steps. */
export class ChainWalk {
  readonly #log: LogStore;
  readonly #known = new Lru<Chain>(REMEMBERED);

  constructor(log: LogStore) {
    this.#log = log;
  }

  /** Forgets where a session's commits are: it was deleted. */
  forget(token: string): void {
    this.#known.delete(token);
  }

  /** Whether it is remembered where all commits of a session are. */
  knows(token: string): boolean {
    return this.#known.get(token) !== undefined;
  }

  /** Positions after `floor`, oldest first. */
  async positionsAfter(last: StoredCommit, floor: number): Promise<number[]> {
    if (last.position <= floor) return [];
    const found = [last.position];
    for (let at = last; ; ) {
      const tail = at.commit.head.tail;
      for (let i = tail.length - 1; i >= 0 && tail[i]! > floor; i--) found.push(tail[i]!);
      const oldest = tail[0];
      if (oldest === undefined || oldest <= floor) return found.reverse();
      at = await this.one(at, oldest);
    }
  }

  /** Where the commits are from the one with seq `from` on, or from one before it. */
  async chainSince(last: StoredCommit, from: number): Promise<Chain> {
    const found = [last.position];
    const firsts = new Map([[last.position, last.commit.first]]);
    let at = last;
    while (at.commit.first > from) {
      const { tail } = at.commit.head;
      if (tail.length === 0) throw holed(at);
      for (let i = tail.length - 1; i >= 0; i--) found.push(tail[i]!);
      at = await this.one(at, tail[0]!);
      firsts.set(at.position, at.commit.first);
    }
    return { positions: found.reverse(), firsts };
  }

  /** Where all commits are. A chain that is remembered is only extended. */
  async chain(last: StoredCommit): Promise<Chain> {
    const { session } = last.commit;
    const known = this.#known.get(session);
    const newestKnown = known?.positions.at(-1) ?? 0;
    if (known && newestKnown === last.position) return known;
    const place = known && newestKnown > last.position ? known.positions.lastIndexOf(last.position) : -1;
    if (known && place >= 0) return { ...known, positions: known.positions.slice(0, place + 1) };
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
        this.#known.set(session, extended);
        return extended;
      }
      const oldest = tail[0];
      if (oldest === undefined) {
        if (at.commit.first !== placeBefore(at.commit).next) throw holed(at);
        break;
      }
      for (let i = tail.length - 1; i >= 0; i--) found.push(tail[i]!);
      at = await this.one(at, oldest);
      firsts.set(at.position, at.commit.first);
    }
    const chain = { positions: found.reverse(), firsts };
    this.#known.set(session, chain);
    return chain;
  }

  async one(from: StoredCommit, position: number): Promise<StoredCommit> {
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
  async *fetch(last: StoredCommit, positions: number[], reader: ChainReader): AsyncIterable<StoredCommit> {
    for (let i = 0; i < positions.length; i += BATCH) {
      const wanted = positions.slice(i, i + BATCH);
      const known = wanted.at(-1) === last.position;
      if (known) wanted.pop();
      for (const stored of await this.batch(last.commit.session, wanted, reader)) {
        reader.checkLinks(stored);
        yield stored;
      }
      if (!known) continue;
      reader.checkLinks(last);
      yield last;
    }
  }

  /** Commits at positions. Where one is missing or unreadable, those before it are read one by one, to say which seq. */
  async batch(session: string, positions: number[], reader: ChainReader): Promise<StoredCommit[]> {
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

export function holed({ commit, position }: StoredCommit): RepriseError {
  return new RepriseError(
    'CORRUPT',
    `the commit of session ${commit.session} at position ${position} names wrong commits before it`,
    { hint: BROKEN_HINT, at: { position, seq: commit.first } },
  );
}

/** Index of a commit at or before the one that holds seq `from`. */
export function startOf({ positions, firsts }: Chain, from: number): number {
  for (let i = positions.length - 1; i > 0; i--) {
    const first = firsts.get(positions[i]!);
    if (first !== undefined && first <= from) return i;
  }
  return 0;
}
