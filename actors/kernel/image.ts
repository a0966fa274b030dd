/**
 * Heap images as bytes: `RPH1`, length of the header, the header as JSON, then the pages as their difference to the
 * pristine heap (`delta.ts`), deflated. The name of an image, its `stateId`, covers the content only: kernel version
 * (which decides the pristine heap), page numbers and differences, and the host's state of the session.
 */
import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { RepriseError } from '../../bus/errors.ts';
import { deflate } from './deflate.ts';
import { BITMAP_BYTES, decodeDelta, encodeDelta } from './delta.ts';
import type { Pristine } from './guest.ts';
import { PAGE, type Pages } from './pages.ts';
import type { SessionState } from './session-state.ts';

const MAGIC = Buffer.from('RPH1');
const PREFIX = 8;

interface Header {
  kernel: string;
  stateId: string;
  /** Page numbers as differences to the one before. */
  pages: number[];
  state: SessionState;
}

export interface Unpacked {
  pages: Pages;
  state: SessionState;
  stateId: string;
}

/** sha256 (hex) over kernel version, pages and host state. */
export function computeStateId(
  kernel: string,
  pages: Pages,
  state: SessionState,
  pristine: Pristine,
): string {
  return hashContent(kernel, pages.indices, encodeDelta(pages, pristine), state);
}

function hashContent(kernel: string, indices: number[], delta: Uint8Array, state: SessionState): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([kernel, state, indices]));
  hash.update(delta);
  return hash.digest('hex');
}

export function packImage(
  kernel: string,
  pages: Pages,
  state: SessionState,
  pristine: Pristine,
): { stateId: string; bytes: Uint8Array } {
  const delta = encodeDelta(pages, pristine);
  const stateId = hashContent(kernel, pages.indices, delta, state);
  let before = 0;
  const steps = pages.indices.map((index) => {
    const step = index - before;
    before = index;
    return step;
  });
  const header = Buffer.from(JSON.stringify({ kernel, stateId, pages: steps, state } satisfies Header));
  const body = deflate(delta);
  const prefix = Buffer.alloc(PREFIX);
  MAGIC.copy(prefix);
  prefix.writeUInt32LE(header.length, 4);
  // Its own buffer, so that it can be transferred between threads.
  const bytes = new Uint8Array(PREFIX + header.length + body.length);
  bytes.set(prefix);
  bytes.set(header, PREFIX);
  bytes.set(body, PREFIX + header.length);
  return { stateId, bytes };
}

/**
 * Reads an image and checks that its content is the heap that is wanted: what it says of itself proves nothing.
 * @throws RepriseError CORRUPT when it is not, BAD_REQUEST when another kernel made it.
 */
export function unpackImage(
  image: Uint8Array,
  stateId: string,
  kernel: string,
  pristine: Pristine,
): Unpacked {
  const { header, indices, delta } = readContent(image, stateId);
  if (header.kernel !== kernel) {
    throw new RepriseError('BAD_REQUEST', `the image is of kernel ${header.kernel}, this is ${kernel}`, {
      hint: 'rebuild the session from its log',
    });
  }
  const pages = decodeDelta(indices, delta, pristine);
  if (pages === null) throw corrupt('it has not the pages that it says');
  return { pages, state: header.state, stateId };
}

/**
 * The parts of an image: its header, the numbers of its pages, and their differences to the pristine heap.
 * @param stateId name of the heap that it must be
 * @throws RepriseError CORRUPT when it is another one, or none
 */
export function readContent(
  image: Uint8Array,
  stateId: string,
): { header: Header; indices: number[]; delta: Buffer } {
  const { header, body } = readHeader(image);
  let index = 0;
  const indices = header.pages.map((step) => {
    index += step;
    return index;
  });
  const delta = inflate(body, indices.length * (PAGE + BITMAP_BYTES));
  const actual = hashContent(header.kernel, indices, delta, header.state);
  if (actual !== stateId) throw corrupt(`it is the heap ${actual}, not ${stateId}`);
  return { header, indices, delta };
}

function readHeader(image: Uint8Array): { header: Header; body: Buffer } {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  if (bytes.length < PREFIX || bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) {
    throw corrupt('it does not start as one');
  }
  const end = PREFIX + bytes.readUInt32LE(4);
  if (end > bytes.length) throw corrupt('it is cut off');
  try {
    const header = JSON.parse(bytes.toString('utf8', PREFIX, end)) as Header;
    if (!isHeader(header)) throw corrupt('its header is not one');
    return { header, body: bytes.subarray(end) };
  } catch (cause) {
    if (cause instanceof RepriseError) throw cause;
    throw corrupt('its header cannot be read', cause);
  }
}

function isHeader(header: Header | null): header is Header {
  return (
    typeof header === 'object' &&
    header !== null &&
    typeof header.kernel === 'string' &&
    typeof header.state === 'object' &&
    Array.isArray(header.pages) &&
    header.pages.every((step) => Number.isInteger(step) && step >= 0 && step < 65_536)
  );
}

function inflate(body: Buffer, maxLength: number): Buffer {
  try {
    return inflateRawSync(body, { maxOutputLength: Math.max(maxLength, 1) });
  } catch (cause) {
    throw corrupt('its pages cannot be inflated', cause);
  }
}

function corrupt(why: string, cause?: unknown): RepriseError {
  return new RepriseError('CORRUPT', `not a whole heap image: ${why}`, {
    cause,
    hint: 'the session can be rebuilt from its log',
  });
}
