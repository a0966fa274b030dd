/** Wire encoding: msgpack as plain maps, readable from any language; canonical where bytes are hashed. */
import { createHash } from 'node:crypto';
import { Packr } from 'msgpackr';
import { RepriseError } from './errors.ts';
import type { Commit } from './types.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: false });

/** Encodes a value as msgpack. Keys whose value is undefined are left out. */
export function encode(value: unknown): Uint8Array {
  return packr.pack(prune(value));
}

/**
 * Decodes msgpack.
 * @throws RepriseError BAD_FORMAT on anything that is not one whole msgpack value.
 */
export function decode(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw new RepriseError('BAD_FORMAT', `not a msgpack message (${bytes.byteLength} bytes)`, { cause });
  }
}

/** Encodes with map keys sorted at every level, so that equal values give equal bytes. */
export function encodeCanonical(value: unknown): Uint8Array {
  return packr.pack(sorted(value));
}

/** The hash of a commit: sha256 (hex) over its canonical encoding without `hash`. */
export function commitHash(commit: Omit<Commit, 'hash'> & { hash?: string }): string {
  const { hash: _, ...rest } = commit;
  return sha256(encodeCanonical(rest));
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function isPlain(value: object): boolean {
  const proto = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

function prune(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(prune);
  if (!isPlain(value)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) if (item !== undefined) out[key] = prune(item);
  return out;
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(sorted);
  if (!isPlain(value)) return value;
  const out: Record<string, unknown> = {};
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record).sort()) if (record[key] !== undefined) out[key] = sorted(record[key]);
  return out;
}
