/** Schemas of replies: what a client checks before it believes what came over the bus. */
import * as v from 'valibot';
import { decode } from './codec.ts';
import { type ErrorCode, type LogPoint, RepriseError, type WireError } from './errors.ts';
import {
  failure,
  flag,
  largeValue,
  natural,
  number,
  optional,
  type Schema,
  shaped,
  text,
  usage,
} from './event-schemas.ts';
import type {
  AppendReply,
  BlobGetReply,
  BlobPutReply,
  BrokenLog,
  CellError,
  CompleteReply,
  DeleteReply,
  Divergence,
  ExamineReply,
  ExecuteReply,
  FindReply,
  GetReply,
  InspectReply,
  ListReply,
  LivePrinted,
  LlmAnswer,
  LoadReply,
  PresenceReply,
  ReadReply,
  RemovalProgress,
  ReplayReply,
  ScannedMessage,
  ScanReply,
  SimpleReply,
} from './protocol.ts';
import { commitSchema, parse } from './schemas.ts';
import type { Trouble } from './trouble.ts';
import type { PendingEffect, ReplState, SessionMetadata, StoredCommit, VariableSummary } from './types.ts';

/**
 * The content of a reply.
 * @throws RepriseError the failure that the reply tells of, or BAD_FORMAT when it is not a reply of this shape.
 */
