/** Blobs over the bus: in parts where one message does not take them, and checked where their key is their hash. */
import { scopedKey } from './blob-keys.ts';
import { sha256 } from './codec.ts';
import { RepriseError } from './errors.ts';
import type { LargeStore } from './large.ts';
import { LARGE_BYTES_MAX, mebibytes } from './limits.ts';
import type { BLOB, BlobGetReply, BlobGetRequest, BlobKind, BlobPutRequest } from './operations/blobs.ts';
import type { ReplyOf, RequestOf } from './operations/row.ts';
import type { LargeValue } from './types.ts';

/** Parts are no larger, even when a message takes more: others wait while one is on its way. */
const PART_BYTES_MAX = 1_000_000;

/** Asks storage, again until there is an answer: all requests here are safe to repeat. */
export type AskStorage = <Name extends keyof typeof BLOB>(
  name: Name,
  request: RequestOf<(typeof BLOB)[Name]>,
) => Promise<ReplyOf<(typeof BLOB)[Name]>>;

export class BlobClient implements LargeStore {
  readonly #ask: AskStorage;
  readonly #contentBytes: () => number;

  /** @param contentBytes what fits into a message now, bytes */
  constructor(ask: AskStorage, contentBytes: () => number) {
    this.#ask = ask;
    this.#contentBytes = contentBytes;
  }

  /** The whole blob, or null. @throws RepriseError of `ask` */
  async get(kind: BlobKind, key: string): Promise<Uint8Array | null> {
    const first = await this.#part({ kind, key, part: 0 });
    if (!first.bytes) return null;
    const parts = [first.bytes];
    for (let part = 1; part < first.parts; part++) {
      const { bytes } = await this.#part({ kind, key, part });
      if (!bytes) return null;
      parts.push(bytes);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** True when the blob was not there before. @throws RepriseError of `ask` */
  async put(kind: BlobKind, key: string, bytes: Uint8Array): Promise<boolean> {
    const parts = Math.ceil(bytes.byteLength / Math.min(PART_BYTES_MAX, this.#contentBytes()));
    if (parts <= 1) return this.#put({ kind, key, bytes });
    // As many parts are always the same parts, whatever a message took when an earlier try was cut short.
    const size = Math.ceil(bytes.byteLength / parts);
    let stored = false;
    for (let part = 0; part < parts; part++) {
      const slice = bytes.subarray(part * size, (part + 1) * size);
      stored = (await this.#put({ kind, key, bytes: slice, part, parts })) || stored;
    }
    return stored;
  }

  /** @throws RepriseError TOO_LARGE above `LARGE_BYTES_MAX`, and of `ask` */
  async putLarge(scope: string, value: LargeValue, bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength > LARGE_BYTES_MAX) {
      throw new RepriseError(
        'TOO_LARGE',
        `a value of ${mebibytes(bytes.byteLength)}; the limit is ${mebibytes(LARGE_BYTES_MAX)}`,
      );
    }
    await this.put('large', scopedKey(scope, value.sha256), bytes);
  }

  async getLarge(scope: string, value: LargeValue): Promise<Uint8Array> {
    const key = scopedKey(scope, value.sha256);
    const bytes = await this.get('large', key);
    if (bytes && sha256(bytes) === value.sha256) return bytes;
    throw new RepriseError(
      'CORRUPT',
      bytes ? `the large value ${key} is not what its hash says` : `the large value ${key} is missing`,
      { hint: 'the store was altered or damaged; nothing was changed. `reprise log` shows what can be read' },
    );
  }

  #part(request: BlobGetRequest): Promise<BlobGetReply> {
    return this.#ask(`blob.get.${request.kind}`, request);
  }

  async #put(request: BlobPutRequest): Promise<boolean> {
    return (await this.#ask(`blob.put.${request.kind}`, request)).stored;
  }
}
