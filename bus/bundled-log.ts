/** What a bundle holds: a log that is read as storage would give it, and the events of it. */
import { type BundleRecord, readBundle } from './bundle.ts';
import { ChainReader, cutToSession, eventsOf } from './chain.ts';
import { sha256 } from './codec.ts';
import { RepriseError } from './errors.ts';
import { type LargeStore, restoredCommits, scopeOf } from './large.ts';
import type { LargeValue, SessionEvent, StoredCommit } from './types.ts';

/** A bundle in memory: a log is, too, when it is executed. */
export class BundledLog implements Pick<LargeStore, 'getLarge'> {
  readonly session: string;
  readonly commits: readonly StoredCommit[];
  readonly #large: ReadonlyMap<string, Uint8Array>;

  private constructor(
    session: string,
    commits: readonly StoredCommit[],
    large: ReadonlyMap<string, Uint8Array>,
  ) {
    this.session = session;
    this.commits = commits;
    this.#large = large;
  }

  /**
   * Reads all of a bundle and checks that it is whole: every byte, the chain of hashes, and that all is there which
   * commits name.
   * @throws RepriseError as `readBundle`; CHAIN_BROKEN, CORRUPT
   */
  static async read(file: AsyncIterable<Uint8Array>): Promise<BundledLog> {
    const commits: StoredCommit[] = [];
    const large = new Map<string, Uint8Array>();
    const chain = new ChainReader();
    let end: Extract<BundleRecord, { kind: 'end' }> | undefined;
    for await (const record of readBundle(file)) {
      if (record.kind === 'large') large.set(keyOf(record.scope, record), record.bytes);
      else if (record.kind === 'end') end = record;
      else {
        chain.check(record.stored);
        commits.push(record.stored);
      }
    }
    const log = new BundledLog(end!.session, commits, large);
    await log.#assertWhole(end!.events);
    return log;
  }

  async getLarge(scope: string, value: LargeValue): Promise<Uint8Array> {
    const bytes = this.#large.get(keyOf(scope, value));
    if (bytes && sha256(bytes) === value.sha256) return bytes;
    throw new RepriseError(
      'CORRUPT',
      `the large value ${value.sha256} ${bytes ? 'is another' : 'is missing'}`,
    );
  }

  /** The events of the session, large values put back. */
  async *events(): AsyncGenerator<SessionEvent, void> {
    for (const stored of this.commits) {
      const [whole] = await restoredCommits(cutToSession([stored]), this);
      yield* whole!.commit.events;
    }
  }

  async #assertWhole(events: number): Promise<void> {
    let found = 0;
    for (const stored of this.commits) {
      const scope = scopeOf(stored.commit.head.id);
      for (const { large } of eventsOf(stored)) {
        found += 1;
        if (large) await this.getLarge(scope, large);
      }
    }
    const name = this.commits.at(-1)?.commit.head.name;
    if (name !== this.session) {
      throw new RepriseError(
        'CORRUPT',
        `the file is of session ${JSON.stringify(this.session)}, its commits are not`,
      );
    }
    if (found === events) return;
    throw new RepriseError('CORRUPT', `the file has ${found} events, and says that it has ${events}`);
  }
}

const keyOf = (scope: string, value: Pick<LargeValue, 'sha256'>): string => `${scope}.${value.sha256}`;
