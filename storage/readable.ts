/** Messages of a log as commits: what is right with one, and what is wrong. */
import { BROKEN_HINT, chainError, faultText, lastSeqOf, placedFault } from '../bus/chain.ts';
import { decode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import { commitSchema } from '../bus/event-schemas.ts';
import type { ScannedMessage } from '../bus/operations/logs.ts';
import { parse } from '../bus/schema.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';

/** A message as its store gives it. */
export interface Message {
  position: number;
  sizeBytes: number;
  /** Position of the newest commit before it, as its writer knew it; null when it did not say. */
  expected: number | null;
  /** @throws RepriseError CORRUPT when it is no commit of the session */
  read(): StoredCommit;
}

/** What bytes at a place of a session's log say. @throws RepriseError CORRUPT when that is no commit of the session */
export function commitOf(bytes: Uint8Array, token: string, position: number): StoredCommit {
  let commit: Commit;
  try {
    commit = parse(commitSchema, decode(bytes));
  } catch (cause) {
    throw missing(token, position, cause);
  }
  if (commit.session !== token) throw missing(token, position);
  return { commit, position, sizeBytes: bytes.byteLength };
}

/** The commit in a message. @throws RepriseError CORRUPT when it is none, or was not appended as one */
export function commitIn({ read, expected }: Message): StoredCommit {
  const stored = read();
  const fault = placedFault(stored, expected);
  if (fault) throw chainError(fault, 'CORRUPT');
  return stored;
}

/** What a message is, whatever is wrong with it. */
export function foundIn({ read, expected, position, sizeBytes }: Message): ScannedMessage {
  try {
    const stored = read();
    const fault = placedFault(stored, expected);
    const found: ScannedMessage = { position, sizeBytes, commit: stored.commit };
    return fault ? { ...found, problem: faultText(fault) } : found;
  } catch (thrown) {
    return { position, sizeBytes, problem: RepriseError.from(thrown).message };
  }
}

/** The error for a place that holds no commit of the session. */
export function missing(token: string, position: number, cause?: unknown): RepriseError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new RepriseError(
    'CORRUPT',
    `the log has no commit of session ${token} at position ${position}${why}`,
    { cause, hint: BROKEN_HINT, at: { position } },
  );
}

/** The error for a log that ends before a commit that was durable. */
export function cutOff({ commit, position }: StoredCommit, expected: number): RepriseError {
  return new RepriseError(
    'CORRUPT',
    `the log of session ${commit.session} ends at position ${position}, but it had a commit at ${expected}`,
    { hint: BROKEN_HINT, at: { position: expected, seq: lastSeqOf(commit) + 1 } },
  );
}

/** The error for a session whose newest commits are gone while older ones are there. */
export function beheaded(token: string, position: number): RepriseError {
  return new RepriseError(
    'CORRUPT',
    `the newest commits of session ${token} are gone; older ones are there, from log position ${position} on`,
    { hint: BROKEN_HINT, at: { position } },
  );
}
