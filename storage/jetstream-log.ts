/** The log on JetStream: one message a commit, one subject a session, compare-and-set on the subject. */
import { encode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import type { ScannedMessage } from '../bus/operations/logs.ts';
import type { StreamPlace, Subjects } from '../bus/subjects.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';
import {
  type Answer,
  type ApiError,
  apiError,
  EXPECTED_LAST,
  expectedOf,
  isUnknownOutcome,
  type JetStreamApi,
  makeHeaders,
  parseJson,
  sequenceOf,
  subjectOf,
  WRONG_LAST_SEQUENCE,
} from './jetstream-api.ts';
import { pipelined } from './pipeline.ts';
import type { LogIndex, LogStore } from './ports.ts';
import { beheaded, commitIn, commitOf, foundIn, type Message, missing } from './readable.ts';
import { countSubjects, purge, purgeBefore } from './streams.ts';

/** Direct gets in flight. */
const WIDTH = 64;
/** Marks a grave: the message is no commit, and ends what lies before it. */
const GRAVE = 'Reprise-Grave';
/**
 * On the first commit of a session that began behind the grave of another one. The server was told to expect the
 * grave; as far as the session goes, there is nothing before it.
 */
const BEGINS_BEHIND = 'Reprise-Begins-Behind';
/** A grave that goes away while a session begins behind it makes it try again. */
const BEGIN_TRIES = 5;

interface PubAck {
  seq: number;
  duplicate?: boolean;
  error?: ApiError;
}

/** The log port on the log stream. @throws RepriseError as JetStreamApi; else as the port says */
export class JetStreamLog implements LogStore {
  readonly #api: JetStreamApi;
  readonly #subjects: Subjects;
  readonly #place: StreamPlace;

  /** The streams must exist (`provideStreams`). */
  constructor(api: JetStreamApi, subjects: Subjects) {
    this.#api = api;
    this.#subjects = subjects;
    this.#place = subjects.streams.log;
  }

  async append(
    commit: Commit,
    expected: number,
    bytes: Uint8Array = encode(commit),
  ): Promise<{ position: number; sizeBytes: number; duplicate: boolean }> {
    // De-duplicates over the whole stream: by content, for another session may use the same commit id.
    const id = { 'Nats-Msg-Id': commit.hash };
    const subject = this.#subjects.log(commit.session);
    let ack: PubAck;
    try {
      ack = await this.#publish(subject, bytes, { ...id, [EXPECTED_LAST]: String(expected) });
      for (let tries = 0; expected === 0 && isWrongLast(ack) && tries < BEGIN_TRIES; tries++) {
        const newest = await this.#api.lastOf(this.#place.name, subject);
        if (newest && !isGrave(newest)) break;
        const place = String(newest ? sequenceOf(newest) : 0);
        const headers = newest ? { ...id, [BEGINS_BEHIND]: place } : id;
        ack = await this.#publish(subject, bytes, { ...headers, [EXPECTED_LAST]: place });
      }
    } catch (thrown) {
      if (!isUnknownOutcome(thrown)) throw thrown;
      return this.#settle(commit, expected, thrown as RepriseError);
    }
    if (ack.error) {
      if (isWrongLast(ack)) return this.#settle(commit, expected, null);
      throw apiError(ack.error);
    }
    // 'duplicate' only says that the id was seen in this stream: look whether it is this session's newest commit.
    if (ack.duplicate) return this.#settle(commit, expected, null);
    return { position: ack.seq, sizeBytes: bytes.byteLength, duplicate: false };
  }

  async #publish(subject: string, bytes: Uint8Array, headers: Record<string, string>): Promise<PubAck> {
    return parseJson<PubAck>(await this.#api.request(subject, bytes, makeHeaders(headers)));
  }

  /**
   * What became of a commit: read, never write again.
   * @param unknown why the outcome is unknown; null when the server refused the write
   */
  async #settle(commit: Commit, expected: number, unknown: RepriseError | null) {
    let last: StoredCommit | null;
    try {
      last = await this.last(commit.session);
    } catch (thrown) {
      throw unknown ?? thrown;
    }
    if (last && last.commit.commit === commit.commit && last.commit.hash === commit.hash) {
      return { position: last.position, sizeBytes: last.sizeBytes, duplicate: true };
    }
    // Not there, and nothing else either: it may still arrive.
    if (unknown && (last?.position ?? 0) === expected) throw unknown;
    throw new RepriseError('FENCED', `session ${commit.session} has moved on to ${last?.position ?? 0}`);
  }

  async last(token: string): Promise<StoredCommit | null> {
    const subject = this.#subjects.log(token);
    const newest = await this.#api.lastOf(this.#place.name, subject);
    if (newest) return lastIn(newest, token);
    // When the newest message of a subject was deleted, the server finds none as the last, though it has older ones.
    const first = await this.#api.nextOf(this.#place.name, subject, 1);
    if (!first) return null;
    // Between the two questions the session may have begun, or the last of it may have been removed.
    const begun = await this.#api.lastOf(this.#place.name, subject);
    if (begun) return lastIn(begun, token);
    if (isGrave(first)) return null;
    throw beheaded(token, sequenceOf(first));
  }

  async holds(token: string): Promise<boolean> {
    return (await this.#api.nextOf(this.#place.name, this.#subjects.log(token), 1)) !== null;
  }

  async scan(token: string, after: number, limit: number, before?: number): Promise<ScannedMessage[]> {
    let found: ScannedMessage[] = [];
    for (let from = after + 1; found.length < limit; ) {
      const message = await this.#api.nextOf(this.#place.name, this.#subjects.log(token), from);
      if (!message || sequenceOf(message) >= (before ?? Number.POSITIVE_INFINITY)) break;
      // What lies before a grave is of a session that was removed.
      if (isGrave(message)) found = [];
      else found.push(foundIn(messageOf(message, token)));
      from = sequenceOf(message) + 1;
    }
    return found;
  }

  async at(token: string, positions: number[]): Promise<StoredCommit[]> {
    const subject = this.#subjects.log(token);
    return pipelined(positions, WIDTH, async (position) => {
      const message = await this.#api.bySequence(this.#place.name, position);
      if (!message || subjectOf(message) !== subject) {
        throw missing(token, position);
      }
      return commitIn(messageOf(message, token));
    });
  }

  async index(): Promise<LogIndex> {
    const { counts, removed } = await countSubjects(this.#api, this.#place.name, this.#subjects.logAll);
    const commits = new Map<string, number>();
    for (const [subject, count] of counts) {
      const token = this.#subjects.parseLog(subject);
      if (token !== null) commits.set(token, count);
    }
    return { commits, generation: removed };
  }

  async bury(token: string, expected: number): Promise<number> {
    const subject = this.#subjects.log(token);
    let unknown: unknown;
    try {
      const ack = await this.#publish(subject, new Uint8Array(0), {
        [GRAVE]: String(expected),
        [EXPECTED_LAST]: String(expected),
      });
      if (!ack.error) return ack.seq;
      if (!isWrongLast(ack)) throw apiError(ack.error);
    } catch (thrown) {
      if (!isUnknownOutcome(thrown)) throw thrown;
      unknown = thrown;
    }
    const dug = await this.grave(token, expected);
    if (dug !== null) return dug;
    throw unknown ?? new RepriseError('FENCED', `session ${token} has moved on from ${expected}`);
  }

  async grave(token: string, position: number): Promise<number | null> {
    const next = await this.#api.nextOf(this.#place.name, this.#subjects.log(token), position + 1);
    return next && next.headers?.get(GRAVE) === String(position) ? sequenceOf(next) : null;
  }

  async end(token: string): Promise<number> {
    const newest = await this.#api.lastOf(this.#place.name, this.#subjects.log(token));
    return newest && !isGrave(newest) ? sequenceOf(newest) : 0;
  }

  async count(token: string): Promise<number> {
    const subject = this.#subjects.log(token);
    return (await countSubjects(this.#api, this.#place.name, subject)).counts.get(subject) ?? 0;
  }

  async purge(token: string, before: number): Promise<void> {
    await purgeBefore(this.#api, this.#place, this.#subjects.log(token), before);
  }

  async remove(token: string): Promise<boolean> {
    return (await purge(this.#api, this.#place, [this.#subjects.log(token)])) > 0;
  }

  /** The connection is its owner's. */
  async close(): Promise<void> {}
}

function isGrave(message: Answer): boolean {
  return Boolean(message.headers?.get(GRAVE));
}

function isWrongLast({ error }: PubAck): boolean {
  return error !== undefined && WRONG_LAST_SEQUENCE.includes(error.err_code);
}

function lastIn(newest: Answer, token: string): StoredCommit | null {
  return isGrave(newest) ? null : commitIn(messageOf(newest, token));
}

function messageOf(message: Answer, token: string): Message {
  const position = sequenceOf(message);
  const read = () => commitOf(message.data, token, position);
  const expected = message.headers?.get(BEGINS_BEHIND) ? 0 : expectedOf(message);
  return { position, sizeBytes: message.data.byteLength, expected, read };
}