export function parseReply<T extends object>(schema: Schema<T>, bytes: Uint8Array): T {
  const reply = decode(bytes);
  if (isRecord(reply) && reply.ok === false) throw RepriseError.fromWire(parse(wireError, reply));
  if (!isRecord(reply) || reply.ok !== true) throw new RepriseError('BAD_FORMAT', 'not a reply');
  const { ok: _, ...content } = reply;
  return parse(schema, content);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const wireError = shaped<WireError>({
  error: text,
  // A newer part may send a code that this one does not know: `fromWire` makes it INTERNAL.
  code: text as unknown as Schema<ErrorCode>,
  retryable: flag,
  hint: optional(text),
  at: optional(shaped<LogPoint>({ position: natural, seq: optional(natural) })),
});

const date = v.date() as Schema<Date>;
const metadata = shaped<SessionMetadata>({
  id: text,
  name: text,
  created: date,
  lastAccessed: date,
  eventCount: natural,
  checkpointCount: natural,
  size: natural,
});

// ── Workers ─────────────────────────────────────────────────────────────────────────────────────────────

export const executeReplySchema = shaped<ExecuteReply>({
  session: text,
  commandId: text,
  seq: v.tuple([natural, natural]) as Schema<[number, number]>,
  output: text,
  shouldExit: flag,
  stdout: text,
  stderr: text,
  error: v.nullable(shaped<CellError>({ name: text, message: text, stack: text })),
  durationMs: number,
  worker: text,
  repeated: flag,
});

const variable = shaped<VariableSummary>({
  name: text,
  type: text,
  preview: text,
  kind: v.picklist(['let', 'const', 'class', 'function', 'var', 'global']),
});
const pendingEffect = shaped<PendingEffect>({ effect: natural, kind: text, seq: natural, detail: text });

export const inspectReplySchema = shaped<InspectReply>({
  state: shaped<ReplState>({
    seq: number,
    cells: natural,
    status: v.picklist(['ready', 'running', 'awaitingEffects', 'closed']),
    stateId: text,
    heapBytes: natural,
    kernel: text,
    variables: v.array(variable),
    pending: v.array(pendingEffect),
    background: optional(
      shaped<NonNullable<ReplState['background']>>({ turns: natural, limit: natural, paused: v.boolean() }),
    ),
  }),
  metadata,
});

export const completeReplySchema = shaped<CompleteReply>({ completions: v.array(text), from: natural });
/** Of an activation without a request: that it was done is all. */
export const activateReplySchema = shaped<object>({});
export const simpleReplySchema = shaped<SimpleReply>({ seq: number });

const divergence = shaped<Divergence>({
  seq: number,
  position: optional(natural),
  kind: v.picklist(['output', 'effect', 'stateId', 'chain', 'missing', 'extra']),
  expected: text,
  actual: text,
});
export const replayReplySchema = shaped<ReplayReply>({
  verified: flag,
  events: natural,
  checkpoints: natural,
  divergence: optional(divergence),
  durationMs: number,
});

export const presenceReplySchema = shaped<PresenceReply>({
  role: v.picklist(['worker', 'storage', 'llm', 'supervisor']),
  process: text,
  pid: natural,
  sessions: optional(natural),
  state: text,
  version: text,
  counters: optional(v.record(text, number) as Schema<Record<string, number>>),
});

/** A preview that came on `live.<token>`. */
export const livePrintedSchema = shaped<LivePrinted>({
  turn: natural,
  at: natural,
  parts: v.array(shaped<LivePrinted['parts'][number]>({ stream: v.picklist(['stdout', 'stderr']), text })),
});

// ── Storage ─────────────────────────────────────────────────────────────────────────────────────────────

/** Checked by hand: it comes with every command. */
export const appendReplySchema = v.custom<AppendReply>((value) => {
  const { position, sizeBytes, duplicate } = value as Partial<AppendReply>;
  return Number.isSafeInteger(position) && Number.isSafeInteger(sizeBytes) && typeof duplicate === 'boolean';
}, 'Expected the place of a commit');
const storedCommit = shaped<StoredCommit>({ commit: commitSchema, position: natural, sizeBytes: natural });
export const readReplySchema = shaped<ReadReply>({
  commits: v.array(storedCommit),
  next: v.nullable(natural),
});
/** The outside of a stored commit: what is in it was checked when it was appended, and its hash is checked next. */
const sealedCommit = v.custom<StoredCommit>((value) => {
  const { commit, position, sizeBytes } = (value ?? {}) as Partial<StoredCommit>;
  if (!Number.isSafeInteger(position) || !Number.isSafeInteger(sizeBytes) || !commit) return false;
  return typeof commit.hash === 'string' && Array.isArray(commit.events) && isRecord(commit.head);
}, 'Expected a stored commit');
export const loadReplySchema = shaped<LoadReply>({
  last: v.nullable(sealedCommit),
  checkpoint: v.nullable(sealedCommit),
  tail: v.array(sealedCommit),
  more: flag,
  troubled: optional(flag),
});
export const findReplySchema = shaped<FindReply>({
  seq: v.nullable(v.tuple([natural, natural])),
  more: optional(flag),
});
export const blobPutReplySchema = shaped<BlobPutReply>({ stored: flag });
export const blobGetReplySchema = shaped<BlobGetReply>({
  bytes: v.nullable(v.instance(Uint8Array)) as Schema<Uint8Array | null>,
  parts: natural,
  sealed: optional(flag),
});
export const scanReplySchema = shaped<ScanReply>({
  found: v.array(
    shaped<ScannedMessage>({
      position: natural,
      sizeBytes: natural,
      commit: optional(commitSchema),
      problem: optional(text),
    }),
  ),
  next: v.nullable(natural),
});
export const examineReplySchema = shaped<ExamineReply>({
  broken: v.array(shaped<BrokenLog>({ session: text, problem: text })),
  examined: natural,
  next: v.nullable(text),
});
const trouble = shaped<Trouble>({
  session: text,
  code: text as unknown as Schema<ErrorCode>,
  message: text,
  hint: optional(text),
  tries: natural,
  nextAt: number,
});
export const listReplySchema = shaped<ListReply>({
  sessions: v.array(metadata),
  troubles: optional(v.array(trouble)),
  next: v.nullable(text),
});
export const troubleReplySchema = shaped<object>({});
export const getReplySchema = shaped<GetReply>({
  metadata: v.nullable(metadata),
  removal: optional(v.nullable(shaped<RemovalProgress>({ left: natural, total: natural }))),
});
export const deleteReplySchema = shaped<DeleteReply>({ deleted: flag });

// ── LLM ─────────────────────────────────────────────────────────────────────────────────────────────────

/** What an LLM actor answers, and what a receipt holds. */
export const llmAnswerSchema = shaped<LlmAnswer>({
  response: text,
  model: text,
  usage,
  error: failure,
  large: optional(largeValue),
});
