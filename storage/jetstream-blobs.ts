/** Blobs on JetStream: one message each, the first writer of a subject wins. */
import { RepriseError } from '../bus/errors.ts';
import type { StreamPlace, Subjects } from '../bus/subjects.ts';
import {
  type ApiError,
  apiError,
  EXPECTED_LAST,
  type JetStreamApi,
  makeHeaders,
  parseJson,
  WRONG_LAST_SEQUENCE,
} from './jetstream-api.ts';
import type { BlobStore } from './ports.ts';
import { countSubjects, purge } from './streams.ts';

/** A put that failed because something was there. */
const FIRST_ONLY = { [EXPECTED_LAST]: '0' };
/** Room for the protocol's own lines and headers. */
const OVERHEAD_BYTES = 1024;

/** The blob port on the blob stream. @throws RepriseError as JetStreamApi; STORAGE_FULL, TOO_LARGE */
export class JetStreamBlobs implements BlobStore {
  readonly #api: JetStreamApi;
  readonly #subjects: Subjects;
  readonly #place: StreamPlace;

  /** The streams must exist (`provideStreams`). */
  constructor(api: JetStreamApi, subjects: Subjects) {
    this.#api = api;
    this.#subjects = subjects;
    this.#place = subjects.streams.blob;
  }

  async put(kind: string, key: string, bytes: Uint8Array): Promise<boolean> {
    const limit = this.#api.maxPayload - OVERHEAD_BYTES;
    if (bytes.byteLength > limit) {
      throw new RepriseError('TOO_LARGE', `a blob of ${bytes.byteLength} bytes: the server takes ${limit}`);
    }
    const subject = this.#subjects.blob(kind, key);
    const ack = parseJson<{ error?: ApiError }>(
      await this.#api.request(subject, bytes, makeHeaders(FIRST_ONLY)),
    );
    if (!ack.error) return true;
    if (WRONG_LAST_SEQUENCE.includes(ack.error.err_code)) return false;
    throw apiError(ack.error);
  }

  async get(kind: string, key: string): Promise<Uint8Array | null> {
    const message = await this.#api.lastOf(this.#place.name, this.#subjects.blob(kind, key));
    return message ? message.data : null;
  }

  async remove(kind: string, keys: readonly string[]): Promise<number> {
    return purge(
      this.#api,
      this.#place,
      keys.map((key) => this.#subjects.blob(kind, key)),
    );
  }

  async keys(kind: string): Promise<string[]> {
    const { counts } = await countSubjects(this.#api, this.#place.name, this.#subjects.blobAll(kind));
    const start = this.#subjects.blob(kind, '').length;
    return [...counts.keys()].map((subject) => subject.slice(start));
  }

  async removeScope(kind: string, scope: string): Promise<void> {
    await purge(this.#api, this.#place, [this.#subjects.blob(kind, `${scope}.>`)]);
  }

  /** The connection is its owner's. */
  async close(): Promise<void> {}
}
