/** Storage that answers questions from a list of commits in memory, and fails on command. */
import { commitHash, decode, encode } from '../../bus/codec.ts';
import { type ErrorCode, RepriseError } from '../../bus/errors.ts';
import type { GetRequest, ListRequest } from '../../bus/operations/catalogue.ts';
import type { ReadRequest } from '../../bus/operations/logs.ts';
import type { Bus } from '../../bus/port.ts';
import { type Subjects, sessionToken } from '../../bus/subjects.ts';
import type { Commit, SessionEvent, SessionMetadata, StoredCommit } from '../../bus/types.ts';

const AT = '2026-01-02T03:04:05.000Z';

export class FakeStorage {
  readonly sessions = new Map<string, StoredCommit[]>();
  /** Failures to answer with before the next answer. */
  readonly failures: ErrorCode[] = [];
  asked = 0;
  /** Commits and sessions in one answer. */
  pageSize = 2;
  readonly #bus: Bus;
  readonly #subjects: Subjects;

  constructor(bus: Bus, subjects: Subjects) {
    this.#bus = bus;
    this.#subjects = subjects;
    bus.subscribe(subjects.storeAll, (message) => {
      this.asked += 1;
      const operation = message.subject.slice(subjects.store('').length);
      try {
        const code = this.failures.shift();
        if (code) throw new RepriseError(code, 'as scripted');
        message.respond(encode({ ok: true, ...this.#answer(operation, decode(message.data)) }));
      } catch (thrown) {
        message.respond(encode({ ok: false, ...RepriseError.from(thrown).toWire() }));
      }
    });
  }

  /** Appends a commit of `events` and, if asked to, publishes its copy. */
  append(session: string, events: SessionEvent[], publish = true): void {
    const commits = this.sessions.get(session) ?? [];
    this.sessions.set(session, commits);
    const last = commits.at(-1)?.commit;
    const token = sessionToken(session);
    const draft: Omit<Commit, 'hash'> = {
      v: 1,
      session: token,
      commit: `${token}-${commits.length}`,
      epoch: 1,
      first: last ? last.first + last.events.length : 0,
      events,
      prev: last?.hash ?? '',
      kernel: 'k',
      head: {
        name: session,
        id: 'id',
        created: AT,
        at: AT,
        checkpointCount: 0,
        sizeBefore: 0,
        tail: commits.map((_, index) => index + 1).slice(-32),
      },
    };
    const commit = { ...draft, hash: commitHash(draft) };
    commits.push({ commit, position: commits.length + 1, sizeBytes: 100 });
    if (publish) this.#bus.publish(this.#subjects.log(token), encode(commit));
  }

  #answer(operation: string, request: unknown): object {
    if (operation === 'get') {
      const { session } = request as GetRequest;
      return { metadata: this.sessions.has(session) ? this.#metadata(session) : null };
    }
    if (operation === 'delete') return { deleted: this.sessions.delete((request as GetRequest).session) };
    if (operation === 'list') {
      const { after } = request as ListRequest;
      const names = [...this.sessions.keys()].sort().filter((name) => after === undefined || name > after);
      const page = names.slice(0, this.pageSize);
      const next = names.length > page.length ? page.at(-1)! : null;
      return { sessions: page.map((name) => this.#metadata(name)), next };
    }
    if (operation === 'read') {
      const { session, from, to = Number.MAX_SAFE_INTEGER } = request as ReadRequest;
      const found = (this.sessions.get(session) ?? []).filter(
        ({ commit }) => commit.first <= to && commit.first + commit.events.length > from,
      );
      const page = found.slice(0, this.pageSize);
      return { commits: page, next: found[page.length]?.commit.first ?? null };
    }
    throw new RepriseError('BAD_REQUEST', operation);
  }

  #metadata(name: string): SessionMetadata {
    const commits = this.sessions.get(name)!;
    return {
      id: 'id',
      name,
      created: new Date(AT),
      lastAccessed: new Date(AT),
      eventCount: commits.reduce((sum, { commit }) => sum + commit.events.length, 0),
      checkpointCount: 0,
      size: 100 * commits.length,
    };
  }
}

/** The first event of a session, or cell number `seq` of it. */
export function event(seq: number): SessionEvent {
  if (seq === 0) return { type: 'session', version: 1, id: 'id', created: AT };
  return { type: 'input', seq, code: `${seq}`, timestamp: AT };
}
