/**
 * What the storage actor needs from a store. Two implementations: JetStream and memory, one conformance suite.
 * Positions are numbers that grow; a session's positions have gaps (other sessions share the log).
 */
import type { Commit, StoredCommit } from '../bus/types.ts';

export interface LogStore {
  /**
   * Writes one commit, if the session's newest commit is at `expected` (0: the session has none).
   * A commit whose id is already the newest is answered as the first time (`duplicate: true`).
   * @throws RepriseError FENCED (someone else committed first), TOO_LARGE, STORAGE_FULL, TIMEOUT/DISCONNECTED
   * (outcome unknown: the caller must re-read), never a blind retry inside.
   */
  append(
    commit: Commit,
    expected: number,
  ): Promise<{ position: number; sizeBytes: number; duplicate: boolean }>;
  /** Newest commit of a session, or null. */
  last(token: string): Promise<StoredCommit | null>;
  /** Commits at known positions, in the order asked. @throws RepriseError CORRUPT when one is missing. */
  at(token: string, positions: number[]): Promise<StoredCommit[]>;
  /** Newest commit of every session, in no particular order. */
  sessions(): AsyncIterable<StoredCommit>;
  /** Forgets a session's commits. Returns false when there were none. */
  remove(token: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Immutable blobs by kind and key: checkpoint images (`ckpt`), receipts (`receipt`). */
export interface BlobStore {
  /** Stores a blob; the first writer of a key wins, later puts are ignored and return false. */
  put(kind: string, key: string, bytes: Uint8Array): Promise<boolean>;
  get(kind: string, key: string): Promise<Uint8Array | null>;
  remove(kind: string, key: string): Promise<boolean>;
  close(): Promise<void>;
}
