/**
 * Forks: a session that goes on from an event of another one. Its log begins where that event is (`head.parent`), so
 * nothing is copied, and nothing is executed: the fold at the event is all that its first commit needs.
 */
import { lastSeqOf } from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { ForkReply, ForkRequest } from '../../bus/operations/lineage.ts';
import type { Clock } from '../../bus/port.ts';
import { normalName } from '../../bus/subjects.ts';
import type { EventOf, ForkPoint, SessionEvent, StoredCommit } from '../../bus/types.ts';
import { kindOf } from '../effects/kinds.ts';
import { Batch } from '../session/batch.ts';
import { LogWriter } from '../session/log-writer.ts';
import type { SessionStore } from '../session/ports.ts';
import { applyCommit, applyEvents, emptyFold, seqOf } from '../timeline/fold.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import type { Loaded } from '../timeline/loading.ts';
import { assertHolds, Timeline, type TimelinePorts } from '../timeline/timeline.ts';
import { beginsTurn } from '../timeline/turn.ts';

export interface ForkPorts extends TimelinePorts {
  store: SessionStore;
  clock: Clock;
  newId(): string;
}

/**
 * Begins a session. Asked again with the same commandId, it answers as the first time.
 * @throws RepriseError NOT_FOUND (no such session, no such event), BAD_REQUEST (the name is taken; the event ends the
 * session, or stands amid a turn that came to nothing), CORRUPT, CHAIN_BROKEN, and what storage throws
 */
export async function fork(request: ForkRequest, ports: ForkPorts): Promise<ForkReply> {
  const started = performance.now();
  const [session, name] = [normalName(request.session), normalName(request.name)];
  const { fold, point } = await pointAt(session, request.seq, ports);
  const { batch, parent } = branch({ fold, point }, name, request.commandId, ports);
  const { bytesWritten, begun } = await begin(batch, request.commandId, ports);
  const from = begun?.type === 'fork' ? begun.parent : parent;
  return {
    session: name,
    parent: { session: from.session, seq: from.seq },
    bytesWritten,
    durationMs: performance.now() - started,
  };
}

/** A session at an event, and the commit that holds the event. */
export interface Point {
  fold: SessionFold;
  point: StoredCommit;
}

/** The beginning of a fork, not committed yet. */
export function branch(
  { fold, point }: Point,
  name: string,
  commandId: string,
  ports: ForkPorts,
): { batch: Batch; parent: ForkPoint } {
  const event = forkEvent(fold, point, { name, commandId }, ports);
  const { token } = emptyFold(name);
  const log = { position: 0, hash: event.parent.hash, epoch: 0, tail: [], sizeBytes: 0 };
  return { batch: new Batch({ ...fold, name, token, log }, [event]), parent: event.parent };
}

/**
 * Commits the beginning of a session, which is there once all of it is durable. `begun`: the same command had begun it
 * before, with this event.
 * @param kernelVersion of the kernel that gives the events
 * @throws RepriseError BAD_REQUEST when the name is taken; what storage throws
 */
export async function begin(
  batch: Batch,
  commandId: string,
  { store, clock, kernel, newId }: ForkPorts,
  kernelVersion = kernel.version,
): Promise<{ bytesWritten: number; begun?: SessionEvent }> {
  const { name } = batch.fold;
  const facts = { store, clock, newId, kernelVersion, onCommitted: () => {} };
  const writer = new LogWriter(batch.base, facts);
  try {
    await writer.write(batch, { whole: true });
    return { bytesWritten: writer.fold.log.sizeBytes };
  } catch (thrown) {
    if (!hasCode(thrown, 'FENCED') || writer.fold.log.position > 0) throw thrown;
    const begun = await begunBy(name, commandId, store);
    if (begun) return { bytesWritten: 0, begun };
    throw takenError(name);
  }
}

