/**
 * Values that are too large for a commit or a message: their bytes become a blob of the session, found by its hash,
 * and a reference stands where they belong. So no value of a cell, a model call or its answer is too large for the
 * server; only `LARGE_BYTES_MAX` and the heap bound it.
 *
 * An event is kept whole: the blob holds all of it, the commit holds it cut short. The hash chain covers the
 * reference, the reference covers the blob.
 */
import { createHash } from 'node:crypto';
import { decode, encodeCanonical, sha256 } from './codec.ts';
import { RepriseError } from './errors.ts';
import { weightOf } from './limits.ts';
import type { LargeValue, SessionEvent, StoredCommit } from './types.ts';

/** Content of blobs, by scope and hash. */
export interface LargeStore {
  /** Stores content under its hash; the same content again costs nothing. */
  putLarge(scope: string, value: LargeValue, bytes: Uint8Array): Promise<void>;
  /** @throws RepriseError CORRUPT when it is missing or is not what its hash says */
  getLarge(scope: string, value: LargeValue): Promise<Uint8Array>;
}

/** A value with the bytes that it stands for. */
export interface LargeContent {
  value: LargeValue;
  bytes: Uint8Array;
}

/** Scope of a session's large values, from its id: a token that no other session has. */
export const scopeOf = (sessionId: string): string =>
  createHash('sha256').update(sessionId).digest('base64url').slice(0, 22);

/** The content of any value. */
export function largeContent(content: unknown): LargeContent {
  const bytes = encodeCanonical(content);
  return { value: { sha256: sha256(bytes), bytes: bytes.byteLength }, bytes };
}

/** Most bytes that an event takes which is kept as a large value. */
export const CUT_BYTES_MAX = 8 * 1024;
const SHOWN_UNITS = 500;
/** What is no larger stays as it is. */
const SMALL_BYTES = 2 * SHOWN_UNITS;

/** The event as it stands in a commit when `large` holds all of it. */
export function cutShort(event: SessionEvent, large: LargeValue): SessionEvent {
  return { ...(shortened(event) as SessionEvent), large };
}

const VALUES = new Set(['request', 'payload', 'value']);

function shortened(record: object): object {
  const short: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(record)) {
    if (weightOf(field) <= SMALL_BYTES) short[key] = field;
    else if (typeof field === 'string') short[key] = `${field.slice(0, SHOWN_UNITS).toWellFormed()}…`;
    else short[key] = VALUES.has(key) ? null : shortened(field as object);
  }
  return short;
}

/**
 * The events as they were before they were cut short.
 * @throws RepriseError CORRUPT naming the seq when a large value is missing or is another event's
 */
export async function restoredEvents(
  events: readonly SessionEvent[],
  sessionId: string,
  store: Pick<LargeStore, 'getLarge'>,
): Promise<SessionEvent[]> {
  const whole = [...events];
  for (const [index, event] of events.entries()) {
    if (event.large) whole[index] = await restored(event, event.large, scopeOf(sessionId), store);
  }
  return whole;
}

/** Commits whose events are whole again; their hashes then no longer match. @throws as `restoredEvents` */
export async function restoredCommits(
  commits: readonly StoredCommit[],
  store: Pick<LargeStore, 'getLarge'>,
): Promise<StoredCommit[]> {
  const whole = [...commits];
  for (const [index, stored] of commits.entries()) {
    const { commit } = stored;
    if (!commit.events.some(({ large }) => large)) continue;
    const events = await restoredEvents(commit.events, commit.head.id, store);
    whole[index] = { ...stored, commit: { ...commit, events } };
  }
  return whole;
}

async function restored(
  event: SessionEvent,
  large: LargeValue,
  scope: string,
  store: Pick<LargeStore, 'getLarge'>,
): Promise<SessionEvent> {
  const whole = decode(await store.getLarge(scope, large)) as SessionEvent;
  if (whole?.type === event.type && whole.seq === event.seq) return whole;
  throw new RepriseError('CORRUPT', `the large value ${large.sha256} is not the event with seq ${event.seq}`);
}

/** Bytes of blobs that events refer to: they count as the session's. */
export function largeBytesOf(events: readonly SessionEvent[]): number {
  let bytes = 0;
  for (const { large } of events) bytes += large?.bytes ?? 0;
  return bytes;
}
