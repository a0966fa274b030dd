/** A commit as it is stored: its canonical bytes, which give its hash, with the hash put behind them. */
import { encode, encodeCanonical, sha256 } from '../bus/codec.ts';
import type { Commit } from '../bus/types.ts';

/** msgpack: a map of up to 15 pairs is one byte, `0x80 | pairs`. */
const FIXMAP = 0x80;
const FIXMAP_PAIRS_MAX = 15;
/** msgpack: the key `hash` (a4 …) and the head of a string of 64 bytes (d9 40). */
const HASH_KEY = Buffer.from([0xa4, 0x68, 0x61, 0x73, 0x68, 0xd9, 0x40]);
const HASH_LENGTH = 64;

/**
 * Hash of a commit's content, and the commit in msgpack. The content is encoded once: for the hash without its
 * `hash` field, which is then appended to the same bytes.
 */
export function sealed(commit: Commit): { hash: string; bytes: Uint8Array } {
  const { hash: claimed, ...content } = commit;
  const body = encodeCanonical(content);
  const hash = sha256(body);
  const pairs = body[0]! - FIXMAP;
  if (pairs < 0 || pairs >= FIXMAP_PAIRS_MAX || claimed.length !== HASH_LENGTH) {
    return { hash, bytes: encode(commit) };
  }
  const bytes = Buffer.allocUnsafe(body.byteLength + HASH_KEY.byteLength + HASH_LENGTH);
  bytes.set(body, 0);
  bytes[0] = FIXMAP | (pairs + 1);
  bytes.set(HASH_KEY, body.byteLength);
  bytes.write(claimed, body.byteLength + HASH_KEY.byteLength, HASH_LENGTH, 'latin1');
  return { hash, bytes };
}
