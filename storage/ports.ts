/**
 * What the storage actor needs from a store. Two implementations: JetStream and memory, one conformance suite.
 * Positions are numbers that grow; a session's positions have gaps (other sessions share the log).
 */
import type { ScannedMessage } from '../bus/operations/logs.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';

export interface LogIndex {
  /** Token of every session, with the number of its commits. */
  commits: Map<string, number>;
  /**
   * Changes whenever something was deleted. While it stays the same, a session with as many commits as before
   * has the same newest commit as before.
   */
  generation: number;
}

export interface LogStore {
  /**
   * Writes one commit, if the session's newest commit is at `expected` (0: the session has none).
   * A commit whose id is already the newest is answered as the first time (`duplicate: true`).
   * `bytes` is the commit in msgpack, for a caller that has it already.
   * @throws RepriseError FENCED (someone else committed first), TOO_LARGE, STORAGE_FULL, TIMEOUT/DISCONNECTED
   * (outcome unknown: the caller must re-read), never a blind retry inside.
   */
  append(
    commit: Commit,
    expected: number,
    bytes?: Uint8Array,
  ): Promise<{ position: number; sizeBytes: number; duplicate: boolean }>;
  /**
   * Newest commit of a session, or null when the log has nothing of it at all.
   * @throws RepriseError CORRUPT when what is there is no commit of it, or was not appended behind the commit that
   * it names, or when the newest commits are gone and older ones are left
   */
  last(token: string): Promise<StoredCommit | null>;
  /** Commits at known positions, in the order asked. @throws RepriseError CORRUPT when one is missing, or as `last` */
  at(token: string, positions: number[]): Promise<StoredCommit[]>;
  /** Whether the log has anything at all of a session, also where no newest commit is to be found. */
  holds(token: string): Promise<boolean>;
  /**
   * What stands in a session's log after a position, in order, whatever is wrong with it. Slow: for logs that are
   * not whole.
   * @param before position at which to stop: of a grave, for what is buried there
   */
  scan(token: string, after: number, limit: number, before?: number): Promise<ScannedMessage[]>;
  /** Which sessions there are, without reading any of their commits. */
  index(): Promise<LogIndex>;
  /**
   * Ends a session by a grave behind its newest message, which must be at `expected`: from then on it has no newest
   * commit, whoever owned it is fenced, and a session of the same name may begin behind the grave. Returns where the
   * grave is; asked again, where it was.
   * @throws RepriseError FENCED when the newest message is another one; else as `append`
   */
  bury(token: string, expected: number): Promise<number>;
  /** Where the grave right behind `position` is, null when something else follows, or nothing. */
  grave(token: string, position: number): Promise<number | null>;
  /** Position of the newest message of a session, be it a commit or damaged; 0 when there is none, or a grave. */
  end(token: string): Promise<number>;
  /** How many messages are kept under a session's name, graves and what lies before them included. */
  count(token: string): Promise<number>;
  /** Forgets the messages before a position, graves too; what stands at it and behind it stays. */
  purge(token: string, before: number): Promise<void>;
  /** Forgets all messages of a session at once. Returns false when there were none. */
  remove(token: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Immutable blobs by kind and key: checkpoint images (`ckpt`), receipts (`receipt`), large values (`large`). */
export interface BlobStore {
  /** Stores a blob; the first writer of a key wins, later puts are ignored and return false. */
  put(kind: string, key: string, bytes: Uint8Array): Promise<boolean>;
  get(kind: string, key: string): Promise<Uint8Array | null>;
  /** Forgets blobs; returns how many there were. */
  remove(kind: string, keys: readonly string[]): Promise<number>;
  /** Keys of all blobs of a kind. */
  keys(kind: string): Promise<string[]>;
  /** Forgets the blobs whose keys are `<scope>.<anything>`. */
  removeScope(kind: string, scope: string): Promise<void>;
  close(): Promise<void>;
}

/** Structured logging, as pino's methods. */
export interface Log {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}
