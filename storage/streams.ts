/**
 * The two JetStream streams that hold everything durable: one for commits, one for blobs.
 *
 * The newest message of a stream must always be readable. nats-server 2.9 takes a block tail that a power
 * failure filled with zeros for an empty subject, without a word; storage must then refuse to run. Deleting a
 * session could remove the newest message legitimately, so every removal is preceded and followed by a marker on
 * a subject of its own (`mark`), of which only the newest is kept.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { StreamPlace, Subjects } from '../bus/subjects.ts';
import {
  type ApiError,
  apiError,
  type JetStreamApi,
  makeHeaders,
  parseJson,
  subjectOf,
} from './jetstream-api.ts';
import { pipelined } from './pipeline.ts';

export interface StreamState {
  messages: number;
  first_seq: number;
  last_seq: number;
  subjects?: Record<string, number>;
}

interface StreamInfo {
  config: Record<string, unknown> & { subjects: string[] };
  state: StreamState;
  total?: number;
  limit?: number;
}

/**
 * Commit ids are remembered this long. Correctness rests on compare-and-set, and on reading back the newest
 * commit; the window only saves a retry that read.
 */
const DUPLICATE_WINDOW_NS = 10_000_000_000;

const PURGES_AT_ONCE = 16;
/** A server reads every block that a subject has messages in. Nobody waits for it but a removal in the background. */
const PURGE_MS = 60_000;

/** A newest message that a stream has lost, as somebody says that he knows of it: `REPRISE_LOG:10`. */
export type AcceptedLoss = string | undefined;

/**
 * Creates the streams, or checks those that exist.
 * @param accepted a loss that is not refused: a marker takes its place, so that it need not be said again
 * @throws RepriseError CORRUPT when a stream has lost its end, UNAVAILABLE when JetStream cannot serve, or a
 * stream of that name cannot be used
 */
export async function provideStreams(
  api: JetStreamApi,
  subjects: Subjects,
  accepted?: AcceptedLoss,
): Promise<void> {
  const { log, blob } = subjects.streams;
  await provideStream(api, log, subjects.logAll, accepted);
  await provideStream(api, blob, `${subjects.prefix}.blob.>`, accepted);
}

/** How long JetStream is asked whether it is there: it starts after the server takes connections. */
const PATIENCE_MS = 10_000;
const ATTEMPT_WAIT_MS = 100;

/**
 * `provideStreams`, but patient with a server that is still starting.
 * @throws RepriseError CORRUPT at once; UNAVAILABLE, TIMEOUT or DISCONNECTED after some 10 s
 */
export async function verifyStreams(
  api: JetStreamApi,
  subjects: Subjects,
  accepted?: AcceptedLoss,
): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await provideStreams(api, subjects, accepted);
    } catch (thrown) {
      if (performance.now() > end || !RepriseError.from(thrown).retryable) throw thrown;
      await sleep(ATTEMPT_WAIT_MS);
    }
  }
}

/** First version of nats-server that can fsync before it acknowledges; whether it does is its configuration. */
const FSYNC_SINCE = [2, 10] as const;

/** @throws RepriseError UNAVAILABLE when the server cannot give the durability asked for */
export function assertDurability(durability: 'process' | 'power', serverVersion: string): void {
  if (durability === 'process') return;
  const [major = 0, minor = 0] = serverVersion.split('.').map(Number);
  if (major > FSYNC_SINCE[0] || (major === FSYNC_SINCE[0] && minor >= FSYNC_SINCE[1])) return;
  throw new RepriseError('UNAVAILABLE', `nats-server ${serverVersion} cannot fsync before it acknowledges`, {
    retryable: false,
    hint: 'durability "power" needs nats-server >= 2.10; use a newer one or "process"',
  });
}

async function provideStream(
  api: JetStreamApi,
  place: StreamPlace,
  content: string,
  accepted: AcceptedLoss,
): Promise<void> {
  // Whatever would lose what was acknowledged, or keep us from reading and deleting it.
  const required = {
    subjects: [content, place.marker],
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    discard_new_per_subject: false,
    max_age: 0,
    max_msgs_per_subject: -1,
    no_ack: false,
    allow_direct: true,
    deny_delete: false,
    deny_purge: false,
    allow_rollup_hdrs: true,
  };
  let info: StreamInfo;
  try {
    info = await api.call<StreamInfo>(`STREAM.INFO.${place.name}`);
  } catch (thrown) {
    if (!hasCode(thrown, 'NOT_FOUND')) throw thrown;
    info = await api.call<StreamInfo>(`STREAM.CREATE.${place.name}`, {
      name: place.name,
      num_replicas: 1,
      max_msgs: -1,
      max_bytes: -1,
      max_consumers: -1,
      max_msg_size: -1,
      duplicate_window: DUPLICATE_WINDOW_NS,
      ...required,
    });
  }
  const differs = (Object.keys(required) as (keyof typeof required)[]).some(
    (key) => JSON.stringify(info.config[key] ?? false) !== JSON.stringify(required[key]),
  );
  if (differs || info.config.subject_transform) {
    const { subject_transform: _, ...config } = info.config;
    info = await api.call<StreamInfo>(`STREAM.UPDATE.${place.name}`, { ...config, ...required });
  }
  await assertWholeEnd(api, place, info.state, accepted);
}

