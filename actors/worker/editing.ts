/**
 * Edits: a fork in which what entered at an event is another, and everything behind it is run again on a kernel of its
 * own. What comes of it is committed at once, so nobody sees half of it; what has to be asked of the world is left to the
 * session that it has become.
 */

import { cutToSession } from '../../bus/chain.ts';
import { isAnswer, isKeptAnswer, isRequest, receiptKeyIn } from '../../bus/effect-events.ts';
import { RepriseError } from '../../bus/errors.ts';
import { restoredCommits } from '../../bus/large.ts';
import type { EditReply, EditRequest } from '../../bus/operations/lineage.ts';
import { assertExecutable } from '../../bus/operations/sessions.ts';
import { normalName } from '../../bus/subjects.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import { Batch } from '../session/batch.ts';
import { type Rerun, rerun } from '../session/rerun.ts';
import { emptyFold, seqOf, timeOf } from '../timeline/fold.ts';
import { replayEvents } from '../timeline/replay.ts';
import { KernelSeat } from '../timeline/seat.ts';
import { divergenceError, noEvent, noSession, Timeline } from '../timeline/timeline.ts';
import { beginsTurn } from '../timeline/turn.ts';
import { begin, branch, type ForkPorts, pointIn } from './forking.ts';

/**
 * Runs a session again from a change on, up to what has to be asked of the world.
 * @throws RepriseError NOT_FOUND (no such session, no such event), BAD_REQUEST (nothing entered at that event, it
 * cannot be changed so, or the name is taken), DIVERGED, CORRUPT, CHAIN_BROKEN, and what storage throws
 */
export async function edit(request: EditRequest, ports: ForkPorts): Promise<EditReply> {
  const started = performance.now();
  const [session, name] = [normalName(request.session), normalName(request.name)];
  const { commandId, dryRun = false, noCalls = false } = request;
  const events = await eventsFrom(session, request.seq, ports);
  const first = changed(events, request);
  const entered = [first, ...events.slice(1)];
  const shiftMs = request.timeMs === undefined ? 0 : request.timeMs - timeOf(events[0]!)!;
  const seat = new KernelSeat(ports.kernel, `${session}, edited at ${request.seq}`);
  try {
    const { batch, parent, open } = await openedFor(first, { session, name, commandId }, seat, ports);
    if (first.type === 'session') entered.shift();
    assertInOrder(batch, entered, shiftMs, ports.clock.now());
    const rebuild = async ({ base, events }: Batch) => {
      await open();
      const { divergence } = await replayEvents(seat, base, events, {
        states: false,
        stacks: true,
        goesOn: true,
      });
      if (divergence) throw divergenceError(name, divergence);
    };
    const result = await rerun(batch, seat, { events: entered, shiftMs, isFree: noCalls, rebuild });
    const { bytesWritten } = dryRun ? { bytesWritten: 0 } : await begin(batch, commandId, ports);
    return {
      session: name,
      parent,
      ...tally(result, events),
      seq: batch.fold.seq,
      bytesWritten,
      durationMs: performance.now() - started,
    };
  } finally {
    seat.leave();
  }
}

/** All that the log holds from an event on. */
async function eventsFrom(session: string, seq: number, { store }: ForkPorts): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for await (const stored of store.read(session, seq)) {
    for (const { commit } of await restoredCommits(cutToSession([stored]), store)) {
      for (const event of commit.events) if (seqOf(event) >= seq) events.push(event);
    }
  }
  if (events.length > 0) return events;
  const metadata = await store.get(session);
  throw metadata ? noEvent(session, seq, metadata.eventCount - 1) : noSession(session);
}

