/**
 * Every limit on size, in one place. What depends on the server follows from its `max_payload` alone (the largest
 * message it takes), so that no part takes what another refuses. All in bytes as they are encoded, never in
 * characters. Pure.
 */
import { RepriseError } from './errors.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes as people read them: `64 MiB`. */
export const mebibytes = (bytes: number): string => `${Math.round((bytes / MIB) * 100) / 100} MiB`;

/** Smallest `max_payload` that anything runs with. */
export const PAYLOAD_BYTES_MIN = 64 * KIB;
/** `max_payload` of the server that we configure ourselves. */
export const PAYLOAD_BYTES_OURS = 8 * MIB;
/** Room in a message for what surrounds its content: names, ids, the frame of a reply. */
export const ENVELOPE_BYTES = 8 * KIB;

/** A session's heap: everything its cells hold. */
export const HEAP_BYTES_MAX = 64 * MIB;
/** Code of one cell. */
export const CELL_BYTES_MAX = MIB;
/** A request that brings a cell. */
export const CELL_REQUEST_BYTES_MAX = CELL_BYTES_MAX + 64 * 1024;
/** Console output that a turn may keep. */
export const OUTPUT_BYTES_MAX = MIB;
/**
 * Pieces of console output that a turn may keep; lines of one console method in a row are one piece. A piece is an
 * event of 90 bytes at least. While a turn of short lines had to fit into one commit of 4 MiB, that made 46,000 at
 * most: so no turn that is in a log was ever cut by it.
 */
export const OUTPUT_PIECES_MAX = 50_000;
/** Timers and model calls that a session may wait for at a time. */
export const EFFECTS_MAX = 10_000;
/**
 * Turns in the background (timers' callbacks, with no cell running) after a command, unless a worker is told otherwise:
 * half a day of a timer a second, a month of one a minute, and about 25 MB of log for one without a delay.
 */
export const BACKGROUND_TURNS_MAX = 50_000;

/** Annotations that a session has at a time: they are part of its state, so every checkpoint holds them. */
export const ANNOTATIONS_MAX = 1_000;
/** What they say, all together. */
export const ANNOTATIONS_BYTES_MAX = 128 * KIB;
/** Label, description and tags of one: with this little it fits into any commit. */
export const ANNOTATION_BYTES_MAX = 4 * KIB;
/** Characters of a label, and of a tag; tags of one annotation. */
export const LABEL_UNITS_MAX = 200;
export const TAG_UNITS_MAX = 64;
export const TAGS_MAX = 16;

/** A value outside of the heap: a model's answer, what a request carries. */
export const LARGE_BYTES_MAX = 64 * MIB;

/** A piece of a log that is brought in. */
export const IMPORT_PIECE_BYTES_MAX = MIB;
/** Logs that a worker is being brought at a time; it holds them in memory, as it does to execute them. */
export const IMPORT_BYTES_MAX = 256 * MIB;

/** Events of such a log. */
export const IMPORT_EVENTS_MAX = 1_000_000;

const COMMIT_BYTES_MAX = 4 * MIB;
/** Encoded, checked and hashed in some 20 ms: whoever does it lets others wait for no longer. */
const BATCH_BYTES_MAX = 256 * KIB;
/** An event that is larger goes out of its commit, into a blob. */
const INLINE_BYTES_MAX = 256 * KIB;
/** Room in a commit for the event that makes it too full. */
const SPARE_BYTES_MAX = 256 * KIB;
/** Head, ids and chain of a commit: a name of 512 characters, 32 positions. */
const COMMIT_FRAME_BYTES = 5 * KIB;

export interface SizeLimits {
  /** Content of one message. */
  contentBytes: number;
  /** A commit: an answer of storage holds two of them (newest and checkpoint). */
  commitBytes: number;
  /** Events that are put into one commit; those that come after them go into the next. */
  batchBytes: number;
  /** An event (or a fold) that is larger is a blob of its own, named in the commit. */
  inlineBytes: number;
}

let newest: { maxPayload: number; limits: SizeLimits } | null = null;

/**
 * The limits on a server that takes messages of `maxPayload` bytes.
 * @throws RepriseError UNAVAILABLE (not retryable) when that is too little to run with
 */
export function limitsOf(maxPayload: number): SizeLimits {
  if (newest?.maxPayload === maxPayload) return newest.limits;
  if (!(maxPayload >= PAYLOAD_BYTES_MIN)) {
    throw new RepriseError(
      'UNAVAILABLE',
      `the server's max_payload is ${maxPayload} bytes; Reprise needs ${PAYLOAD_BYTES_MIN} at least`,
      {
        retryable: false,
        hint: `set max_payload: ${PAYLOAD_BYTES_OURS} in the configuration of nats-server`,
      },
    );
  }
  const contentBytes = maxPayload - ENVELOPE_BYTES;
  const commitBytes = Math.min(COMMIT_BYTES_MAX, Math.floor(contentBytes / 2));
  const spareBytes = Math.min(SPARE_BYTES_MAX, Math.floor(commitBytes / 10));
  const roomBytes = commitBytes - spareBytes - COMMIT_FRAME_BYTES;
  const batchBytes = Math.min(BATCH_BYTES_MAX, roomBytes);
  const inlineBytes = Math.min(INLINE_BYTES_MAX, Math.floor(roomBytes / 4));
  const limits = { contentBytes, commitBytes, batchBytes, inlineBytes };
  newest = { maxPayload, limits };
  return limits;
}

/** msgpack: what surrounds a text, a list or a map, and a number, at most. */
const FRAME_BYTES = 5;
const NUMBER_BYTES = 9;

/** Bytes of a value in msgpack, at most a few more than it really takes: cheap, without encoding it. */
export function weightOf(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return Buffer.byteLength(value) + FRAME_BYTES;
    case 'object':
      break;
    case 'undefined':
      return 0;
    default:
      return NUMBER_BYTES;
  }
  if (value === null) return 1;
  let bytes = FRAME_BYTES;
  if (Array.isArray(value)) for (const item of value) bytes += weightOf(item);
  else if (value instanceof Uint8Array) bytes += value.byteLength;
  else {
    const record = value as Record<string, unknown>;
    for (const key in record) bytes += Buffer.byteLength(key) + FRAME_BYTES + weightOf(record[key]);
  }
  return bytes;
}
