/**
 * The hot path: one commit from request to durable. Checks it against the session's newest commit, which is
 * remembered, and hands it to the log, whose compare-and-set has the last word. So what is remembered can only
 * cause a second look, never a wrong append: a position names the same commit for ever.
 */
import { chainError, hashFault } from '../bus/chain.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { AppendReply, AppendRequest } from '../bus/operations/logs.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';
import { sealed } from './commit-bytes.ts';
import type { Forks } from './forks.ts';
import { Lru } from './lru.ts';
import { notThereYet, type Partials } from './partial.ts';
import type { LogStore } from './ports.ts';
import { cutOff } from './readable.ts';
import { assertFollows, assertOwnHash, type Newest, newestOf } from './validation.ts';

/** Sessions whose newest commit is remembered: about 1 KB each. */
const REMEMBERED = 20_000;

/** How long it is believed that there is nothing of a session. */
const ABSENT_MS = 1_000;

/** The error for a commit of a session that was removed. */
function goneError(name: string): RepriseError {
  return new RepriseError('NOT_FOUND', `session ${JSON.stringify(name)} was removed`, {
    hint: 'the next command begins a new session of this name',
  });
}

export interface AppendPorts {
  log: LogStore;
  forks: Pick<Forks, 'hold'>;
  partials: Pick<Partials, 'note'>;
}

/** The appends of one storage process. */
export class Appends {
  readonly #log: LogStore;
  readonly #forks: Pick<Forks, 'hold'>;
  readonly #partials: Pick<Partials, 'note'>;
  readonly #limitBytes: () => number;
  readonly #newest = new Lru<Newest>(REMEMBERED);
  /** Sessions of which the log was seen to hold nothing, and when. */
  readonly #absent = new Lru<number>(REMEMBERED);
  readonly #nowMs: () => number;
  /** The newest append of each session that is under way: the next one waits for it. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  /** @param limitBytes largest commit, in msgpack */
  constructor({ log, forks, partials }: AppendPorts, limitBytes: () => number, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#log = log;
    this.#forks = forks;
    this.#partials = partials;
    this.#limitBytes = limitBytes;
  }

  /**
   * Appends of one session one after the other, of different sessions side by side.
   * @throws RepriseError what `assertFollows` and the log's `append` throw, and TOO_LARGE
   */
  append(request: AppendRequest): Promise<AppendReply> {
    const token = request.commit.session;
    const before = this.#underWay.get(token);
    const work = before
      ? before.then(
          () => this.#append(request),
          () => this.#append(request),
        )
      : this.#append(request);
    this.#underWay.set(token, work);
    const done = () => {
      if (this.#underWay.get(token) === work) this.#underWay.delete(token);
    };
    work.then(done, done);
    return work;
  }

  /** Forgets a session: it was deleted. */
  forget(token: string): void {
    this.#newest.delete(token);
    this.#absent.delete(token);
  }

  /** The log was just seen to hold nothing of a session: its first commit need not look once more. */
  mayBegin(token: string): void {
    this.#absent.set(token, this.#nowMs());
  }

  /** @returns whether the log holds nothing at all of a session. Of what begins meanwhile the compare-and-set tells. */
  async #isNew(token: string): Promise<boolean> {
    const seenMs = this.#absent.get(token);
    this.#absent.delete(token);
    if (seenMs !== undefined && this.#nowMs() - seenMs < ABSENT_MS) return true;
    return !(await this.#log.holds(token));
  }

  async #append({ commit, expected }: AppendRequest): Promise<AppendReply> {
    const { hash, bytes } = sealed(commit);
    assertOwnHash(commit, hash);
    const limit = this.#limitBytes();
    if (bytes.byteLength > limit) {
      throw new RepriseError('TOO_LARGE', `the commit has ${bytes.byteLength} bytes; the limit is ${limit}`);
    }
    const remembered = this.#newest.get(commit.session);
    let previous: Newest | null;
    // A session whose subject holds anything is never taken for new.
    if (
      remembered ? remembered.position === expected : expected === 0 && (await this.#isNew(commit.session))
    ) {
      previous = remembered ?? null;
    } else {
      const seen = await this.#lookAgain(commit, expected);
      if (seen.duplicate) return seen.duplicate;
      previous = seen.previous;
    }
    if (!previous && commit.head.parent) previous = await this.#forks.hold(commit);
    assertFollows(commit, previous, hash);
    if (expected === 0 && commit.head.partial) await this.#partials.note(commit.session);
    try {
      const { position, sizeBytes, duplicate } = await this.#log.append(commit, expected, bytes);
      this.#newest.set(commit.session, newestOf({ commit, position, sizeBytes }));
      return { position, sizeBytes, duplicate };
    } catch (thrown) {
      if (!hasCode(thrown, 'FENCED')) throw thrown;
      this.#newest.delete(commit.session);
      const { duplicate } = await this.#lookAgain(commit, expected);
      if (duplicate) return duplicate;
      throw thrown;
    }
  }

  /** The newest commit as the log has it. @throws RepriseError FENCED when it is neither expected nor this one */
  async #lookAgain(
    commit: Commit,
    expected: number,
  ): Promise<{ previous: Newest | null; duplicate?: AppendReply }> {
    const last = await this.#log.last(commit.session);
    // A good commit is not to be refused, nor put behind it, for what a damaged one says.
    const fault = last && hashFault(last.commit, last.position);
    if (fault) throw chainError(fault, 'CORRUPT');
    if (!last) this.#newest.delete(commit.session);
    else this.#newest.set(commit.session, newestOf(last));
    if ((last?.position ?? 0) === expected) return { previous: last && newestOf(last) };
    // What is left of the session, if anything, is of another one: it was removed.
    if (expected > 0 && last?.commit.head.id !== commit.head.id) throw goneError(commit.head.name);
    const written = last && (await this.#writtenBefore(commit, expected, last));
    if (written) {
      const { position, sizeBytes } = written;
      return { previous: null, duplicate: { position, sizeBytes, duplicate: true } };
    }
    // Positions only grow, and only what was durable is expected.
    if (last && last.position < expected) throw cutOff(last, expected);
    if (expected === 0 && last?.commit.head.partial) {
      await this.#partials.note(commit.session);
      throw notThereYet(commit.head.name);
    }
    throw new RepriseError(
      'FENCED',
      `session ${commit.session} is at log position ${last?.position ?? 0}, not at ${expected}`,
    );
  }

  /** Where this very commit is already: it is the newest, or one of those that the newest names. */
  async #writtenBefore(commit: Commit, expected: number, last: StoredCommit): Promise<StoredCommit | null> {
    const same = (stored: StoredCommit) =>
      stored.commit.commit === commit.commit && stored.commit.hash === commit.hash;
    if (same(last)) return last;
    const { tail } = last.commit.head;
    const place = tail[expected === 0 ? 0 : tail.indexOf(expected) + 1];
    if (place === undefined || (expected !== 0 && !tail.includes(expected))) return null;
    try {
      const [stored] = await this.#log.at(commit.session, [place]);
      return stored && same(stored) ? stored : null;
    } catch (thrown) {
      if (hasCode(thrown, 'CORRUPT')) return null; // deleted meanwhile
      throw thrown;
    }
  }
}