/** The event as it is to be. @throws RepriseError BAD_REQUEST */
function changed([event]: readonly SessionEvent[], request: EditRequest): SessionEvent {
  const { code, answer, timeMs, seed, seq, commandId } = request;
  const given = [code, answer, timeMs, seed].filter((each) => each !== undefined).length;
  if (given !== 1) throw unfit(seq, 'takes one change at a time', 'give code, an answer, a time or a seed');
  const { type } = event!;
  if (code !== undefined) {
    if (type !== 'input')
      throw unfit(seq, `is no input but ${type}`, '`reprise log` shows which events are inputs');
    assertExecutable({ command: code });
    return { ...(event as EventOf<'input'>), code, commandId };
  }
  if (answer !== undefined) return answered(event!, answer.value);
  if (seed !== undefined) {
    if (type !== 'session') throw unfit(seq, 'draws no seed', 'the seed is drawn at event 0, the first');
    return { ...(event as EventOf<'session'>), seed };
  }
  if (type === 'session')
    return { ...(event as EventOf<'session'>), created: new Date(timeMs!).toISOString() };
  if (type === 'input' || isAnswer(event!)) return event!;
  throw unfit(seq, `has no time of its own: it is ${type}`, 'inputs, answers and the first event have one');
}

function answered(event: SessionEvent, value: NonNullable<EditRequest['answer']>['value']): SessionEvent {
  if (event.type === 'effect_resp') return { ...event, value, error: undefined };
  const seq = seqOf(event);
  if (event.type !== 'llm_resp')
    throw unfit(
      seq,
      `is no answer but ${event.type}`,
      '`reprise log` shows which events are answers (llm_resp, effect_resp)',
    );
  if (typeof value !== 'string') throw unfit(seq, 'is the answer of a model', 'give a text (in JSON: "…")');
  return { ...event, response: value, error: undefined };
}

/** The session before the change, in the kernel and in events that are to be committed. */
async function openedFor(
  first: SessionEvent,
  { session, name, commandId }: { session: string; name: string; commandId: string },
  seat: KernelSeat,
  ports: ForkPorts,
): Promise<{ batch: Batch; parent: EditReply['parent']; open: () => Promise<void> }> {
  if (first.type === 'session') {
    const { origin = first.id } = first;
    const event = { ...first, id: ports.newId(), name, origin, commandId };
    await seat.boot(event);
    // A replay of the batch begins with its first event.
    return { batch: new Batch(emptyFold(name), [event]), parent: null, open: async () => seat.leave() };
  }
  if (!beginsTurn(first))
    throw unfit(seqOf(first), `follows from what entered before: it is ${first.type}`, '');
  const timeline = new Timeline(ports);
  const at = seqOf(first) - 1;
  const loaded = await timeline.load(session, { at });
  const open = async () => {
    const { divergence } = await timeline.restore(loaded, seat, { at, unrecorded: 'skipped' });
    if (divergence) throw divergenceError(session, divergence);
  };
  await open();
  const { batch, parent } = branch(pointIn(loaded, at), name, commandId, ports);
  return { batch, parent: { session: parent.session, seq: parent.seq }, open };
}

/** Time never runs backwards, and nothing is awaited that is due in a future that has not come. */
function assertInOrder(
  { fold }: Batch,
  events: readonly SessionEvent[],
  shiftMs: number,
  nowMs: number,
): void {
  const [first] = events;
  if (!first || shiftMs === 0) return;
  const latest = events.reduce((time, event) => Math.max(time, timeOf(event) ?? 0), 0);
  if (latest + shiftMs > nowMs) {
    const most = new Date(timeOf(first)! + nowMs - latest).toISOString();
    throw unfit(
      seqOf(first),
      'cannot be so late: what comes after it would be in the future',
      `at ${most} at most`,
    );
  }
  if (first.type === 'session' || timeOf(first)! + shiftMs >= fold.timeMs) return;
  const before = new Date(fold.timeMs).toISOString();
  throw unfit(seqOf(first), 'cannot be before the event before it', `that was at ${before}`);
}

function tally({ reused, first, rest }: Rerun, events: readonly SessionEvent[]) {
  // The changed event itself is given, not asked for.
  const paid = events.slice(1).filter(isKeptAnswer).length;
  const asked = events.filter((event) => isRequest(event) && receiptKeyIn(event) !== undefined).length;
  const left = Math.max(paid, asked) - reused;
  const to = seqOf(events.at(-1)!);
  return {
    reused,
    asked: first ? Math.max(1, left) : 0,
    first,
    rest: rest === null ? null : { from: rest, to },
  };
}

function unfit(seq: number, why: string, hint: string): RepriseError {
  return new RepriseError('BAD_REQUEST', `event ${seq} ${why}`, { hint: `nothing was begun; ${hint}` });
}
