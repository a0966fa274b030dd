/**
 * Room for bytes that are used up before the next ones are made. A checkpoint or a look takes some 100 KB several
 * times over; as garbage outside the collector's sight they would scatter what is kept over tens of megabytes.
 */

/** More than this is not kept: large heaps are rare. */
const KEPT_BYTES = 4 * 1024 * 1024;

export class Scratch {
  #bytes: Buffer = Buffer.alloc(0);

  /** `length` bytes with anything in them, valid until the next call. Begins at a multiple of 8. */
  take(length: number): Buffer {
    if (length > KEPT_BYTES) return ownBytes(length);
    if (this.#bytes.length < length) this.#bytes = ownBytes(Math.min(2 * length, KEPT_BYTES));
    return this.#bytes.subarray(0, length);
  }
}

/** Not from Node's shared pool: to be kept, or transferred to another thread. */
export function ownBytes(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}
