/** The session index: a projection of the newest commit of every session. Nothing here is kept on disk. */
import { lastSeqOf, parentFact } from '../bus/chain.ts';
import { hasCode, type RepriseError } from '../bus/errors.ts';
import type { ListReply, ListRequest, Trouble } from '../bus/operations/catalogue.ts';
import type { SessionMetadata, StoredCommit } from '../bus/types.ts';
import { pipelined } from './pipeline.ts';
import type { LogIndex, LogStore } from './ports.ts';

const PAGE = 200;
const PAGE_MAX = 500;
/** Newest commits fetched at once. */
const WIDTH = 64;

interface Entry {
  /** Commits the session had when this was read. */
  commits: number;
  metadata: SessionMetadata;
  /** When somebody must carry on: 0 at once, infinity never; ms since the epoch. */
  dueAt: number;
  checkpoint: string | undefined;
}

/** Numbers of a session, all from its newest commit. */
export function metadataOf({ commit, sizeBytes }: StoredCommit): SessionMetadata {
  const { head } = commit;
  return {
    id: head.id,
    name: head.name,
    created: new Date(head.created),
    lastAccessed: new Date(head.at),
    eventCount: lastSeqOf(commit) + 1,
    checkpointCount: head.checkpointCount,
    size: head.sizeBefore + sizeBytes,
    ...parentFact(head.parent),
  };
}

/** The index of one storage process; entries are remembered while their session has as many commits. */
export class SessionIndex {
  readonly #log: LogStore;
  readonly #onUnreadable: (error: RepriseError) => void;
  readonly #entries = new Map<string, Entry>();
  #generation = -1;
  /** What was said of a session last: it is said once. */
  readonly #told = new Map<string, string>();

  /** @param onUnreadable hears of sessions whose newest commit is damaged: they are in no list */
  constructor(log: LogStore, onUnreadable: (error: RepriseError) => void) {
    this.#log = log;
    this.#onUnreadable = onUnreadable;
  }

  /** One page, by token. @param limit of sessions: 200 unless told, 500 at most */
  async list(
    { after = '', limit = PAGE, unfinishedAt }: ListRequest,
    records: ReadonlyMap<string, Trouble> = new Map(),
    nowMs = 0,
  ): Promise<ListReply> {
    const seen = await this.#refresh();
    const tokens = [...seen.commits.keys()].filter((token) => token > after).sort();
    const wanted = Math.max(1, Math.min(limit, PAGE_MAX));
    const sessions: SessionMetadata[] = [];
    const troubles: Trouble[] = [];
    for (let i = 0; i < tokens.length; ) {
      const page = tokens.slice(i, i + Math.max(WIDTH, wanted));
      const unreadable = new Map<string, Trouble>();
      const entries = await pipelined(page, WIDTH, (token) => this.#entry(token, seen, unreadable));
      for (const [index, entry] of entries.entries()) {
        const record = records.get(page[index]!);
        const trouble = record ?? unreadable.get(page[index]!);
        if (trouble && unfinishedAt === undefined) troubles.push(trouble);
        if (!entry || (unfinishedAt !== undefined && entry.dueAt > unfinishedAt)) continue;
        // Who looks for work need not try what is to wait.
        if (unfinishedAt !== undefined && record && record.nextAt > nowMs) continue;
        sessions.push(entry.metadata);
        if (sessions.length < wanted) continue;
        const at = i + index;
        return { sessions, troubles, next: at + 1 < tokens.length ? tokens[at]! : null };
      }
      i += page.length;
    }
    return { sessions, troubles, next: null };
  }

  /** A session's numbers, null when there is none. @throws RepriseError CORRUPT */
  async get(token: string): Promise<SessionMetadata | null> {
    const last = await this.#log.last(token);
    return last && metadataOf(last);
  }

  /** stateIds that are the newest checkpoint of any session, or of any but one. */
  async newestCheckpoints(but?: string): Promise<Set<string>> {
    const seen = await this.#refresh();
    const others = [...seen.commits.keys()].filter((token) => token !== but);
    const entries = await pipelined(others, WIDTH, (token) => this.#entry(token, seen));
    return new Set(entries.flatMap((entry) => entry?.checkpoint ?? []));
  }

  /** Counts of commits by session. What is remembered from before a deletion is forgotten. */
  async #refresh(): Promise<LogIndex> {
    const seen = await this.#log.index();
    if (seen.generation !== this.#generation) this.#entries.clear();
    this.#generation = seen.generation;
    return seen;
  }

  /** A session's entry, remembered while it has as many commits. null: deleted meanwhile, or unreadable. */
  async #entry(token: string, seen: LogIndex, unreadable?: Map<string, Trouble>): Promise<Entry | null> {
    const commits = seen.commits.get(token)!;
    const known = this.#entries.get(token);
    if (known?.commits === commits && seen.generation === this.#generation) return known;
    const last = await this.#last(token, unreadable);
    if (!last) return null;
    const { head } = last.commit;
    const entry = {
      commits,
      metadata: metadataOf(last),
      dueAt: head.closed
        ? Number.POSITIVE_INFINITY
        : head.running
          ? 0
          : (head.wakeAt ?? Number.POSITIVE_INFINITY),
      checkpoint: head.checkpoint?.stateId,
    };
    // A count from before somebody's deletion says nothing about what was read after it.
    if (seen.generation === this.#generation) this.#entries.set(token, entry);
    return entry;
  }

  async #last(token: string, unreadable?: Map<string, Trouble>): Promise<StoredCommit | null> {
    try {
      const last = await this.#log.last(token);
      this.#told.delete(token);
      return last;
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT')) throw thrown;
      const { code, message, hint } = thrown;
      if (this.#told.get(token) !== message) this.#onUnreadable(thrown);
      this.#told.set(token, message);
      unreadable?.set(token, { session: token, code, message, hint, tries: 0, nextAt: 0 });
      return null;
    }
  }
}
