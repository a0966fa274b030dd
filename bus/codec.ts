/** Wire encoding: msgpack as plain maps, readable from any language; canonical where bytes are hashed. */
import { createHash } from 'node:crypto';
import { Packr } from 'msgpackr';
import { RepriseError } from './errors.ts';
import type { Commit } from './types.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: false });

/** Encodes a value as msgpack. Keys whose value is undefined are left out. */
export function encode(value: unknown): Uint8Array {
  return packr.pack(tidied(value, false));
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
  return packr.pack(tidied(value, true));
}

/** The value with map keys sorted at every level and undefined ones left out; itself when it is so already. */
export function canonical<T>(value: T): T {
  return tidied(value, true) as T;
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

/**
 * Leaves out undefined values and (with `sort`) sorts keys. Copies only what has to change: most of what is
 * encoded is in order already, and commits are encoded several times on their way.
 */
function tidied(value: unknown, sort: boolean): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return tidiedArray(value, sort);
  if (!isPlain(value)) return value;
  const record = value as Record<string, unknown>;
  const keys = Object.keys(record);
  let inOrder = true;
  /** Children that had to change; each is looked at once, whatever its depth. */
  let changed: Map<string, unknown> | undefined;
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!;
    const item = record[key];
    if (item === undefined || (sort && index > 0 && key < keys[index - 1]!)) inOrder = false;
    const tidy = tidied(item, sort);
    if (tidy === item) continue;
    changed ??= new Map();
    changed.set(key, tidy);
  }
  if (inOrder && !changed) return value;
  if (sort) keys.sort();
  const out: Record<string, unknown> = {};
  for (const key of keys) {
    if (record[key] !== undefined) out[key] = changed?.has(key) ? changed.get(key) : record[key];
  }
  return out;
}

function tidiedArray(items: readonly unknown[], sort: boolean): unknown {
  let copy: unknown[] | undefined;
  for (let index = 0; index < items.length; index++) {
    const tidy = tidied(items[index], sort);
    if (tidy === items[index]) continue;
    copy ??= [...items];
    copy[index] = tidy;
  }
  return copy ?? items;
}
