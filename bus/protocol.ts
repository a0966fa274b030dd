/**
 * Requests and replies on the bus, as types. The schemas that check them at every boundary are in
 * `schemas.ts`. Every reply is either `{ok: true, …}` or a `WireError` with `ok: false`.
 */
import type { WireError } from './errors.ts';
import type { Trouble } from './trouble.ts';
import type {
  ApiExecuteRequest,
  ApiExecuteResponse,
  Commit,
  Json,
  LargeValue,
  ReplState,
  SessionEvent,
  SessionMetadata,
  StoredCommit,
} from './types.ts';

/** A request that failed. */
export type Failure = WireError & { ok: false };
/** What comes back on every request. */
export type Reply<T> = (T & { ok: true }) | Failure;

/**
 * First answer to a request that takes longer than ~15 ms: it was accepted by `process`, which answers
 * on `subjects.ping(process)`. The real reply follows on the same inbox.
 */
export interface Accepted {
  ok: 'accepted';
  process: string;
}

// ── Requests to the owner of a session: `cmd.<token>`, or inside `activate` ────────────────────────────

export interface ExecuteRequest extends ApiExecuteRequest {
  op: 'execute';
  session: string;
  commandId: string;
  /** Wall-clock budget of the cell's computing (not of waiting for effects), ms. */
  timeoutMs?: number;
}
export interface InterruptRequest {
  op: 'interrupt';
  session: string;
  /** The command to interrupt; absent: whatever runs. */
  commandId?: string;
}
export interface InspectRequest {
  op: 'inspect';
  session: string;
}
export interface CompleteRequest {
  op: 'complete';
  session: string;
  code: string;
  cursor: number;
}
export interface CloseRequest {
  op: 'close';
  session: string;
  reason?: string;
}
/** Takes a checkpoint now (the contract's forceSave). */
export interface CheckpointRequest {
  op: 'checkpoint';
  session: string;
}
/** Is anybody there? Answered at once, without a look at the session. */
export interface OwnerRequest {
  op: 'owner';
  session: string;
}
export type SessionRequest =
  | ExecuteRequest
  | InterruptRequest
  | InspectRequest
  | CompleteRequest
  | CloseRequest
  | CheckpointRequest
  | OwnerRequest;

export interface CellError {
  name: string;
  message: string;
  stack: string;
}
export interface ExecuteReply extends ApiExecuteResponse {
  session: string;
  commandId: string;
  /** First and last seq of the command's events. */
  seq: [number, number];
  stdout: string;
  stderr: string;
  error: CellError | null;
  durationMs: number;
  /** Worker that answered. */
  worker: string;
  /** True when the command had been executed before and this is its recorded result. */
  repeated: boolean;
}
export interface InspectReply {
  state: ReplState;
  metadata: SessionMetadata;
}
export interface CompleteReply {
  completions: string[];
  /** Start of the text that the completions replace. */
  from: number;
}
export interface OwnerReply {
  /** The worker that has the session. */
  process: string;
}
export interface SimpleReply {
  seq: number;
}

/** `activate` / `activate.<worker>`: become the owner, then do what `request` says (if any). */
export interface ActivateRequest {
  session: string;
  request?: SessionRequest;
}

/** Answer on `presence.who` and `presence.ping.*`. */
export interface PresenceReply {
  role: 'worker' | 'storage' | 'llm' | 'supervisor';
  process: string;
  pid: number;
  /** Resident sessions of a worker. */
  sessions?: number;
  state: string;
  version: string;
  /** Counters since start: errors by code, commits, calls… */
  counters?: Record<string, number>;
}

// ── Live ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * `live.<token>`: a piece of what a turn prints, sent while it runs. A preview: the turn's `output` events say the same
 * once they are committed, and it may never come to that. (turn, at) is the same place for ever, also when the turn
 * is run again elsewhere.
 */
export interface LivePrinted {
  /** seq of the event that began the turn: it is durable. */
  turn: number;
  /** UTF-16 units of the turn's console text before this piece: its outputs in order, each with its newline. */
  at: number;
  parts: { stream: 'stdout' | 'stderr'; text: string }[];
}

// ── Storage ─────────────────────────────────────────────────────────────────────────────────────────────

/** `append.<shard>.<token>` */
export interface AppendRequest {
  commit: Commit;
  /** Log position of the previous commit, 0 for the first. */
  expected: number;
}
export interface AppendReply {
  position: number;
  sizeBytes: number;
  duplicate: boolean;
}

/** `store.load`: all that activation needs, in one answer. */
export interface LoadRequest {
  session: string;
  /** Kernel version that will restore it; a checkpoint by another kernel is left out and the tail is longer. */
  kernel: string;
  /** Only checkpoints before this log position: that one turned out to be of no use. */
  before?: number;
}
export interface LoadReply {
  /** null: there is no such session. */
  last: StoredCommit | null;
  /** The commit carrying the newest usable checkpoint (with its fold), null to replay from seq 0. */
  checkpoint: StoredCommit | null;
  /** Commits after the checkpoint (or all), oldest first. At most 512; when `more`, read on by `store.read`. */
  tail: StoredCommit[];
  more: boolean;
  /** It could not be restored before: whoever restores it says so. */
  troubled?: boolean;
}

/** `store.read`: commits that hold events from seq `from` to `to`, oldest first, at most ~1 MB an answer. */
export interface ReadRequest {
  session: string;
  from: number;
  to?: number;
}
export interface ReadReply {
  commits: StoredCommit[];
  /** seq to continue from, null at the end. */
  next: number | null;
}

