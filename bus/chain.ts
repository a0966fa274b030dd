/**
 * The chain of a session's commits, judged in one place: by storage (before it writes, and when it reads), by the
 * worker that restores a session, and by whoever prints or verifies a log. Pure.
 *
 * A commit follows another when its position is higher, its events go on numbering, it names the other's hash, and
 * its tail ends with the other's position. Where the chain breaks is told by position and by the seq of the event.
 */
import { commitHash } from './codec.ts';
import { RepriseError } from './errors.ts';
import {
  type Commit,
  type ForkPoint,
  type SessionEvent,
  type SessionMetadata,
  type StoredCommit,
  TAIL_LENGTH,
} from './types.ts';

/** Where a chain stands after a commit: all that judging the next one needs. */
export interface ChainPlace {
  /** Log position of the commit, 0 before the first. */
  position: number;
  hash: string;
  /** seq of the next event. */
  next: number;
  /** Positions of the newest commits, this one included and last. */
  tail: readonly number[];
}

/** What is wrong with a commit: `position` and `seq` say where. */
export interface ChainFault {
  kind: 'hash' | 'position' | 'seq' | 'prev' | 'tail' | 'placed';
  position: number;
  seq: number;
  /** Goes on after "the commit at log position …". */
  what: string;
}

/** Before the first commit. */
export const CHAIN_START: ChainPlace = { position: 0, hash: '', next: 0, tail: [] };

/** seq of an event; the contract's `session` event may have none and is always the first. */
export function seqOf(event: SessionEvent): number {
  return event.type === 'session' ? (event.seq ?? 0) : event.seq;
}

/** seq of the last event of a commit. */
export function lastSeqOf({ first, events }: Pick<Commit, 'first' | 'events'>): number {
  return first + events.length - 1;
}

/** The events of a stored commit that are the session's. */
export function eventsOf({ commit, upTo }: Pick<StoredCommit, 'commit' | 'upTo'>): SessionEvent[] {
  return upTo === undefined ? commit.events : commit.events.slice(0, upTo - commit.first + 1);
}

/** Stored commits with the session's events alone; where that leaves some out, the hash no longer matches. */
export function cutToSession(commits: readonly StoredCommit[]): StoredCommit[] {
  return commits.map(({ upTo, ...stored }) => {
    if (upTo === undefined) return stored;
    return { ...stored, commit: { ...stored.commit, events: eventsOf({ ...stored, upTo }) } };
  });
}

/** The place after a stored commit; where a fork goes on from it, that of the fork's first commit. */
export function placeAfter({ commit, position, upTo }: StoredCommit): ChainPlace {
  if (upTo !== undefined) return { position, hash: commit.hash, next: upTo + 1, tail: [] };
  return {
    position,
    hash: commit.hash,
    next: lastSeqOf(commit) + 1,
    tail: [...commit.head.tail, position].slice(-TAIL_LENGTH),
  };
}

/** Whether a commit holds the event that a fork goes on from. */
export function holdsPoint(commit: Commit, { seq, hash }: ForkPoint): boolean {
  return commit.hash === hash && seq >= commit.first && seq <= lastSeqOf(commit);
}

/** What metadata tell of a fork's parent. */
export function parentFact(parent: ForkPoint | null | undefined): Pick<SessionMetadata, 'parent'> {
  return parent ? { parent: { session: parent.session, id: parent.id, seq: parent.seq } } : {};
}

/** The place before the first commit under a session's own name. */
export function placeBefore({ head: { parent, tail } }: Pick<Commit, 'head'>): ChainPlace {
  if (!parent || tail.length > 0) return CHAIN_START;
  const { position, hash, seq } = parent;
  return { position, hash, next: seq + 1, tail: [] };
}

/** The first thing about a commit's links that does not follow `before`; its own hash is not looked at. */
export function linkFault(commit: Commit, position: number, before: ChainPlace): ChainFault | null {
  const fault = faultAt(commit, position);
  if (commit.first !== before.next) {
    return fault('seq', `begins at seq ${commit.first} instead of ${before.next}`);
  }
  if (commit.prev !== before.hash) return fault('prev', 'does not name the commit before it');
  if (position <= before.position) {
    return fault('position', `does not come after the commit before it, at ${before.position}`);
  }
  const { tail } = commit.head;
  const offset = before.tail.length - tail.length;
  if (offset < 0 || (tail.length === 0 && before.tail.length > 0)) {
    return fault('tail', `does not name the last ${before.tail.length} commits`);
  }
  if (tail.some((place, index) => place !== before.tail[offset + index])) {
    return fault('tail', 'does not name the positions of the commits before it');
  }
  return innerFault(commit, position);
}

