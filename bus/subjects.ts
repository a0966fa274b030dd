/**
 * Every subject of the system is built and parsed here, and nowhere else.
 *
 * Session names are free text, so they never appear in a subject: `sessionToken` maps a name to one safe
 * token, injectively (plain names stay readable, all others become a hash; '~' cannot start a plain name).
 */
import { createHash } from 'node:crypto';
import { RepriseError } from './errors.ts';

/** Longest session name, in UTF-16 units. */
export const NAME_LENGTH_MAX = 512;
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Normal form (NFC) of a session name.
 * @throws RepriseError BAD_NAME when it is empty, longer than 512 UTF-16 units or has control characters.
 */
export function normalName(name: string): string {
  const bad = (why: string) =>
    new RepriseError('BAD_NAME', `session name ${why}`, {
      hint: `use 1 to ${NAME_LENGTH_MAX} characters without control characters`,
    });
  // Looked at before anything else: normalising takes a time that grows with the square of the length, and no more than
  // four units ever become one.
  if (name.length > 4 * NAME_LENGTH_MAX) throw bad(`has ${name.length} characters`);
  const normal = name.normalize('NFC');
  if (normal.length === 0) throw bad('is empty');
  if (normal.length > NAME_LENGTH_MAX) throw bad(`has ${normal.length} characters`);
  if (CONTROL.test(normal)) throw bad('contains a control character');
  if (!normal.isWellFormed()) throw bad('is not well-formed Unicode');
  return normal;
}

/** One subject token for a session name; equal names give equal tokens, different names different ones. */
export function sessionToken(name: string): string {
  const normal = normalName(name);
  return PLAIN.test(normal) ? normal : `~${createHash('sha256').update(normal).digest('base64url')}`;
}

/** FNV-1a over UTF-16 units: a 32-bit hash that is the same in every process and version. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Shard of a session token, 0 ≤ shard < shards. */
export function shardOf(token: string, shards: number): number {
  return fnv1a(token) % shards;
}

/** A JetStream stream and the subject of its markers. */
export interface StreamPlace {
  readonly name: string;
  readonly marker: string;
}

/**
 * Id of a process on the bus: `<slot>-<suffix>` for a worker, which is one token, `<slot>.<suffix>` for all others, so
 * that permissions tell their pings apart.
 */
export function processId(slot: string, suffix: string): string {
  return `${slot}${slot.startsWith('worker') ? '-' : '.'}${suffix}`;
}

export interface Subjects {
  readonly prefix: string;
  /** The streams of the log and of the blobs: `reprise` -> `REPRISE_LOG`, `my.sys` -> `MY_SYS_LOG`. */
  readonly streams: { readonly log: StreamPlace; readonly blob: StreamPlace };
  /** Requests to the owner of a session. Queue group 'owner'. */
  cmd(token: string): string;
  /** Ask any worker to take a session on. Queue group 'workers'. */
  readonly activate: string;
  /** Ask one worker to take a session on. */
  activateAt(worker: string): string;
  /** Bring one worker a log. */
  importAt(worker: string): string;
  /** Liveness of one process; answers at once, never queues. */
  ping(process: string): string;
  /** Every process answers: who is there, what is it doing. */
  readonly who: string;
  /** A worker begins to look for sessions without an owner: the others need not. */
  readonly sweep: string;
  append(token: string): string;
  readonly appendAll: string;
  log(token: string): string;
  readonly logAll: string;
  /** Requests to storage: load, read, checkpoints, receipts, index. Queue group 'storage'. */
  store(operation: string): string;
  readonly storeAll: string;
  /** Blob subjects (checkpoint content and receipts), written by storage only. */
  blob(kind: string, key: string): string;
  blobAll(kind: string): string;
  /** Previews of a session: stdout, tokens, state. Never authoritative. */
  live(token: string): string;
  /** Ask any worker (`operations/any-worker.ts`). Queue group 'workers'. */
  any(row: { subject: string }): string;
  /** Requests to LLM actors. Queue group 'llm'. */
  readonly llm: string;
  /** Token of a log subject, or null when it is not one. */
  parseLog(subject: string): string | null;
}

/** Queue groups. */
export const QUEUES = { owner: 'owner', workers: 'workers', storage: 'storage', llm: 'llm' } as const;

/** Subjects under a prefix, with sessions spread over `shards` log shards. */
export function makeSubjects(prefix = 'reprise', shards = 1): Subjects {
  const sharded = (root: string, token: string) => `${prefix}.${root}.${shardOf(token, shards)}.${token}`;
  const logPattern = new RegExp(`^${prefix.replace(/\./g, '\\.')}\\.log\\.\\d+\\.([^.]+)$`);
  const streams = prefix.toUpperCase().replace(/[^A-Z0-9-]/g, '_');
  return {
    prefix,
    streams: {
      log: { name: `${streams}_LOG`, marker: `${prefix}.mark.log` },
      blob: { name: `${streams}_BLOB`, marker: `${prefix}.mark.blob` },
    },
    cmd: (token) => `${prefix}.cmd.${token}`,
    activate: `${prefix}.activate`,
    activateAt: (worker) => `${prefix}.activate.${worker}`,
    importAt: (worker) => `${prefix}.import.${worker}`,
    ping: (process) => `${prefix}.presence.ping.${process}`,
    who: `${prefix}.presence.who`,
    sweep: `${prefix}.presence.sweep`,
    append: (token) => sharded('append', token),
    appendAll: `${prefix}.append.>`,
    log: (token) => sharded('log', token),
    logAll: `${prefix}.log.>`,
    store: (operation) => `${prefix}.store.${operation}`,
    storeAll: `${prefix}.store.>`,
    blob: (kind, key) => `${prefix}.blob.${kind}.${key}`,
    blobAll: (kind) => `${prefix}.blob.${kind}.>`,
    live: (token) => `${prefix}.live.${token}`,
    any: ({ subject }) => `${prefix}.${subject}`,
    llm: `${prefix}.llm`,
    parseLog: (subject) => logPattern.exec(subject)?.[1] ?? null,
  };
}