/**
 * Makes sure that a stream still has its newest message, or that its loss is accepted.
 * @throws RepriseError CORRUPT
 */
async function assertWholeEnd(
  api: JetStreamApi,
  place: StreamPlace,
  state: StreamState,
  accepted: AcceptedLoss,
): Promise<void> {
  const { name } = place;
  const newest = state.last_seq;
  if (newest === 0) return;
  if (await api.bySequence(name, newest)) return;
  // Another storage process may be removing a session at this moment.
  const { state: now } = await api.call<StreamInfo>(`STREAM.INFO.${name}`);
  if (now.last_seq !== newest) return assertWholeEnd(api, place, now, accepted);
  const loss = `${name}:${newest}`;
  if (accepted === loss) return mark(api, place);
  throw new RepriseError('CORRUPT', `stream ${name} has lost its newest message (sequence ${newest})`, {
    hint:
      'its files are damaged or were purged by hand: nothing was changed. Restore them from a backup; to go on without ' +
      `what is lost, which may be the newest cells of a session, start once with REPRISE_ACCEPT_LOSS=${loss}`,
  });
}

/** Writes a marker, so that the stream keeps a newest message whatever is removed. @throws as JetStreamApi */
async function mark(api: JetStreamApi, place: StreamPlace): Promise<void> {
  const once = makeHeaders({ 'Nats-Rollup': 'sub' });
  const ack = parseJson<{ error?: ApiError }>(await api.request(place.marker, new Uint8Array(0), once));
  if (ack.error) throw apiError(ack.error);
}

/**
 * Removes every message of the subjects; returns how many there were. Works on a full store too: that is when
 * it is needed most. (nats-server 2.9 counts the room of a purged subject as taken until its next start.)
 * @throws RepriseError STORAGE_FULL when the store is full and its newest message is the only one of a subject;
 * else as JetStreamApi
 */
export async function purge(api: JetStreamApi, place: StreamPlace, subjects: string[]): Promise<number> {
  if (subjects.length === 0) return 0;
  let removed = 0;
  if (!(await markIfRoom(api, place))) {
    // The newest message of each subject stays until there is a marker behind it.
    removed += await purgeAll(api, place, subjects, 1);
    if (!(await markIfRoom(api, place)) && subjects.includes(await newestSubject(api, place))) {
      throw new RepriseError(
        'STORAGE_FULL',
        `stream ${place.name} is full, and its newest message must stay`,
        {
          hint: 'delete another session first, or raise the limits of JetStream',
        },
      );
    }
  }
  removed += await purgeAll(api, place, subjects, 0);
  await markIfRoom(api, place);
  return removed;
}

/**
 * Removes the messages of a subject before a sequence.
 * @throws RepriseError STORAGE_FULL when there is no room for a marker behind them; else as JetStreamApi
 */
export async function purgeBefore(
  api: JetStreamApi,
  place: StreamPlace,
  filter: string,
  seq: number,
): Promise<void> {
  await mark(api, place);
  await api.call(`STREAM.PURGE.${place.name}`, { filter, seq }, PURGE_MS);
}

async function purgeAll(
  api: JetStreamApi,
  place: StreamPlace,
  subjects: string[],
  keep: number,
): Promise<number> {
  const counts = await pipelined(subjects, PURGES_AT_ONCE, async (filter) => {
    const body = keep > 0 ? { filter, keep } : { filter };
    return (await api.call<{ purged: number }>(`STREAM.PURGE.${place.name}`, body, PURGE_MS)).purged;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Writes a marker; false when the store is full. */
async function markIfRoom(api: JetStreamApi, place: StreamPlace): Promise<boolean> {
  try {
    await mark(api, place);
    return true;
  } catch (thrown) {
    if (hasCode(thrown, 'STORAGE_FULL')) return false;
    throw thrown;
  }
}

async function newestSubject(api: JetStreamApi, place: StreamPlace): Promise<string> {
  const { state } = await api.call<StreamInfo>(`STREAM.INFO.${place.name}`);
  const newest = state.last_seq === 0 ? null : await api.bySequence(place.name, state.last_seq);
  return newest ? subjectOf(newest) : '';
}

/** Counts messages by subject below `filter`, all pages; `removed` is how many the stream ever removed. */
export async function countSubjects(
  api: JetStreamApi,
  name: string,
  filter: string,
): Promise<{ counts: Map<string, number>; removed: number }> {
  const counts = new Map<string, number>();
  let removed: number | undefined;
  for (let offset = 0; ; ) {
    const info = await api.call<StreamInfo>(`STREAM.INFO.${name}`, { subjects_filter: filter, offset });
    removed ??= info.state.last_seq - info.state.messages;
    const page = Object.entries(info.state.subjects ?? {});
    for (const [subject, count] of page) counts.set(subject, count);
    offset += page.length;
    if (page.length === 0 || offset >= (info.total ?? 0)) return { counts, removed };
  }
}
