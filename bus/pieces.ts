/**
 * A stream of values, cut into pieces that each fit into a message: small values share one, a large one takes several.
 * In the stream each value stands behind its length (4 bytes, big-endian). Pure.
 */
import { RepriseError } from './errors.ts';
import { LARGE_BYTES_MAX, mebibytes } from './limits.ts';

const LENGTH_BYTES = 4;
/** What an event may have beside a value of the largest kind. */
const FRAME_BYTES_MAX = LARGE_BYTES_MAX + 64 * 1024;

/** Values as pieces of at most `pieceBytes` each, in order; the last one may be empty. */
export async function* inPieces(
  values: AsyncIterable<Uint8Array>,
  pieceBytes: number,
): AsyncGenerator<Uint8Array, void> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const value of values) {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(value.byteLength);
    held.push(length, value);
    size += LENGTH_BYTES + value.byteLength;
    if (size < pieceBytes) continue;
    const all = Buffer.concat(held, size);
    let at = 0;
    for (; size - at >= pieceBytes; at += pieceBytes) yield all.subarray(at, at + pieceBytes);
    held = [all.subarray(at)];
    size -= at;
  }
  yield Buffer.concat(held, size);
}

/** Puts values together again. */
export class PieceReader {
  #held: Uint8Array[] = [];
  #size = 0;

  /** Whether nothing of a value is left over. */
  get isWhole(): boolean {
    return this.#size === 0;
  }

  /** The values that are whole with this piece. @throws RepriseError TOO_LARGE */
  take(piece: Uint8Array): Uint8Array[] {
    this.#held.push(piece);
    this.#size += piece.byteLength;
    const values: Uint8Array[] = [];
    while (this.#size >= LENGTH_BYTES) {
      const length = this.#together(LENGTH_BYTES).readUInt32BE();
      if (length > FRAME_BYTES_MAX) {
        throw new RepriseError(
          'TOO_LARGE',
          `an event has ${mebibytes(length)}; the limit is ${mebibytes(LARGE_BYTES_MAX)}`,
        );
      }
      if (this.#size < LENGTH_BYTES + length) break;
      const all = this.#together(LENGTH_BYTES + length);
      values.push(all.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      const rest = all.subarray(LENGTH_BYTES + length);
      this.#held[0] = rest;
      this.#size -= LENGTH_BYTES + length;
    }
    return values;
  }

  /** The held bytes, at least the first `bytes` of them in one piece. */
  #together(bytes: number): Buffer {
    let count = 0;
    for (let have = 0; have < bytes; count++) have += this.#held[count]!.byteLength;
    if (count > 1) this.#held.splice(0, count, Buffer.concat(this.#held.slice(0, count)));
    const [first] = this.#held as [Uint8Array];
    return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  }
}
