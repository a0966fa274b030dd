/**
 * Blobs that travel in parts, because one message takes only so much. Each part is stored as it comes, by
 * whichever storage process gets it; the last one also stores how many there are, and only then the blob exists.
 * So parts are sent in order.
 */
import { isBlobKey } from '../bus/blob-keys.ts';
import { decode, encode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import type { BlobGetReply, BlobGetRequest, BlobPutReply, BlobPutRequest } from '../bus/operations/blobs.ts';
import { pipelined } from './pipeline.ts';
import type { BlobStore } from './ports.ts';

const PARTS_MAX = 4_096;
const WIDTH = 32;
/** No key of a request ends like these, so they cannot be mistaken for one. */
const countKey = (key: string) => `${key}.parts`;
const partKey = (key: string, part: number, parts: number) => `${key}.${parts}.${part}`;
/** Stands where a blob must never be. */
const SEAL = Buffer.from(encode('sealed: its session was deleted'));

/** Blobs of any size over a store of messages. */
export class BlobParts {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** `stored` tells whether this request added something. @throws RepriseError BAD_REQUEST and the store's */
  async put({ kind, key, bytes, part = 0, parts = 1 }: BlobPutRequest): Promise<BlobPutReply> {
    if (parts < 1 || parts > PARTS_MAX || part >= parts) {
      throw new RepriseError(
        'BAD_REQUEST',
        `there is no part ${part} of ${parts} (at most ${PARTS_MAX} parts)`,
      );
    }
    if (parts === 1) return { stored: await this.#blobs.put(kind, key, bytes) };
    const stored = await this.#blobs.put(kind, partKey(key, part, parts), bytes);
    if (part < parts - 1) return { stored };
    return { stored: await this.#blobs.put(kind, countKey(key), encode(parts)) };
  }

  /** Part `part` (the first unless told) of a blob, and how many it has. @throws RepriseError of the store */
  async get({ kind, key, part = 0 }: BlobGetRequest): Promise<BlobGetReply> {
    const whole = await this.#blobs.get(kind, key);
    if (whole && SEAL.equals(whole)) return { bytes: null, parts: 0, sealed: true };
    if (whole) return { bytes: part === 0 ? whole : null, parts: 1 };
    const parts = await this.#count(kind, key);
    if (parts === 0) return { bytes: null, parts: 0 };
    return { bytes: await this.#blobs.get(kind, partKey(key, part, parts)), parts };
  }

  /** Forgets blobs with all their parts. @throws RepriseError of the store */
  async remove(kind: string, keys: readonly string[]): Promise<void> {
    const valid = keys.filter((key) => isBlobKey(key));
    const counts = await pipelined(valid, WIDTH, (key) => this.#count(kind, key));
    const all = valid.flatMap((key, index) => {
      const parts = counts[index]!;
      if (parts === 0) return [key];
      // The count goes first: without it the blob is gone.
      return [countKey(key), key, ...Array.from({ length: parts }, (_, part) => partKey(key, part, parts))];
    });
    await this.#blobs.remove(kind, all);
  }

  /** Forgets all large values of a scope. @throws RepriseError of the store */
  async removeScope(scope: string): Promise<void> {
    await this.#blobs.removeScope('large', scope);
  }

  /** Makes sure that a key that has no blob never gets one; false when it has one. */
  async seal(kind: string, key: string): Promise<boolean> {
    return !isBlobKey(key) || this.#blobs.put(kind, key, SEAL);
  }

  /** @throws RepriseError CORRUPT when the stored count is none */
  async #count(kind: string, key: string): Promise<number> {
    const bytes = await this.#blobs.get(kind, countKey(key));
    if (!bytes) return 0;
    const parts = decoded(bytes);
    if (Number.isInteger(parts) && parts > 1 && parts <= PARTS_MAX) return parts;
    throw new RepriseError('CORRUPT', `the count of parts of ${kind} ${key} is damaged`);
  }
}

function decoded(bytes: Uint8Array): number {
  try {
    return decode(bytes) as number;
  } catch {
    return Number.NaN;
  }
}
