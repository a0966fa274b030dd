/**
 * A session as one file that proves itself: its commits as they are stored, so that the chain of their hashes can be
 * checked, those of what it is a fork of included, and the values that no commit holds.
 *
 * A line that says what it is, then records: length (4 bytes, big-endian), sha256 of the content (32 bytes), content
 * (msgpack). The last one has the sha256 of all before it. So a byte that was changed is found in its record, and a file
 * that was cut off lacks its end.
 */
import { createHash } from 'node:crypto';
import { eventsOf } from './chain.ts';
import { decode, encode } from './codec.ts';
import { RepriseError } from './errors.ts';
import { storedCommit } from './event-schemas.ts';
import { type LargeStore, scopeOf } from './large.ts';
import { LARGE_BYTES_MAX } from './limits.ts';
import { bytes, hash, natural, parse, shaped, text } from './schema.ts';
import type { StoredCommit } from './types.ts';

export type BundleRecord =
  | { kind: 'commit'; stored: StoredCommit }
  | { kind: 'large'; scope: string; sha256: string; bytes: Uint8Array }
  | { kind: 'end'; session: string; events: number; sha256: string };

const HEAD = Buffer.from('reprise bundle 1\n');
const FRAME_BYTES = 36;
const RECORD_BYTES_MAX = LARGE_BYTES_MAX + 64 * 1024;

const SCHEMAS = {
  commit: shaped<Extract<BundleRecord, { kind: 'commit' }>>({ kind: text as never, stored: storedCommit }),
  large: shaped<Extract<BundleRecord, { kind: 'large' }>>({
    kind: text as never,
    scope: text,
    sha256: hash,
    bytes,
  }),
  end: shaped<Extract<BundleRecord, { kind: 'end' }>>({
    kind: text as never,
    session: text,
    events: natural,
    sha256: hash,
  }),
};

/** Whether a file that begins so is a bundle. */
export function isBundle(beginning: Uint8Array): boolean {
  return HEAD.equals(beginning.subarray(0, HEAD.byteLength));
}

/** How many bytes of a file tell whether it is a bundle. */
export const BUNDLE_HEAD_BYTES = HEAD.byteLength;

/**
 * The bytes of a bundle.
 * @param commits of the session, from its first event on
 * @throws what `commits` and `large` throw
 */
export async function* writeBundle(
  session: string,
  commits: AsyncIterable<StoredCommit>,
  large: Pick<LargeStore, 'getLarge'>,
): AsyncGenerator<Uint8Array, void> {
  const all = createHash('sha256');
  const written = new Set<string>();
  let events = 0;
  const told = (part: Uint8Array) => {
    all.update(part);
    return part;
  };
  yield told(HEAD);
  for await (const stored of commits) {
    yield told(framed({ kind: 'commit', stored }));
    const scope = scopeOf(stored.commit.head.id);
    for (const { large: value } of eventsOf(stored)) {
      events += 1;
      if (!value || written.has(`${scope}.${value.sha256}`)) continue;
      written.add(`${scope}.${value.sha256}`);
      const content = await large.getLarge(scope, value);
      yield told(framed({ kind: 'large', scope, sha256: value.sha256, bytes: content }));
    }
  }
  yield framed({ kind: 'end', session, events, sha256: all.digest('hex') });
}

function framed(record: BundleRecord): Uint8Array {
  const content = encode(record);
  const frame = Buffer.alloc(FRAME_BYTES + content.byteLength);
  frame.writeUInt32BE(content.byteLength);
  createHash('sha256').update(content).digest().copy(frame, 4);
  frame.set(content, FRAME_BYTES);
  return frame;
}

/**
 * The records of a bundle, in order, the one that ends it last. What they say is not looked at: whether they are a
 * session is told by who checks the chain.
 * @throws RepriseError CORRUPT naming the record and its bytes; BAD_FORMAT when it is no bundle
 */
export async function* readBundle(file: AsyncIterable<Uint8Array>): AsyncGenerator<BundleRecord, void> {
  const source = new Source(file);
  const head = await source.take(HEAD.byteLength);
  if (!isBundle(head)) {
    throw new RepriseError('BAD_FORMAT', 'it is no bundle of a version that is known here', {
      hint: '`reprise export --bundle` writes one',
    });
  }
  const all = createHash('sha256').update(head);
  for (let number = 1; ; number++) {
    const at = source.at;
    const fault = (what: string) => damaged(number, at, source.at, what);
    const frame = await source.take(FRAME_BYTES);
    const length = frame.byteLength < FRAME_BYTES ? 0 : frame.readUInt32BE();
    if (length > RECORD_BYTES_MAX) throw fault(`says that it has ${length} bytes, which none has`);
    const content = await source.take(length);
    if (frame.byteLength < FRAME_BYTES || content.byteLength < length) {
      throw new RepriseError('CORRUPT', `the file is cut off in record ${number}, at byte ${source.at}`, {
        hint: HINT,
      });
    }
    if (!createHash('sha256').update(content).digest().equals(frame.subarray(4))) {
      throw fault('is not what its hash says');
    }
    const record = recordIn(content, fault);
    if (record.kind === 'end') {
      if (record.sha256 !== all.digest('hex')) throw fault('is not the end of this file');
      if ((await source.take(1)).byteLength > 0) throw fault('is the end, but more comes behind it');
      yield record;
      return;
    }
    all.update(frame).update(content);
    yield record;
  }
}

const HINT = 'nothing was done; get the file once more, or export the session again';

function damaged(number: number, from: number, to: number, what: string): RepriseError {
  return new RepriseError('CORRUPT', `record ${number} of the file (bytes ${from} to ${to}) ${what}`, {
    hint: HINT,
  });
}

function recordIn(content: Uint8Array, fault: (what: string) => RepriseError): BundleRecord {
  try {
    const record = decode(content) as BundleRecord;
    const schema = Object.hasOwn(SCHEMAS, record?.kind) ? SCHEMAS[record.kind] : null;
    if (schema) return parse<BundleRecord>(schema as never, record);
  } catch (thrown) {
    throw fault(`cannot be read: ${RepriseError.from(thrown).message}`);
  }
  throw fault('is of a kind that is not known here');
}

/** Bytes as many as are wanted, out of chunks. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array[] = [];
  #size = 0;
  /** How many were taken. */
  at = 0;

  constructor(file: AsyncIterable<Uint8Array>) {
    this.#chunks = file[Symbol.asyncIterator]();
  }

  /** Fewer at the end. */
  async take(count: number): Promise<Buffer> {
    while (this.#size < count) {
      const { done, value } = await this.#chunks.next();
      if (done) break;
      this.#held.push(value);
      this.#size += value.byteLength;
    }
    const [only] = this.#held as [Uint8Array?];
    const all =
      only && this.#held.length === 1
        ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
        : Buffer.concat(this.#held, this.#size);
    const taken = all.subarray(0, count);
    const rest = all.subarray(taken.byteLength);
    this.#held = rest.byteLength > 0 ? [rest] : [];
    this.#size = rest.byteLength;
    this.at += taken.byteLength;
    return taken;
  }
}