/** `store.scan`: what stands in a session's log, in order, whatever is wrong with it. For logs that are not whole. */
export interface ScanRequest {
  session: string;
  /** Position after which to go on; absent: from the first message. */
  after?: number;
}
/** What stands at one position of a log. */
export interface ScannedMessage {
  position: number;
  sizeBytes: number;
  /** Absent when what is there is no commit of the session. */
  commit?: Commit;
  /** What is wrong with it, seen alone. */
  problem?: string;
}
export interface ScanReply {
  found: ScannedMessage[];
  /** Position to go on after, null at the end. */
  next: number | null;
}

/** `store.examine`: sessions whose logs are not whole, as far as their links tell; a page of sessions an answer. */
export interface ExamineRequest {
  /** Continue after this token. */
  after?: string;
}
export interface BrokenLog {
  /** Its name, or its token where no name can be read. */
  session: string;
  problem: string;
}
export interface ExamineReply {
  broken: BrokenLog[];
  examined: number;
  next: string | null;
}

/** `store.list` */
export interface ListRequest {
  /** Continue after this token. */
  after?: string;
  limit?: number;
  /** Only sessions with an unfinished cell or a timer due before this time (ms since the epoch). */
  unfinishedAt?: number;
}
export interface ListReply {
  sessions: SessionMetadata[];
  /** Sessions of this page that cannot be restored or read; those without metadata are in this list alone. */
  troubles?: Trouble[];
  next: string | null;
}

/** `store.get` */
export interface GetRequest {
  session: string;
  /** Asks, too, how far the removal of a session of this name is. */
  removal?: boolean;
}
export interface GetReply {
  metadata: SessionMetadata | null;
  /** null: none is under way. */
  removal?: RemovalProgress | null;
}
/** How much of an ended session is still to be removed, in messages of its log. */
export interface RemovalProgress {
  left: number;
  total: number;
}

/** `store.delete`: the session has ended when it is answered; its content goes in the background. */
export interface DeleteRequest {
  session: string;
}
export interface DeleteReply {
  deleted: boolean;
}

/** `store.find`: where a command's events are. Walks the log backwards; rare (retries of old commands). */
export interface FindRequest extends FindBounds {
  session: string;
  commandId: string;
}
/** How far back a command is sought. */
export interface FindBounds {
  /** It is none of the commits before this time, ms since the epoch. */
  sinceMs?: number;
  /** It is one of so many newest cells. */
  cellsMax?: number;
}
/** What was found of a command. */
export interface FoundCommand {
  /** Events of the command, input first; empty when it never ran; without its last event when unfinished. */
  events: SessionEvent[];
  /** Not found so far, and not all was looked through: the log is long. */
  more?: boolean;
}
export interface FindReply {
  /** First and last event of the command (its newest, while it is unfinished); null when it never ran. */
  seq: [number, number] | null;
  /** Not found so far, and not all was looked through: the log is long. */
  more?: boolean;
}

/** Checkpoint images by their stateId, receipts by their receipt key, large values by scope and hash (`large.ts`). */
export const BLOB_KINDS = ['ckpt', 'receipt', 'large'] as const;
export type BlobKind = (typeof BLOB_KINDS)[number];

/** What storage is asked for, on `store.<operation>`. */
export type StoreOperation =
  | 'load'
  | 'read'
  | 'find'
  | 'scan'
  | 'trouble'
  | 'get'
  | 'list'
  | 'examine'
  | 'delete'
  | BlobOperation;
export type BlobOperation = `blob.${'get' | 'put'}.${BlobKind}`;

/**
 * `store.blob.put.<kind>` / `store.blob.get.<kind>`: large blobs go in parts. The subject names the kind, too, because
 * permissions go by subjects.
 */
export interface BlobPutRequest {
  kind: BlobKind;
  key: string;
  bytes: Uint8Array;
  /** Part `part` of `parts`; absent: whole. */
  part?: number;
  parts?: number;
}
export interface BlobPutReply {
  stored: boolean;
}
export interface BlobGetRequest {
  kind: BlobKind;
  key: string;
  part?: number;
}
export interface BlobGetReply {
  /** null: no such blob. */
  bytes: Uint8Array | null;
  parts: number;
  /** There never will be one: the session it would have belonged to was deleted. */
  sealed?: boolean;
}

// ── Replay: `replay`, queue group of workers ──────────────────────────────────────────────────────────

export interface ReplayRequest {
  session: string;
}
/** The first difference between the log and what re-execution gave. */
export interface Divergence {
  seq: number;
  /** Log position of the commit where the chain breaks. */
  position?: number;
  kind: 'output' | 'effect' | 'stateId' | 'chain' | 'missing' | 'extra';
  expected: string;
  actual: string;
}
export interface ReplayReply {
  verified: boolean;
  events: number;
  checkpoints: number;
  divergence?: Divergence;
  durationMs: number;
}

// ── LLM ─────────────────────────────────────────────────────────────────────────────────────────────────

/** `llm` */
export interface LlmCall {
  receiptKey: string;
  session: string;
  /** What the cell passed: {prompt} or {messages}, model, temperature, maxTokens, system… */
  request: { [key: string]: Json };
  /** The scope of large values of the session (`scopeOf` its id). */
  scope?: string;
  /** Instead of `request` (then empty), when that is too large for a message. */
  large?: LargeValue;
}
/** What a provider answered; stored as the receipt. */
export interface LlmAnswer {
  response: string;
  model: string;
  usage?: { inputTokens: number; outputTokens: number };
  error?: { name: string; message: string; code?: string };
  /** Instead of `response` (then ''), when that is too large for a message; in the scope of the call. */
  large?: LargeValue;
}

/** JSON shape of a SessionMetadata as commands with --json print it: dates as ISO strings. */
export type MetadataJson = Omit<SessionMetadata, 'created' | 'lastAccessed'> & {
  created: string;
  lastAccessed: string;
};