/** The session as the log tells it right after an event, and the commit that holds the event. */
async function pointAt(session: string, at: number | undefined, ports: ForkPorts): Promise<Point> {
  const loaded = await new Timeline(ports).load(session, { at, heapless: true });
  const last = assertHolds(session, loaded, at);
  const found = pointIn(loaded, at ?? last);
  if (!found.fold.closed) return found;
  if (at === undefined) return pointAt(session, last - 1, ports);
  throw new RepriseError('BAD_REQUEST', `event ${at} of ${JSON.stringify(session)} ends the session`, {
    hint: `nothing was begun; fork at ${at - 1}, or leave the event out`,
  });
}

/** What the log tells of the session after an event. @throws RepriseError BAD_REQUEST amid an undone turn */
export function pointIn({ fold: start, checkpoint, tail }: Loaded, seq: number): Point {
  let fold = start;
  let point = checkpoint;
  const behind: SessionEvent[] = [];
  for (const stored of tail) {
    const { commit } = stored;
    behind.push(...commit.events.filter((event) => seqOf(event) > seq));
    if (commit.first > seq) continue;
    point = stored;
    if (lastSeqOf(commit) <= seq) fold = applyCommit(fold, stored);
    else fold = applyEvents(fold, commit.events.slice(0, seq - commit.first + 1));
  }
  assertOutcome(tail, behind, seq);
  return { fold, point: point! };
}

/** What an undone turn printed cannot be compared, so nobody could go on amid it. */
function assertOutcome(tail: readonly StoredCommit[], behind: readonly SessionEvent[], seq: number): void {
  const end = behind.findIndex(beginsTurn);
  const rest = end < 0 ? behind : behind.slice(0, end);
  const undone = rest.find((event) => event.type === 'error' && event.rolledBack);
  const event = tail.flatMap(({ commit }) => commit.events).find((each) => seqOf(each) === seq);
  if (!undone || !event || beginsTurn(event)) return;
  throw new RepriseError('BAD_REQUEST', `event ${seq} stands amid a turn that was undone`, {
    hint: `nothing was begun; fork at ${seqOf(undone)}, where the turn has come to nothing`,
  });
}

function forkEvent(
  fold: SessionFold,
  { commit, position }: StoredCommit,
  { name, commandId }: Pick<ForkRequest, 'name' | 'commandId'>,
  { clock, newId }: ForkPorts,
): EventOf<'fork'> {
  const id = newId();
  const { seq } = fold;
  const asked = [...fold.effects].flatMap(({ effect, kind, payload }) => {
    const receiptKey = kindOf(kind).receiptKey?.(id, effect, payload);
    return receiptKey === undefined ? [] : [{ effect, receiptKey }];
  });
  const event: EventOf<'fork'> = {
    type: 'fork',
    seq: seq + 1,
    timestamp: new Date(Math.max(fold.timeMs, clock.now())).toISOString(),
    id,
    name,
    parent: { session: commit.head.name, id: commit.head.id, seq, position, hash: commit.hash },
    commandId,
  };
  return asked.length > 0 ? { ...event, asked } : event;
}

/** The event by which this very command began a session of that name; null: something else did, or nothing. */
export async function begunBy(
  name: string,
  commandId: string,
  store: SessionStore,
): Promise<EventOf<'fork' | 'session'> | null> {
  const metadata = await store.get(name);
  if (!metadata) return null;
  const first = metadata.parent ? metadata.parent.seq + 1 : 0;
  for await (const { commit } of store.read(name, first, first)) {
    const [event] = commit.events;
    const begins = event?.type === 'fork' || event?.type === 'session';
    return begins && event.commandId === commandId ? event : null;
  }
  return null;
}

/** The error for a name that a session has already. */
export function takenError(name: string): RepriseError {
  return new RepriseError('BAD_REQUEST', `there is a session ${JSON.stringify(name)} already`, {
    hint: 'nothing was changed; choose another name, or remove that session (`reprise rm`)',
  });
}
