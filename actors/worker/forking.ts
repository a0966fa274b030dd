/**
 * Forks: a session that goes on from an event of another one. Its log begins where that event is (`head.parent`), so
 * nothing is copied, and nothing is executed: the fold at the event is all that its first commit needs.
 */
import { lastSeqOf } from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { ForkReply, ForkRequest } from '../../bus/operations/lineage.ts';
import type { Clock } from '../../bus/port.ts';
import { normalName } from '../../bus/subjects.ts';
import type { EventOf, SessionEvent, StoredCommit } from '../../bus/types.ts';
import { kindOf } from '../effects/kinds.ts';
import { Batch } from '../session/batch.ts';
import { LogWriter } from '../session/log-writer.ts';
import type { SessionStore } from '../session/ports.ts';
import { applyCommit, applyEvents, emptyFold, seqOf } from '../timeline/fold.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import type { Loaded } from '../timeline/loading.ts';
import { noEvent, noSession, Timeline, type TimelinePorts } from '../timeline/timeline.ts';
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
  const { store, clock, kernel, newId } = ports;
  const [session, name] = [normalName(request.session), normalName(request.name)];
  const { fold, point } = await pointAt(session, request.seq, ports);
  const event = forkEvent(fold, point, { ...request, name }, ports);
  const { seq, parent } = event;
  const { token } = emptyFold(name);
  const log = { position: 0, hash: parent.hash, epoch: 0, tail: [], sizeBytes: 0 };
  const child: SessionFold = { ...fold, name, token, log };
  const writer = new LogWriter(child, {
    store,
    clock,
    newId,
    kernelVersion: kernel.version,
    onCommitted: () => {},
  });
  const reply = (bytesWritten: number, from: { session: string; seq: number }): ForkReply => ({
    session: name,
    parent: { session: from.session, seq: from.seq },
    bytesWritten,
    durationMs: performance.now() - started,
  });
  try {
    await writer.write(new Batch(child, [event]));
  } catch (thrown) {
    if (!hasCode(thrown, 'FENCED')) throw thrown;
    const first = await begunBy(name, request.commandId, store);
    if (!first) throw takenError(name);
    return reply(0, first.parent);
  }
  return reply(writer.fold.log.sizeBytes, { session: parent.session, seq: seq - 1 });
}

/** The session as the log tells it right after an event, and the commit that holds the event. */
async function pointAt(
  session: string,
  at: number | undefined,
  ports: ForkPorts,
): Promise<{ fold: SessionFold; point: StoredCommit }> {
  const loaded = await new Timeline(ports).load(session, { at, heapless: true });
  const newest = loaded.tail.at(-1);
  const last = newest ? lastSeqOf(newest.commit) : loaded.fold.seq;
  if (last < 0) throw noSession(session);
  if (at !== undefined && at > last) throw noEvent(session, at, last);
  const found = foldAt(loaded, at ?? last);
  if (!found.fold.closed) return found;
  if (at === undefined) return pointAt(session, last - 1, ports);
  throw new RepriseError('BAD_REQUEST', `event ${at} of ${JSON.stringify(session)} ends the session`, {
    hint: `nothing was begun; fork at ${at - 1}, or leave the event out`,
  });
}

function foldAt({ fold: start, checkpoint, tail }: Loaded, seq: number) {
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
  { name, commandId }: ForkRequest,
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

/** The event by which this very command began a session of that name; null: something else did. */
async function begunBy(
  name: string,
  commandId: string,
  store: SessionStore,
): Promise<EventOf<'fork'> | null> {
  const seq = (await store.get(name))?.parent?.seq;
  if (seq === undefined) return null;
  for await (const { commit } of store.read(name, seq + 1)) {
    const [event] = commit.events;
    return event?.type === 'fork' && event.commandId === commandId ? event : null;
  }
  return null;
}

function takenError(name: string): RepriseError {
  return new RepriseError('BAD_REQUEST', `there is a session ${JSON.stringify(name)} already`, {
    hint: 'nothing was changed; choose another name, or remove that session (`reprise rm`)',
  });
}
