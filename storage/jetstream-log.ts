/** The log on JetStream: one message a commit, one subject a session, compare-and-set on the subject. */
import { decode, encode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import { commitSchema, parse } from '../bus/schemas.ts';
import type { Subjects } from '../bus/subjects.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';
import {
  type Answer,
  type ApiError,
  apiError,
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
      'Nats-Expected-Last-Subject-Sequence': String(expected),
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
    const message = await this.#api.lastOf(this.#place.name, this.#subjects.log(token));
    return message ? stored(message, token) : null;
  }

  async at(token: string, positions: number[]): Promise<StoredCommit[]> {
    const subject = this.#subjects.log(token);
    return pipelined(positions, WIDTH, async (position) => {
      const message = await this.#api.bySequence(this.#place.name, position);
      if (!message || subjectOf(message) !== subject) {
        throw new RepriseError(
          'CORRUPT',
          `the log has no commit of session ${token} at position ${position}`,
        );
      }
      return stored(message, token);
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

/** @throws RepriseError CORRUPT when the message is no commit of the session */
function stored(message: Answer, token: string): StoredCommit {
  const position = sequenceOf(message);
  let commit: Commit;
  try {
    commit = parse(commitSchema, decode(message.data));
  } catch (cause) {
    throw unreadable(token, position, cause);
  }
  if (commit.session !== token) throw unreadable(token, position, undefined);
  return { commit, position, sizeBytes: message.data.byteLength };
}

function unreadable(token: string, position: number, cause: unknown): RepriseError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RepriseError(
    'CORRUPT',
    `the log has no commit of session ${token} at position ${position}${why}`,
    {
      cause,
    },
  );
}
