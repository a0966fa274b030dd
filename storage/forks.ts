/**
 * Which logs are gone on from. A fork shares its parent's commits up to an event, and all that they name beside the log;
 * a record of it (`fork`, by the scopes of parent and child) keeps them for as long as the fork is there, also when the
 * parent is removed.
 *
 * The record is written before anybody looks whether the parent is still there, and a removal digs the grave before it
 * looks for records: so one of the two always sees the other. A fork that came to nothing leaves a record behind, which
 * counts for an hour.
 */
import { holdsPoint } from '../bus/chain.ts';
import { decode, encode } from '../bus/codec.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import { scopeOf } from '../bus/large.ts';
import type { Clock } from '../bus/port.ts';
import { sessionToken } from '../bus/subjects.ts';
import type { Commit, ForkPoint, StoredCommit } from '../bus/types.ts';
import type { BlobStore, LogStore } from './ports.ts';
import { type Newest, newestAtFork } from './validation.ts';

export interface ForkPorts {
  log: LogStore;
  blobs: BlobStore;
  clock: Clock;
}

interface ForkRecord {
  /** Token of the fork. */
  child: string;
  /** ms since the epoch. */
  at: number;
}

const KIND = 'fork';
/** No fork takes that long, ms. */
const BEGINNING_MS = 3_600_000;

export class Forks {
  readonly #ports: ForkPorts;
  readonly #records = new Map<string, ForkRecord>();
  /** Records whose forks were seen. */
  readonly #born = new Set<string>();

  constructor(ports: ForkPorts) {
    this.#ports = ports;
  }

  /**
   * Keeps what the first commit of a fork goes on from. @returns what judging it needs
   * @throws RepriseError NOT_FOUND when that is not there, or on its way out; BAD_FORMAT when it is another
   */
  async hold(commit: Commit): Promise<Newest> {
    const { blobs, clock } = this.#ports;
    const parent = commit.head.parent!;
    const key = `${scopeOf(parent.id)}.${scopeOf(commit.head.id)}`;
    const record: ForkRecord = { child: commit.session, at: clock.now() };
    await blobs.put(KIND, key, encode(record));
    try {
      const point = await this.#pointOf(parent);
      if (!(await this.#isKept(parent, key))) throw goneError(parent);
      return newestAtFork(commit, point);
    } catch (thrown) {
      await blobs.remove(KIND, [key]);
      throw thrown;
    }
  }

  /** Scopes of the sessions that forks go on from. @throws RepriseError of the stores */
  async held(): Promise<Set<string>> {
    return new Set((await this.#kept()).map((key) => key.slice(0, key.indexOf('.'))));
  }

  /** The session with this scope is gone: what it went on from need not stay for its sake. @returns scopes of that */
  async release(scope: string): Promise<string[]> {
    const { blobs } = this.#ports;
    const keys = (await blobs.keys(KIND)).filter((key) => key.endsWith(`.${scope}`));
    if (keys.length > 0) await blobs.remove(KIND, keys);
    for (const key of keys) {
      this.#born.delete(key);
      this.#records.delete(key);
    }
    return keys.map((key) => key.slice(0, key.indexOf('.')));
  }

  /** Keys of the records that count. */
  async #kept(): Promise<string[]> {
    const { blobs, clock } = this.#ports;
    const kept: string[] = [];
    for (const key of await blobs.keys(KIND)) {
      const record = this.#born.has(key) ? null : await this.#record(key);
      const isOld = record !== null && clock.now() - record.at > BEGINNING_MS;
      if (isOld && !(await this.#mayBe(record.child, key))) {
        await blobs.remove(KIND, [key]);
        continue;
      }
      kept.push(key);
      if (isOld) this.#born.add(key);
    }
    return kept;
  }

  async #record(key: string): Promise<ForkRecord | null> {
    const known = this.#records.get(key);
    if (known) return known;
    const bytes = await this.#ports.blobs.get(KIND, key);
    if (!bytes) return null;
    const record = decode(bytes) as ForkRecord;
    this.#records.set(key, record);
    return record;
  }

  /** Whether a fork is there, or was and is still being removed. */
  async #mayBe(child: string, key: string): Promise<boolean> {
    const { log, blobs } = this.#ports;
    try {
      const last = await log.last(child);
      if (last && key.endsWith(`.${scopeOf(last.commit.head.id)}`)) return true;
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT')) throw thrown;
      return true;
    }
    return (await blobs.keys('removal')).some((removal) => removal.startsWith(`${child}.`));
  }

  async #pointOf(parent: ForkPoint): Promise<StoredCommit> {
    const [point] = await this.#ports.log.at(sessionToken(parent.session), [parent.position]);
    if (holdsPoint(point!.commit, parent)) return point!;
    throw new RepriseError('BAD_FORMAT', 'commit.head.parent: there is no such event');
  }

  /** Whether the parent lives, or other forks than this one keep it. */
  async #isKept({ session, id }: ForkPoint, key: string): Promise<boolean> {
    try {
      const last = await this.#ports.log.last(sessionToken(session));
      if (last?.commit.head.id === id) return true;
    } catch (thrown) {
      // Its newest commit is damaged, not gone: what comes before it can be gone on from.
      if (!hasCode(thrown, 'CORRUPT')) throw thrown;
      return true;
    }
    return (await this.#kept()).some((other) => other !== key && other.startsWith(`${scopeOf(id)}.`));
  }
}

function goneError({ session }: ForkPoint): RepriseError {
  return new RepriseError('NOT_FOUND', `session ${JSON.stringify(session)} was removed`, {
    hint: 'nothing was begun; `reprise ls` lists the sessions',
  });
}
