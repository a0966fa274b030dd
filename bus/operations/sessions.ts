/** Requests to the owner of a session. */
import * as v from 'valibot';
import { RepriseError } from '../errors.ts';
import { CELL_BYTES_MAX, CELL_REQUEST_BYTES_MAX, mebibytes } from '../limits.ts';
import { commandId, flag, natural, number, optional, type Schema, shaped, text } from '../schema.ts';
import {
  AccessMode,
  type ApiExecuteRequest,
  type ApiExecuteResponse,
  type PendingEffect,
  type ReplState,
  type SessionMetadata,
  type VariableSummary,
} from '../types.ts';
import { type AnnotateRequest, annotateReply, annotateRequest } from './annotations.ts';
import { operation } from './row.ts';

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
  | AnnotateRequest
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
  /** Checkpoints that could not be used when the session was restored. */
  passedOver?: PassedOver[];
}
/** A checkpoint that cannot be started from: an older one is, or the first event. */
export interface PassedOver {
  /** Log position of its commit. */
  position: number;
  seq: number;
  why: string;
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
export interface CheckpointReply extends SimpleReply {
  /** State of the heap that it holds. Absent: the session is closed, and takes none any more. */
  stateId?: string;
}
export interface InterruptReply extends SimpleReply {
  /**
   * What was struck: a cell, a callback of a timer that computed without one, or a cell that had not begun and now
   * never does. Absent: the worker is older.
   */
  interrupted?: 'cell' | 'callback' | 'queued' | 'nothing';
}

const date = v.date() as Schema<Date>;
export const metadata = shaped<SessionMetadata>({
  id: text,
  name: text,
  created: date,
  lastAccessed: date,
  eventCount: natural,
  checkpointCount: natural,
  size: natural,
  parent: optional(shaped<NonNullable<SessionMetadata['parent']>>({ session: text, id: text, seq: natural })),
});

export const budget = v.custom<number>(
  (value) => typeof value === 'number' && value > 0 && value < 2 ** 31,
  'Expected milliseconds above 0, at most 24.8 days',
);
const requests = {
  execute: shaped<ExecuteRequest>({
    op: v.literal('execute'),
    session: text,
    command: text,
    commandId,
    timeoutMs: optional(budget),
  }),
  interrupt: shaped<InterruptRequest>({
    op: v.literal('interrupt'),
    session: text,
    commandId: optional(text),
  }),
  inspect: shaped<InspectRequest>({ op: v.literal('inspect'), session: text }),
  complete: shaped<CompleteRequest>({
    op: v.literal('complete'),
    session: text,
    code: text,
    cursor: natural,
  }),
  close: shaped<CloseRequest>({ op: v.literal('close'), session: text, reason: optional(text) }),
  checkpoint: shaped<CheckpointRequest>({ op: v.literal('checkpoint'), session: text }),
  annotate: annotateRequest,
  owner: shaped<OwnerRequest>({ op: v.literal('owner'), session: text }),
} satisfies { [Op in SessionRequest['op']]: Schema<Extract<SessionRequest, { op: Op }>> };

export const cellError = shaped<CellError>({ name: text, message: text, stack: text });
const executeReply = shaped<ExecuteReply>({
  session: text,
  commandId: text,
  seq: v.tuple([natural, natural]) as Schema<[number, number]>,
  output: text,
  shouldExit: flag,
  stdout: text,
  stderr: text,
  error: v.nullable(cellError),
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

const passedOver = shaped<PassedOver>({ position: natural, seq: natural, why: text });

export const inspected = {
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
  passedOver: optional(v.array(passedOver)),
};
const inspectReply = shaped<InspectReply>(inspected);

const completeReply = shaped<CompleteReply>({ completions: v.array(text), from: natural });

const simpleReply = shaped<SimpleReply>({ seq: number });
const checkpointReply = shaped<CheckpointReply>({ seq: number, stateId: optional(text) });
const interruptReply = shaped<InterruptReply>({
  seq: number,
  interrupted: v.optional(v.picklist(['cell', 'callback', 'queued', 'nothing'])),
});

const asked = {
  subject: 'cmd.<session>',
  requestBytes: CELL_REQUEST_BYTES_MAX,
  from: ['client'],
  servedBy: ['worker'],
  answer: 'long',
} as const;

/** What a session is asked, on `cmd.<session>`, or inside `activate`; rows by `op`. */
export const SESSION = {
  execute: operation({
    ...asked,
    request: requests.execute,
    reply: executeReply,
    access: AccessMode.ReadWrite,
    idempotent: true,
    what: 'runs a cell',
  }),
  interrupt: operation({
    ...asked,
    request: requests.interrupt,
    reply: interruptReply,
    access: AccessMode.ReadWrite,
    // Sent again, it might strike the cell after the one that was meant.
    idempotent: false,
    what: 'strikes what runs',
  }),
  inspect: operation({
    ...asked,
    request: requests.inspect,
    reply: inspectReply,
    access: AccessMode.ReadOnly,
    idempotent: true,
    what: 'describes the state',
  }),
  complete: operation({
    ...asked,
    request: requests.complete,
    reply: completeReply,
    access: AccessMode.ReadOnly,
    idempotent: true,
    what: 'completes code',
  }),
  close: operation({
    ...asked,
    request: requests.close,
    reply: simpleReply,
    access: AccessMode.ReadWrite,
    idempotent: true,
    what: 'ends the session',
  }),
  checkpoint: operation({
    ...asked,
    request: requests.checkpoint,
    reply: checkpointReply,
    access: AccessMode.ReadWrite,
    idempotent: true,
    what: 'takes a checkpoint',
  }),
  annotate: operation({
    ...asked,
    request: requests.annotate,
    reply: annotateReply,
    access: AccessMode.ReadWrite,
    idempotent: true,
    what: 'says something of a moment',
  }),
  owner: operation({
    ...asked,
    request: requests.owner,
    reply: shaped<OwnerReply>({ process: text }),
    from: ['worker'],
    access: AccessMode.ReadOnly,
    idempotent: true,
    answer: 'quick',
    what: 'asks who has it',
  }),
};
export type SessionOperation = keyof typeof SESSION;

const unknownOp = shaped<{ op: never }>({
  op: v.picklist(Object.keys(requests)) as unknown as Schema<never>,
});

/** Which schema applies is looked up by `op`: faster than trying one after the other. */
export const sessionRequestSchema: Schema<SessionRequest> = v.lazy((value): Schema<SessionRequest> => {
  const op = (value as { op?: unknown } | null | undefined)?.op;
  return typeof op === 'string' && Object.hasOwn(requests, op)
    ? (requests[op as SessionRequest['op']] as Schema<SessionRequest>)
    : (unknownOp as unknown as Schema<SessionRequest>);
});

/**
 * Code that is completed, UTF-16 units: more than anybody types, and read in milliseconds. It is not in the schema
 * because it is no matter of form: whoever sends more is told what to do.
 */
export const COMPLETED_UNITS_MAX = 64 * 1024;

/** @throws RepriseError TOO_LARGE when the code is too long to be completed while others wait */
export function assertCompletable({ code }: Pick<CompleteRequest, 'code'>): void {
  if (code.length <= COMPLETED_UNITS_MAX) return;
  throw new RepriseError(
    'TOO_LARGE',
    `code of ${code.length} characters is too long to be completed: ${COMPLETED_UNITS_MAX} at most`,
    { hint: 'send the statement before the cursor alone' },
  );
}

/** @throws RepriseError TOO_LARGE when the code is longer than a cell may be; nothing of it is kept */
export function assertExecutable({ command }: Pick<ExecuteRequest, 'command'>): void {
  // No UTF-16 unit takes more than three bytes: short code is not measured.
  if (command.length * 3 <= CELL_BYTES_MAX) return;
  const bytes = Buffer.byteLength(command);
  if (bytes <= CELL_BYTES_MAX) return;
  throw new RepriseError(
    'TOO_LARGE',
    `the cell has ${mebibytes(bytes)} of code; the limit is ${mebibytes(CELL_BYTES_MAX)}`,
    { hint: 'split it into several cells' },
  );
}
