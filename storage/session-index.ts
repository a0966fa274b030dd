/** The session index: a projection of the newest commit of every session. Nothing here is kept on disk. */
import type { ListReply, ListRequest } from '../bus/protocol.ts';
import type { SessionMetadata, StoredCommit } from '../bus/types.ts';
import { pipelined } from './pipeline.ts';
import type { LogStore } from './ports.ts';
import { lastSeqOf } from './validation.ts';

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
  };
}

export class SessionIndex {
  readonly #log: LogStore;
  readonly #entries = new Map<string, Entry>();
  #generation = -1;

  constructor(log: LogStore) {
    this.#log = log;
  }

  /** One page, by token. @param limit of sessions: 200 unless told, 500 at most */
  async list({ after = '', limit = PAGE, unfinishedAt }: ListRequest): Promise<ListReply> {
    const counts = await this.#refresh();
    const tokens = [...counts.keys()].filter((token) => token > after).sort();
    const wanted = Math.max(1, Math.min(limit, PAGE_MAX));
    const sessions: SessionMetadata[] = [];
    for (let i = 0; i < tokens.length; ) {
      const page = tokens.slice(i, i + Math.max(WIDTH, wanted));
      const entries = await pipelined(page, WIDTH, (token) => this.#entry(token, counts.get(token)!));
      for (const [index, entry] of entries.entries()) {
        if (!entry || (unfinishedAt !== undefined && entry.dueAt > unfinishedAt)) continue;
        sessions.push(entry.metadata);
        if (sessions.length < wanted) continue;
        const at = i + index;
        return { sessions, next: at + 1 < tokens.length ? tokens[at]! : null };
      }
      i += page.length;
    }
    return { sessions, next: null };
  }

  async get(token: string): Promise<SessionMetadata | null> {
    const last = await this.#log.last(token);
    return last && metadataOf(last);
  }

  /** stateIds that are the newest checkpoint of any session but one. */
  async checkpointsOfOthers(than: string): Promise<Set<string>> {
    const counts = await this.#refresh();
    const others = [...counts.keys()].filter((token) => token !== than);
    const entries = await pipelined(others, WIDTH, (token) => this.#entry(token, counts.get(token)!));
    return new Set(entries.flatMap((entry) => entry?.checkpoint ?? []));
  }

  /** Counts of commits by session. What is remembered from before a deletion is forgotten. */
  async #refresh(): Promise<Map<string, number>> {
    const { commits, generation } = await this.#log.index();
    if (generation !== this.#generation) this.#entries.clear();
    this.#generation = generation;
    return commits;
  }

  /** A session's entry, remembered while it has as many commits. null: deleted meanwhile. */
  async #entry(token: string, commits: number): Promise<Entry | null> {
    const known = this.#entries.get(token);
    if (known?.commits === commits) return known;
    const generation = this.#generation;
    const last = await this.#log.last(token);
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
    if (generation === this.#generation) this.#entries.set(token, entry);
    return entry;
  }
}
