/**
 * Schemas of everything that crosses a boundary: requests, commits, and (in `event-schemas.ts`) events.
 *
 * Fields that a schema does not know are kept: newer writers may add some, and a commit's hash covers them.
 * Every schema lists every field of its type (`shaped`), so a schema and its type cannot drift apart.
 */
import * as v from 'valibot';
import { isBlobKey } from './blob-keys.ts';
import { ERROR_CODES, type ErrorCode, RepriseError } from './errors.ts';
import {
  flag,
  hash,
  isoTime,
  json,
  largeValue,
  natural,
  number,
  optional,
  type Schema,
  sessionEventSchema,
  shaped,
  text,
} from './event-schemas.ts';
import { CELL_BYTES_MAX, mebibytes } from './limits.ts';
import {
  type ActivateRequest,
  type AppendRequest,
  BLOB_KINDS,
  type BlobGetRequest,
  type BlobPutRequest,
  type CheckpointRequest,
  type CloseRequest,
  type CompleteRequest,
  type DeleteRequest,
  type ExamineRequest,
  type ExecuteRequest,
  type FindRequest,
  type GetRequest,
  type InspectRequest,
  type InterruptRequest,
  type ListRequest,
  type LlmCall,
  type LoadRequest,
  type OwnerRequest,
  type ReadRequest,
  type ReplayRequest,
  type ScanRequest,
  type SessionRequest,
} from './protocol.ts';
import type { TroubleRequest } from './trouble.ts';
import type { Commit, CommitHead, Json } from './types.ts';

export { sessionEventSchema };

/**
 * Checks a value that came from outside. Returns the value itself: no schema transforms anything, and a
 * commit must keep every byte that its hash covers.
 * @throws RepriseError BAD_FORMAT naming the path of the first problem, such as `commit.events.1.seq`.
 */
export function parse<T>(schema: Schema<T>, value: unknown): T {
  const result = schema['~run']({ value }, FIRST_ONLY);
  if (result.issues === undefined) return value as T;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  // The message quotes what was received, which may be as large as a message can be.
  const problem =
    issue.message.length > PROBLEM_CHARS_MAX
      ? `${issue.message.slice(0, PROBLEM_CHARS_MAX)}…`
      : issue.message;
  throw new RepriseError('BAD_FORMAT', path === '' ? problem : `${path}: ${problem}`);
}

const PROBLEM_CHARS_MAX = 200;

const FIRST_ONLY = { abortEarly: true, abortPipeEarly: true } as const;

const bytes = v.instance(Uint8Array);
/** A safe token of a subject: session tokens, blob keys. */
const token = v.custom<string>(
  (value) => typeof value === 'string' && /^[A-Za-z0-9_~-]{1,128}$/.test(value),
  'Expected one safe token of 1 to 128 characters',
);
const positions = v.custom<number[]>(isPositions, 'Expected at most 32 ascending log positions');

function isPositions(value: unknown): value is number[] {
  if (!Array.isArray(value) || value.length > 32) return false;
  let before = 0;
  for (const item of value) {
    if (!Number.isSafeInteger(item) || item <= before) return false;
    before = item;
  }
  return true;
}

// ── Commits ─────────────────────────────────────────────────────────────────────────────────────────────

const commitHead = shaped<CommitHead>({
  name: text,
  id: text,
  created: isoTime,
  at: isoTime,
  checkpointCount: natural,
  sizeBefore: natural,
  tail: positions,
  checkpoint: optional(
    shaped<NonNullable<CommitHead['checkpoint']>>({
      seq: natural,
      stateId: text,
      position: optional(natural),
    }),
  ),
  running: optional(flag),
  closed: optional(flag),
  wakeAt: optional(number),
});

/** The shape of a commit; whether it follows the one before is for `storage/validation.ts`. */
export const commitSchema = shaped<Commit>({
  v: v.literal(1),
  session: token,
  commit: token,
  epoch: natural,
  first: natural,
  events: v.pipe(v.array(sessionEventSchema), v.minLength(1, 'Expected at least one event')),
  prev: v.custom<string>(
    (value) => typeof value === 'string' && (value === '' || /^[0-9a-f]{64}$/.test(value)),
    'Expected the hash of the commit before, or an empty string',
  ),
  hash,
  kernel: text,
  head: commitHead,
  fold: optional(bytes),
  foldLarge: optional(largeValue),
});

// ── Storage ─────────────────────────────────────────────────────────────────────────────────────────────

export const appendRequestSchema = shaped<AppendRequest>({ commit: commitSchema, expected: natural });
export const loadRequestSchema = shaped<LoadRequest>({
  session: text,
  kernel: text,
  before: optional(natural),
});
export const readRequestSchema = shaped<ReadRequest>({ session: text, from: natural, to: optional(natural) });
export const scanRequestSchema = shaped<ScanRequest>({ session: text, after: optional(natural) });
export const examineRequestSchema = shaped<ExamineRequest>({ after: optional(text) });
export const listRequestSchema = shaped<ListRequest>({
  after: optional(text),
  limit: optional(natural),
  unfinishedAt: optional(number),
});
export const troubleRequestSchema = shaped<TroubleRequest>({
  session: text,
  kernel: text,
  failure: v.nullable(
    shaped<NonNullable<TroubleRequest['failure']>>({
      code: v.picklist(Object.keys(ERROR_CODES) as ErrorCode[]),
      message: text,
      hint: optional(text),
    }),
  ),
});
export const getRequestSchema = shaped<GetRequest>({ session: text, removal: optional(flag) });
export const deleteRequestSchema = shaped<DeleteRequest>({ session: text });
export const findRequestSchema = shaped<FindRequest>({
  session: text,
  commandId: text,
  sinceMs: optional(number),
  cellsMax: optional(natural),
});
const blobKind = v.picklist(BLOB_KINDS);
const blobKey = v.custom<string>(
  (value) => typeof value === 'string' && isBlobKey(value),
  'Expected the key of a blob: one safe token, or a scope and a sha256',
);
export const blobPutRequestSchema = shaped<BlobPutRequest>({
  kind: blobKind,
  key: blobKey,
  bytes,
  part: optional(natural),
  parts: optional(natural),
});
export const blobGetRequestSchema = shaped<BlobGetRequest>({
  kind: blobKind,
  key: blobKey,
  part: optional(natural),
});

// ── Sessions, workers, LLM ──────────────────────────────────────────────────────────────────────────────

const commandId = v.custom<string>(
  (value) => typeof value === 'string' && value.length > 0 && value.length <= 512,
  'Expected 1 to 512 characters',
);
const budget = v.custom<number>(
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
  owner: shaped<OwnerRequest>({ op: v.literal('owner'), session: text }),
} satisfies { [Op in SessionRequest['op']]: Schema<Extract<SessionRequest, { op: Op }>> };

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

export const activateRequestSchema = shaped<ActivateRequest>({
  session: text,
  request: optional(sessionRequestSchema),
});
export const replayRequestSchema = shaped<ReplayRequest>({ session: text });
export const llmCallSchema = shaped<LlmCall>({
  receiptKey: token,
  session: text,
  request: v.pipe(
    json,
    v.check(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      'Expected an object',
    ),
  ) as Schema<{ [key: string]: Json }>,
  scope: optional(token),
  large: optional(largeValue),
});
