/**
 * The shared contract: every interface that one part of Reprise implements and another part relies on.
 *
 * Names and fields of the contract's types are fixed. Event fields may be added (always optional), never
 * renamed or removed: logs live for ever. Requests and replies live in `operations/`.
 */

import type { ForkPoint, LargeValue, SessionEvent } from './events.ts';
import type { Rung } from './ladder.ts';

export type { EventOf, ForkPoint, Json, LargeValue, SessionEvent, SessionEventType } from './events.ts';

// ── Core results ────────────────────────────────────────────────────────────────────────────────────────

export interface ExecuteResult {
  /** Rendered value of the last expression; '' when there is none. */
  output: string;
  /** True once the cell called `exit()`: the session is closed. */
  shouldExit: boolean;
}

export interface SessionMetadata {
  id: string;
  name: string;
  created: Date;
  lastAccessed: Date;
  eventCount: number;
  checkpointCount: number;
  /** Bytes stored for the session: commits plus checkpoint images it wrote. */
  size: number;
  /** Of a fork: the session and the event that it goes on from. */
  parent?: Pick<ForkPoint, 'session' | 'id' | 'seq'>;
}

// ── Configuration ───────────────────────────────────────────────────────────────────────────────────────

export interface ServerConfig {
  /** Port of the local nats-server; 0 picks a free one. */
  port: number;
  sessionDir: string;
  /** Sessions a worker keeps resident (their pages in memory) before it passivates the least recent. */
  maxCachedSessions: number;
  /** How long a session stays idle before its heap is saved as a checkpoint and parked. */
  saveIntervalMs: number;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

// ── Session state as seen from outside ──────────────────────────────────────────────────────────────────

/** A variable of the session, as inspection shows it. */
export interface VariableSummary {
  name: string;
  /** 'number', 'function', 'class', 'Map', 'Array'…: the constructor's name for objects, else `typeof`. */
  type: string;
  /** One line of at most 120 characters. */
  preview: string;
  kind: 'let' | 'const' | 'class' | 'function' | 'var' | 'global';
}

/** An effect that left the kernel and has no answer yet. */
export interface PendingEffect {
  effect: number;
  kind: string;
  /** seq of its request event. */
  seq: number;
  detail: string;
}

/** The state of a session's kernel: what `getState()` and `reprise show` return. */
export interface ReplState {
  seq: number;
  cells: number;
  status: 'ready' | 'running' | 'awaitingEffects' | 'closed';
  stateId: string;
  heapBytes: number;
  kernel: string;
  variables: VariableSummary[];
  pending: PendingEffect[];
  /** Turns since the newest command that no cell waited for, of how many; `paused`: the next command goes on. */
  background?: { turns: number; limit: number; paused: boolean };
}

// ── Server-side ports ───────────────────────────────────────────────────────────────────────────────────

export interface ISessionInstance {
  execute(command: string): Promise<ExecuteResult>;
  getState(): ReplState;
  getMetadata(): SessionMetadata;
  /** True while the heap has changes that no checkpoint holds. (The log always holds them.) */
  isDirty(): boolean;
  markClean(): void;
  /** Milliseconds since the epoch. */
  getLastAccessTime(): number;
  getChangesSinceLastSave(): SessionEvent[];
  updateSavePoint(): void;
}

export interface ISessionPool {
  get(name: string): ISessionInstance | undefined;
  add(name: string, instance: ISessionInstance): void;
  remove(name: string): boolean;
  getAll(): ISessionInstance[];
  getAllMetadata(): SessionMetadata[];
  getDirty(): ISessionInstance[];
  clear(): void;
  size(): number;
}

export interface IIncrementalWriter {
  appendEvents(events: SessionEvent[], state: ReplState): Promise<void>;
}

export interface ISessionPersister {
  save(session: ISessionInstance): Promise<void>;
  load(): Promise<ISessionInstance | null>;
  saveSync(session: ISessionInstance): void;
}

export interface IPersistenceManager {
  saveSession(session: ISessionInstance): Promise<void>;
  loadSession(name: string): Promise<ISessionInstance | null>;
  saveDirtySessions(): Promise<void>;
  forceSave(): Promise<void>;
  shutdown(): void;
}

export interface ISessionManager {
  getSession(name: string): Promise<ISessionInstance>;
  executeCommand(sessionName: string, command: string): Promise<ExecuteResult>;
  listSessions(): SessionMetadata[];
  saveDirtySessions(): Promise<void>;
  shutdown(): Promise<void>;
}

export interface IProcessManager {
  startServer(options?: Record<string, unknown>): Promise<number | undefined>;
  stopServer(): Promise<void>;
  isServerRunning(): Promise<boolean>;
  getServerPid(): Promise<number | null>;
}

export interface ISessionClient {
  init(): Promise<void>;
  executeCommand(sessionName: string, command: string): Promise<ExecuteResult>;
  listSessions(): Promise<SessionMetadata[]>;
  getSession(name: string): Promise<SessionMetadata | null>;
  forceSave(sessionName: string): Promise<void>;
}

// ── Commits ─────────────────────────────────────────────────────────────────────────────────────────────

/** How many commits before it a commit names, at most. */
export const TAIL_LENGTH = 32;

/** Projection fields a commit carries so that one read of the newest commit tells all of a session. */
export interface CommitHead {
  name: string;
  id: string;
  created: string;
  /** Time of this commit, ISO. */
  at: string;
  checkpointCount: number;
  /** Bytes stored before this commit (commits and checkpoint images). */
  sizeBefore: number;
  /** Newest checkpoint at or before this commit; `position` is absent when this commit carries it. */
  checkpoint?: { seq: number; stateId: string; position?: number };
  /** In a commit that carries a checkpoint: the checkpoints before it from which every older one is near. */
  ladder?: Rung[];
  /** Log positions of up to 32 commits before this one, newest last. */
  tail: number[];
  /** A turn or a model call is unfinished: somebody must carry on. Waiting for timers alone is `wakeAt`. */
  running?: boolean;
  closed?: boolean;
  /** The session is not there yet: it begins, whole, with the first commit that is not partial. */
  partial?: boolean;
  /** When the earliest pending timer is due, ms since the epoch. */
  wakeAt?: number;
  /** Of a fork: where its log goes on from. */
  parent?: ForkPoint;
}

/** One durable write: its events are appended together or not at all. */
export interface Commit {
  v: 1;
  /** Session token (see `subjects.ts`). */
  session: string;
  /** Unique id of the write; the same id is never appended twice. */
  commit: string;
  /** Grows by one at every activation that commits. */
  epoch: number;
  /** seq of events[0]. */
  first: number;
  events: SessionEvent[];
  /** Hash of the commit before, '' for the first. */
  prev: string;
  /** sha256 over the canonical msgpack encoding of the commit without this field. */
  hash: string;
  /** Kernel version that produced the events. */
  kernel: string;
  head: CommitHead;
  /** The session's fold at its last event, present on commits that carry a checkpoint. */
  fold?: Uint8Array;
  /** Instead of `fold`, when that is too large for a commit. */
  foldLarge?: LargeValue;
}

/** A commit together with where the log keeps it. */
export interface StoredCommit {
  commit: Commit;
  /** Position in the log (a stream sequence); grows, but with gaps. */
  position: number;
  sizeBytes: number;
  /** Of another session's commit, which a fork goes on from: only events up to this seq are the fork's, too. */
  upTo?: number;
}

// ── API types ───────────────────────────────────────────────────────────────────────────────────────────

export interface ApiExecuteRequest {
  command: string;
}

export interface ApiExecuteResponse {
  output: string;
  shouldExit: boolean;
}

export interface ApiSessionListResponse {
  sessions: SessionMetadata[];
}

export interface ApiErrorResponse {
  error: string;
}

export enum AccessMode {
  ReadOnly = 'readonly',
  ReadWrite = 'readwrite',
}

export interface SessionMetrics {
  commandCount: number;
  averageExecutionTime: number;
  peakMemoryUsage: number;
  lastAccessed: Date;
  sessionSize: number;
}

/** A moment of a session that somebody keeps: a checkpoint, and what is said of it. */
export interface SnapshotMetadata {
  /** `<session>@<seq>`. */
  id: string;
  sessionName: string;
  created: Date;
  description: string;
  tags: string[];
}

/** What somebody says of a moment of a session. */
export interface CheckpointAnnotation {
  /** seq of the event after which the moment is: a checkpoint's or any other's. */
  checkpointSeq: number;
  label: string;
  description: string;
  tags: string[];
  created: Date;
  /** It makes the moment a snapshot. */
  snapshot?: true;
}