/** The first thing wrong with a commit that follows an unknown one: numbers that cannot be, whatever came before. */
export function innerFault(commit: Commit, position: number): ChainFault | null {
  const fault = faultAt(commit, position);
  for (const [index, event] of commit.events.entries()) {
    const seq = commit.first + index;
    if (seqOf(event) !== seq) {
      return { ...fault('seq', `has an event ${index} with seq ${seqOf(event)} instead of ${seq}`), seq };
    }
  }
  const { tail, parent } = commit.head;
  const isFirst = commit.first === (parent ? parent.seq + 1 : 0);
  if (tail.length === 0 && !isFirst) return fault('tail', 'names no commit before it');
  if (tail.some((place, index) => place >= (tail[index + 1] ?? position))) {
    return fault('tail', 'names positions that do not grow');
  }
  return null;
}

/** Whether a commit's content hashes to what it says. */
export function hashFault(commit: Commit, position: number, actual = commitHash(commit)): ChainFault | null {
  return commit.hash === actual ? null : faultAt(commit, position)('hash', 'does not match its own hash');
}

/**
 * Whether a stored commit was appended behind the commit that it names. The server keeps which position a writer
 * expected, and has refused the write unless it was so: an old commit that is published once more comes too late to
 * say so truthfully.
 * @param expected position that its writer named; null when it named none
 */
export function placedFault({ commit, position }: StoredCommit, expected: number | null): ChainFault | null {
  if (expected === (commit.head.tail.at(-1) ?? 0)) return null;
  return faultAt(commit, position)('placed', 'was not appended behind the commit that it names');
}

/** All of the above for one commit of a log. @param before null: unknown, for the reading began in the middle */
export function commitFault(
  { commit, position }: StoredCommit,
  before: ChainPlace | null,
): ChainFault | null {
  const fault = before ? linkFault(commit, position, before) : innerFault(commit, position);
  return fault ?? hashFault(commit, position);
}

/**
 * Checks commits one after the other, as they are read.
 * @throws RepriseError CHAIN_BROKEN at the first that does not follow; its `at` says where
 */
export class ChainReader {
  #place: ChainPlace | null;

  /** @param from the place before the first commit; null: unknown, for the reading begins in the middle */
  constructor(from: ChainPlace | null = CHAIN_START) {
    this.#place = from;
  }

  /** seq of the next event, where it is known. */
  get next(): number | undefined {
    return this.#place?.next;
  }

  /** Another reader at the same place. */
  copy(): ChainReader {
    return new ChainReader(this.#place);
  }

  /** With its own hash, which costs as much as writing the commit did. */
  check(stored: StoredCommit): void {
    const fault = commitFault(stored, this.#place);
    if (fault) throw chainError(fault);
    this.#place = placeAfter(stored);
  }

  /** Without its own hash: for those who pass commits on to somebody who checks it. */
  checkLinks(stored: StoredCommit): void {
    const { commit, position } = stored;
    const fault = this.#place ? linkFault(commit, position, this.#place) : innerFault(commit, position);
    if (fault) throw chainError(fault);
    this.#place = placeAfter(stored);
  }
}

/** A fault as a sentence. */
export function faultText({ position, seq, what }: ChainFault): string {
  return `the commit at log position ${position} (seq ${seq}) ${what}`;
}

/** A fault of what a store holds, as an error. */
export function chainError(
  fault: ChainFault,
  code: 'CHAIN_BROKEN' | 'CORRUPT' = 'CHAIN_BROKEN',
): RepriseError {
  const { position, seq } = fault;
  return new RepriseError(code, faultText(fault), { hint: BROKEN_HINT, at: { position, seq } });
}

/** What to do about a log that is not whole. */
export const BROKEN_HINT =
  'the log was altered or damaged; nothing was changed. `reprise log` shows what can be read, `reprise show --at-last-good` the state before it; `reprise at` and `reprise fork --at` take any event before it';

function faultAt(commit: Commit, position: number) {
  return (kind: ChainFault['kind'], what: string): ChainFault => ({
    kind,
    position,
    seq: commit.first,
    what,
  });
}
