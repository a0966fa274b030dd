/**
 * Wire encoding: msgpack as plain maps, readable from any language; canonical where bytes are hashed.
 *
 * What was encoded once is encoded to the same bytes after any number of decodings: hashes rest on that. Text is
 * UTF-8, so half a surrogate pair becomes U+FFFD; -0 is an integer, hence 0; a key `__proto__` is left out, for no
 * decoder brings it back.
 */
import { createHash } from 'node:crypto';
import { addExtension, C1, Packr } from 'msgpackr';
import { RepriseError } from './errors.ts';
import type { Commit } from './types.ts';

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  moreTypes: false,
  structuredClone: false,
  useToJSON: false,
});

/**
 * Extensions of msgpackr's own that it decodes unasked: big integers, bundled strings, errors, sets, typed arrays,
 * regular expressions. We never write them, and a large integer of a few MB would keep a process busy for seconds.
 */
for (const type of [0x42, 0x62, 0x65, 0x73, 0x74, 0x78]) {
  addExtension({
    type,
    unpack: () => {
      throw new RangeError(`extension ${type} is not part of the format`);
    },
  });
}

/**
 * Encodes a value as msgpack. Keys whose value is undefined are left out.
 * @throws RepriseError BAD_FORMAT on what msgpack cannot hold: cycles, too deep nesting, symbols, huge integers.
 */
export function encode(value: unknown): Uint8Array {
  return pack(value, false);
}

/**
 * Decodes msgpack. Binary data may share memory with `bytes`.
 * @throws RepriseError BAD_FORMAT on anything that is not one whole msgpack value.
 */
export function decode(bytes: Uint8Array): unknown {
  let cause: unknown;
  try {
    const value = packr.unpack(bytes);
    if (value !== C1) return value;
  } catch (thrown) {
    cause = thrown;
  }
  throw new RepriseError('BAD_FORMAT', `not a msgpack message (${bytes.byteLength} bytes)`, { cause });
}

/**
 * Encodes with map keys sorted at every level, so that equal values give equal bytes.
 * @throws RepriseError as `encode`
 */
export function encodeCanonical(value: unknown): Uint8Array {
  return pack(value, true);
}

/**
 * The value as its canonical encoding holds it: map keys sorted at every level, without what the encoding leaves
 * out or replaces; itself when it is so already.
 */
export function canonical<T>(value: T): T {
  return tidied(value, true) as T;
}

/** The value as it is after a journey over the wire, but for the order of keys; itself when it is so already. */
export function wired<T>(value: T): T {
  return tidied(value, false) as T;
}

/** The hash of a commit: sha256 (hex) over its canonical encoding without `hash`. */
export function commitHash(commit: Omit<Commit, 'hash'> & { hash?: string }): string {
  const { hash: _, ...rest } = commit;
  return sha256(encodeCanonical(rest));
}

/** sha256, in hex. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pack(value: unknown, sort: boolean): Uint8Array {
  try {
    return packr.pack(tidied(value, sort));
  } catch (cause) {
    throw new RepriseError('BAD_FORMAT', 'not a value that a message can hold', { cause });
  }
}

function isPlain(value: object): boolean {
  const proto = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null;
}

/**
 * Leaves out undefined values and makes text well-formed; with `sort`, sorts keys. Copies only what has to change:
 * most of what is encoded is in order already, and commits are encoded several times on their way.
 */
function tidied(value: unknown, sort: boolean): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : value.toWellFormed();
  if (value === 0) return 0;
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
    if (key === PROTO || !key.isWellFormed()) inOrder = false;
    const tidy = tidied(item, sort);
    if (Object.is(tidy, item)) continue;
    changed ??= new Map();
    changed.set(key, tidy);
  }
  if (inOrder && !changed) return value;
  const items = new Map<string, unknown>();
  for (const key of keys) {
    if (record[key] === undefined || key === PROTO) continue;
    items.set(key.toWellFormed(), changed?.has(key) ? changed.get(key) : record[key]);
  }
  const out: Record<string, unknown> = {};
  for (const key of sort ? [...items.keys()].sort() : items.keys()) out[key] = items.get(key);
  return out;
}

const PROTO = '__proto__';

function tidiedArray(items: readonly unknown[], sort: boolean): unknown {
  let copy: unknown[] | undefined;
  for (let index = 0; index < items.length; index++) {
    const tidy = tidied(items[index], sort);
    if (Object.is(tidy, items[index])) continue;
    copy ??= [...items];
    copy[index] = tidy;
  }
  return copy ?? items;
}
