/**
 * Sessions that are written in several commits before they are there (`head.partial`): nobody who reads sees them before
 * their first commit that is not partial, and of those whose writer ended before that nothing stays.
 *
 * A record is written before the first commit is, so that whoever looks finds what was left. Left is what has not grown
 * for a while; it is removed as any session is, so a writer that wakes up again is refused.
 */
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { Clock } from '../bus/port.ts';
import type { StoredCommit } from '../bus/types.ts';
import type { BlobStore, LogStore } from './ports.ts';

const KIND = 'partial';
/** Between two commits there may be a large value, no more. */
const LEFT_AFTER_MS = 15_000;

/** The log as those see it who read: what is not there yet has no newest commit. */
export function withoutPartial(log: LogStore): LogStore {
  return {
    last: async (token) => wholeOrNull(await log.last(token)),
    append: (...args) => log.append(...args),
    at: (...args) => log.at(...args),
    holds: (token) => log.holds(token),
    scan: (...args) => log.scan(...args),
    index: () => log.index(),
    bury: (...args) => log.bury(...args),
    grave: (...args) => log.grave(...args),
    end: (token) => log.end(token),
    count: (token) => log.count(token),
    purge: (...args) => log.purge(...args),
    remove: (token) => log.remove(token),
    close: () => log.close(),
  };
}

function wholeOrNull(last: StoredCommit | null): StoredCommit | null {
  return last?.commit.head.partial ? null : last;
}

/** The error for a name under which a session is being written. */
export function notThereYet(name: string): RepriseError {
  return new RepriseError(
    'UNAVAILABLE',
    `a session ${JSON.stringify(name)} is being written and is not there yet`,
    { hint: 'nothing was changed; retry in half a minute: what comes to nothing is gone by then' },
  );
}

export class Partials {
  readonly #log: LogStore;
  readonly #blobs: BlobStore;
  readonly #clock: Clock;
  /** Where the newest commit was, and since when. */
  readonly #seen = new Map<string, { position: number; sinceMs: number }>();

  constructor(log: LogStore, blobs: BlobStore, clock: Clock) {
    this.#log = log;
    this.#blobs = blobs;
    this.#clock = clock;
  }

  /** Before the first commit of one. @throws RepriseError of the store */
  async note(token: string): Promise<void> {
    await this.#blobs.put(KIND, token, new Uint8Array(1));
  }

  /** Those that nobody goes on with. @throws RepriseError of the stores */
  async left(): Promise<string[]> {
    const left: string[] = [];
    for (const token of await this.#blobs.keys(KIND)) {
      const position = await this.#position(token);
      const now = this.#clock.now();
      const seen = this.#seen.get(token);
      if (seen?.position !== position) {
        this.#seen.set(token, { position, sinceMs: now });
        continue;
      }
      if (now - seen.sinceMs < LEFT_AFTER_MS) continue;
      this.#seen.delete(token);
      if (position === 0) await this.#blobs.remove(KIND, [token]);
      else left.push(token);
    }
    return left;
  }

  /** Of the newest commit of one; 0: it is there by now, or gone. */
  async #position(token: string): Promise<number> {
    try {
      const last = await this.#log.last(token);
      return last?.commit.head.partial ? last.position : 0;
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT')) throw thrown;
      return 0;
    }
  }
}
