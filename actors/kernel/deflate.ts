/** Raw deflate for differences of pages: mostly zeros, mostly small. */
import { deflateRawSync } from 'node:zlib';

/**
 * @returns the deflated bytes, as a view of a larger buffer
 * The output buffer is sized to what comes out (a few KB), not 16 KB a call: as garbage outside the collector's
 * sight it would add up to tens of megabytes.
 */
export function deflate(delta: Uint8Array): Buffer {
  const chunkSize = Math.min(Math.max(delta.byteLength >> 2, 1024), 64 * 1024);
  return deflateRawSync(delta, { level: 1, chunkSize });
}
