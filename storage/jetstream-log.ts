/** The log on JetStream: one message a commit, one subject a session, compare-and-set on the subject. */
import { decode, encode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import type { ScannedMessage } from '../bus/protocol.ts';
import { commitSchema, parse } from '../bus/schemas.ts';
import type { Subjects } from '../bus/subjects.ts';
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
import { beheaded, commitIn, foundIn, type Message, missing } from './readable.ts';
import { countSubjects, purge, type StreamPlace, streamPlaces } from './streams.ts';

/** Direct gets in flight. */
const WIDTH = 64;

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
    this.#place = streamPlaces(subjects.prefix).log;
  }

  async append(
    commit: Commit,
    expected: number,
    bytes: Uint8Array = encode(commit),
  ): Promise<{ position: number; sizeBytes: number; duplicate: boolean }> {
    const condition = makeHeaders({
      // De-duplicates over the whole stream: by content, for another session may use the same commit id.
      'Nats-Msg-Id': commit.hash,
      [EXPECTED_LAST]: String(expected),
    });
    let ack: PubAck;
    try {
      const answer = await this.#api.request(this.#subjects.log(commit.session), bytes, condition);
      ack = parseJson<PubAck>(answer);
    } catch (thrown) {
      if (!isUnknownOutcome(thrown)) throw thrown;
      return this.#settle(commit, expected, thrown as RepriseError);
    }
    if (ack.error) {
      if (WRONG_LAST_SEQUENCE.includes(ack.error.err_code)) return this.#settle(commit, expected, null);
      throw apiError(ack.error);
    }
    // 'duplicate' only says that the id was seen in this stream: look whether it is this session's newest commit.
    if (ack.duplicate) return this.#settle(commit, expected, null);
    return { position: ack.seq, sizeBytes: bytes.byteLength, duplicate: false };
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
    if (newest) return commitIn(messageOf(newest, token));
    // When the newest message of a subject was deleted, the server finds none as the last, though it has older ones.
    const first = await this.#api.nextOf(this.#place.name, subject, 1);
    if (!first) return null;
    // Between the two questions the session may have begun.
    const begun = await this.#api.lastOf(this.#place.name, subject);
    if (begun) return commitIn(messageOf(begun, token));
    throw beheaded(token, sequenceOf(first));
  }

  async holds(token: string): Promise<boolean> {
    return (await this.#api.nextOf(this.#place.name, this.#subjects.log(token), 1)) !== null;
  }

  async scan(token: string, after: number, limit: number): Promise<ScannedMessage[]> {
    const found: ScannedMessage[] = [];
    for (let from = after + 1; found.length < limit; ) {
      const message = await this.#api.nextOf(this.#place.name, this.#subjects.log(token), from);
      if (!message) break;
      found.push(foundIn(messageOf(message, token)));
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

  async *sessions(): AsyncIterable<StoredCommit> {
    const tokens = [...(await this.index()).commits.keys()];
    for (let i = 0; i < tokens.length; i += WIDTH) {
      const page = await Promise.all(tokens.slice(i, i + WIDTH).map((token) => this.last(token)));
      for (const item of page) if (item) yield item;
    }
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

  async remove(token: string): Promise<boolean> {
    return (await purge(this.#api, this.#place, [this.#subjects.log(token)])) > 0;
  }

  /** The connection is its owner's. */
  async close(): Promise<void> {}
}

function messageOf(message: Answer, token: string): Message {
  const position = sequenceOf(message);
  const sizeBytes = message.data.byteLength;
  const read = (): StoredCommit => {
    let commit: Commit;
    try {
      commit = parse(commitSchema, decode(message.data));
    } catch (cause) {
      throw missing(token, position, cause);
    }
    if (commit.session !== token) throw missing(token, position);
    return { commit, position, sizeBytes };
  };
  return { position, sizeBytes, expected: expectedOf(message), read };
}
