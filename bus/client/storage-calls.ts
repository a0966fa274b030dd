/** Questions to storage: what sessions there are and what their logs say. All of them are safe to repeat. */

import { writeBundle } from '../bundle.ts';
import { CHAIN_START, ChainReader, cutToSession } from '../chain.ts';
import { RepriseError } from '../errors.ts';
import { restoredCommits } from '../large.ts';
import type { ListReply, RemovalProgress, Trouble } from '../operations/catalogue.ts';
import type { BrokenLog, ExamineReply } from '../operations/logs.ts';
import type { Bus, Clock } from '../port.ts';
import { StorageClient } from '../storage-client.ts';
import { normalName, type Subjects, sessionToken } from '../subjects.ts';
import type { SessionEvent, SessionMetadata, StoredCommit } from '../types.ts';
import { Salvage, type Salvaged } from './salvage.ts';

/** One try; longer than any healthy answer. */
const TRY_MS = 2_000;
/** Without a hint that something happened, a followed log is read again this often. */
const FOLLOW_EVERY_MS = 1_000;

export interface EventRange {
  /** First seq; default 0. */
  from?: number;
  /** Last seq; default: the newest. */
  to?: number;
  /** Goes on with events as they are committed, until `to`, a `closed` event, or the signal. */
  follow?: boolean;
  signal?: AbortSignal;
}

export class StorageCalls {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  readonly #storage: StorageClient;

  constructor(bus: Bus, subjects: Subjects, clock: Clock) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
    this.#storage = new StorageClient({ bus, subjects, clock, tryMs: TRY_MS, late: 'TIMEOUT' });
  }

  async get(session: string): Promise<SessionMetadata | null> {
    return (await this.#storage.ask('get', { session })).metadata;
  }

  async delete(session: string): Promise<boolean> {
    return (await this.#storage.ask('delete', { session })).deleted;
  }

  /** How far the removal of a session of this name is; null when none is under way. */
  async removal(session: string): Promise<RemovalProgress | null> {
    return (await this.#storage.ask('get', { session, removal: true })).removal ?? null;
  }

  /** Every session, and those that cannot be restored or read. */
  async list(): Promise<{ sessions: SessionMetadata[]; troubles: Trouble[] }> {
    const sessions: SessionMetadata[] = [];
    const troubles: Trouble[] = [];
    let after: string | null = null;
    do {
      const page: ListReply = await this.#storage.ask('list', after === null ? {} : { after });
      sessions.push(...page.sessions);
      troubles.push(...(page.troubles ?? []));
      after = page.next;
    } while (after !== null);
    return { sessions, troubles };
  }

  /** The events of a session, oldest first; ends silently when the signal aborts. @throws RepriseError */
  async *events(name: string, range: EventRange): AsyncGenerator<SessionEvent, void> {
    const session = normalName(name);
    const { to = Number.MAX_SAFE_INTEGER, follow = false, signal } = range;
    let next = range.from ?? 0;
    const bell = follow ? this.#listen(session, signal) : undefined;
    try {
      while (next <= to) {
        bell?.muffle();
        for await (const event of this.#committed(session, next, to, signal)) {
          signal?.throwIfAborted();
          yield event;
          next = (event.seq ?? 0) + 1;
          if (follow && event.type === 'closed') return;
        }
        if (!bell) return;
        await bell.rung();
        signal?.throwIfAborted();
      }
    } catch (thrown) {
      if (!signal?.aborted) throw thrown;
    } finally {
      bell?.stop();
    }
  }

  /** Hash of the commit that holds an event: no other commit has it. @throws RepriseError NOT_FOUND */
  async commitOf(name: string, seq: number, signal?: AbortSignal): Promise<string> {
    const session = normalName(name);
    for await (const [stored] of this.#storage.read(session, seq, seq, signal)) {
      if (stored) return stored.commit.hash;
    }
    throw new RepriseError('NOT_FOUND', `there is no event ${seq} in '${session}'`);
  }

  /** A session as a bundle: its commits as they are stored. @throws RepriseError */
  bundle(name: string, to: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const session = normalName(name);
    return writeBundle(session, this.#stored(session, to, signal), this.#storage.blobs(signal));
  }

  /** Everything readable of a log that is not whole, and where it breaks. @throws RepriseError */
  async *salvage(name: string): AsyncGenerator<Salvaged, void> {
    const session = normalName(name);
    const salvage = new Salvage(this.#storage.blobs());
    for await (const page of this.#storage.scan(session)) {
      for (const message of page) yield* await salvage.read(message);
    }
  }

  /** Sessions whose logs are not whole, and how many were looked at. */
  async examine(): Promise<{ broken: BrokenLog[]; examined: number }> {
    const broken: BrokenLog[] = [];
    let examined = 0;
    let after: string | null = null;
    do {
      const page: ExamineReply = await this.#storage.ask('examine', after === null ? {} : { after });
      broken.push(...page.broken);
      examined += page.examined;
      after = page.next;
    } while (after !== null);
    return { broken, examined };
  }

  async *#stored(session: string, to: number, signal?: AbortSignal): AsyncGenerator<StoredCommit, void> {
    const chain = new ChainReader();
    for await (const commits of this.#storage.read(session, 0, to, signal)) {
      for (const stored of commits) chain.check(stored);
      yield* commits;
    }
  }

  async *#committed(
    session: string,
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<SessionEvent, void> {
    const chain = new ChainReader(from === 0 ? CHAIN_START : null);
    const last = to === Number.MAX_SAFE_INTEGER ? undefined : to;
    for await (const commits of this.#storage.read(session, from, last, signal)) {
      for (const stored of commits) chain.check(stored);
      for (const { commit } of await restoredCommits(cutToSession(commits), this.#storage.blobs(signal))) {
        for (const [index, event] of commit.events.entries()) {
          const seq = commit.first + index;
          if (seq >= from && seq <= to) yield event;
        }
      }
    }
  }

  /** Rings when the log may have grown. Copies of commits are a hint; a clock makes up for lost ones. */
  #listen(session: string, signal: AbortSignal | undefined) {
    let heard = false;
    let wake = () => {};
    const ring = () => {
      heard = true;
      wake();
    };
    const subscription = this.#bus.subscribe(this.#subjects.log(sessionToken(session)), ring);
    signal?.addEventListener('abort', ring);
    return {
      /** Forgets what was heard so far: a read follows. */
      muffle: () => {
        heard = false;
      },
      rung: () =>
        new Promise<void>((resolve) => {
          const timer = this.#clock.setTimer(() => wake(), FOLLOW_EVERY_MS);
          wake = () => {
            timer.cancel();
            wake = () => {};
            resolve();
          };
          if (heard || signal?.aborted) wake();
        }),
      stop: () => {
        subscription.unsubscribe();
        signal?.removeEventListener('abort', ring);
      },
    };
  }
}
