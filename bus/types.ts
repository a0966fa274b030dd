/**
 * The shared contract: every interface that one part of Reprise implements and another part relies on.
 *
 * Names and fields of the contract's types are fixed. Event fields may be added (always optional), never
 * renamed or removed: logs live for ever. Wire requests and replies live in `protocol.ts`.
 */

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

// ── Session events ──────────────────────────────────────────────────────────────────────────────────────

/** A JSON value: what effects carry across the kernel's wall. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A value that no commit could hold: its canonical bytes are a blob of the session, found by their sha256 (hex). */
export interface LargeValue {
  sha256: string;
  bytes: number;
}

/**
 * Seven event types of the contract (with optional additions), then Reprise's own. With `large` an event stands for
 * the whole one: text is cut short, values are null; whoever reads the log puts the whole one back.
 */
export type SessionEvent = { large?: LargeValue } & (
  | {
      type: 'session';
      version: number;
      id: string;
      created: string;
      seq?: number;
      name?: string;
      /** Seed of the kernel's randomness. */
      seed?: string;
      kernel?: string;
      parent?: { id: string; seq: number };
    }
  | {
      type: 'input';
      seq: number;
      code: string;
      timestamp: string;
      commandId?: string;
      cell?: number;
      /** Wall-clock budget the client asked for. */
      timeoutMs?: number;
    }
  | {
      type: 'output';
      seq: number;
      value: string;
      timestamp: string;
      /** Absent means 'result'. A `result` output ends its cell. */
      stream?: 'result' | 'stdout' | 'stderr';
      /** Console level of stdout/stderr output. */
      level?: string;
      cell?: number;
      shouldExit?: boolean;
      durationMs?: number;
      truncated?: boolean;
    }
  | {
      type: 'checkpoint';
      seq: number;
      reason: string;
      stateId: string;
      timestamp?: string;
      /** Bytes this checkpoint added to the store. */
      sizeBytes?: number;
    }
  | {
      type: 'llm_req';
      seq: number;
      prompt: string;
      receiptKey: string;
      timestamp?: string;
      cell?: number;
      effect?: number;
      /** The whole request: {prompt | messages, model, temperature…}. */
      request?: Json;
    }
  | {
      type: 'llm_resp';
      seq: number;
      response: string;
      receiptKey: string;
      timestamp?: string;
      effect?: number;
      model?: string;
      usage?: { inputTokens: number; outputTokens: number };
      /** The call failed; `response` is ''. The guest sees a rejected promise. */
      error?: { name: string; message: string; code?: string };
    }
  | {
      /** Ends its cell: the cell threw, hit a limit or was interrupted. */
      type: 'error';
      seq: number;
      message: string;
      timestamp: string;
      name?: string;
      stack?: string;
      cell?: number;
      durationMs?: number;
      shouldExit?: boolean;
      /** The turn was undone (memory limit, watchdog): replay does not run it, it applies the failure. */
      rolledBack?: boolean;
    }
  | {
      type: 'effect_req';
      seq: number;
      kind: string;
      effect: number;
      timestamp: string;
      cell?: number;
      payload: Json;
    }
  | {
      type: 'effect_resp';
      seq: number;
      kind: string;
      effect: number;
      timestamp: string;
      value?: Json;
      error?: { name: string; message: string; code?: string };
    }
  | {
      /** The guest no longer waits for the effect (clearTimeout). */
      type: 'effect_cancel';
      seq: number;
      effect: number;
      timestamp: string;
      cell?: number;
    }
  | {
      /** A strike from outside at a deterministic point: replay strikes at the same fuel count. */
      type: 'interrupt';
      seq: number;
      reason: 'user' | 'timeout';
      timestamp: string;
      /** Interrupt-callback count at which it struck, within the turn begun by event `at`; -1: while awaiting. */
      fuel: number;
      at: number;
      commandId?: string;
    }
  | {
      /** The background has used up its turns: answers wait until the next command. */
      type: 'paused';
      seq: number;
      timestamp: string;
      /** Turns since the newest input that no cell waited for. */
      turns: number;
      limit: number;
    }
  | { type: 'closed'; seq: number; reason: string; timestamp: string }
);

export type SessionEventType = SessionEvent['type'];
/** The event of one type. */
export type EventOf<T extends SessionEventType> = Extract<SessionEvent, { type: T }>;

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
  /** Log positions of up to 32 commits before this one, newest last. */
  tail: number[];
  /** A turn or a model call is unfinished: somebody must carry on. Waiting for timers alone is `wakeAt`. */
  running?: boolean;
  closed?: boolean;
  /** When the earliest pending timer is due, ms since the epoch. */
  wakeAt?: number;
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

export interface SnapshotMetadata {
  id: string;
  sessionName: string;
  created: Date;
  description: string;
  tags: string[];
}

export interface CheckpointAnnotation {
  checkpointSeq: number;
  label: string;
  description: string;
  tags: string[];
  created: Date;
}
