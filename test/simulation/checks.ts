/** What must hold of a simulated system once its faults are over. */
import assert from 'node:assert/strict';
import { replyFromEvents } from '../../actors/session/reply.ts';
import { emptyFold } from '../../actors/timeline/fold.ts';
import { replayEvents, watched } from '../../actors/timeline/replay.ts';
import { KernelSeat } from '../../actors/timeline/seat.ts';
import { ChainReader, cutToSession } from '../../bus/chain.ts';
import type { SessionClient } from '../../bus/client/client.ts';
import { isCommand } from '../../bus/command-events.ts';
import { type LargeStore, restoredCommits, restoredEvents } from '../../bus/large.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import type { Clock } from '../../bus/port.ts';
import { sessionToken } from '../../bus/subjects.ts';
import type { EventOf, SessionEvent, StoredCommit, VariableSummary } from '../../bus/types.ts';
import { History } from '../../storage/history.ts';
import type { LogStore } from '../../storage/ports.ts';
import type { Kernels } from './kernels.ts';
import type { Memories } from './workload.ts';

/** What the simulated system has stored, and how much its messages take. */
export interface Stored {
  log: LogStore;
  large: LargeStore;
  contentBytes: number;
  kernels: Kernels;
}

export async function commitsOf(log: LogStore, session: string): Promise<StoredCommit[]> {
  const token = sessionToken(session);
  const last = await log.last(token);
  const commits: StoredCommit[] = [];
  if (!last) return commits;
  for await (const batch of new History(log).backwards(last)) commits.unshift(...batch);
  return commits;
}

/** One session's log: whole, each command once, and re-execution agrees. @returns its events */
export async function assertLog(
  { log, large }: Stored,
  client: SessionClient,
  session: string,
): Promise<SessionEvent[]> {
  const commits = await commitsOf(log, session);
  const reader = new ChainReader();
  for (const stored of commits) reader.check(stored);
  const whole = await restoredCommits(cutToSession(commits), large);
  const events = whole.flatMap(({ commit }) => commit.events);
  const ids = events.filter(isCommand).map(({ commandId }) => commandId);
  assert.deepEqual(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
    `${session}: commands that ran twice`,
  );
  const lost = events.filter((event) => event.type === 'error' && /cannot be stored/.test(event.message));
  assert.deepEqual(lost, [], `${session}: turns whose outcome was given up`);
  if (events.length > 0) {
    const replay = await client.replay(session);
    assert.deepEqual(replay.divergence, undefined, `${session}: replay`);
  }
  return events;
}

export function inputsOf(events: readonly SessionEvent[]): EventOf<'input'>[] {
  return events.filter((event): event is EventOf<'input'> => event.type === 'input');
}

/** What clients were told is what the logs say. */
export async function assertReplies(
  { log, large, contentBytes, kernels }: Stored,
  logs: ReadonlyMap<string, SessionEvent[]>,
  { executions, repeats, inspections, notes }: Memories,
): Promise<void> {
  const history = new History(log);
  const told = async (session: string, commandId: string, reply: ExecuteReply) => {
    const { events: found } = await history.find(sessionToken(session), commandId);
    assert.ok(found.length > 0, `${commandId} was acknowledged and is not in the log of ${session}`);
    const { worker, repeated } = reply;
    const { id } = (await log.last(sessionToken(session)))!.commit.head;
    const events = await restoredEvents(found, id, large);
    const facts = { session, commandId, worker, repeated };
    assert.deepEqual(reply, replyFromEvents(events, facts, contentBytes), commandId);
  };
  for (const { session, commandId, reply } of executions) if (reply) await told(session, commandId, reply);
  for (const { execution, reply } of repeats) await told(execution.session, execution.commandId, reply);
  for (const { session, commandId, seq } of notes) {
    const noted = logs.get(session)?.[seq];
    const id = noted?.type === 'annotation' ? noted.commandId : undefined;
    assert.equal(id, commandId, `an annotation at seq ${seq} was acknowledged and is not in ${session}`);
  }
  for (const [session, events] of logs) {
    const order = inputsOf(events).map(({ commandId }) => commandId);
    // What was answered before another was sent stands before it.
    const answered = executions.filter((one) => one.session === session && one.reply && one.sends === 1);
    for (const first of answered) {
      for (const second of answered) {
        if (first.doneAt! >= second.sentAt) continue;
        assert.ok(
          order.indexOf(first.commandId) < order.indexOf(second.commandId),
          `${first.commandId} was answered before ${second.commandId} was sent`,
        );
      }
    }
    const counts = await countsOf(kernels, session, events);
    for (const { reply, session: of } of inspections) {
      const { seq, variables } = reply.state;
      const seen = counterOf(variables);
      if (of !== session || seen === null) continue;
      const known = counts.filter(({ at }) => at <= seq);
      assert.ok(
        known.some(({ n }) => n === seen),
        `${session}: an inspection at seq ${seq} saw n = ${seen}, which no commit had said by then`,
      );
    }
  }
}

/** The counter after each turn, by the seq of the event that began it. */
async function countsOf(
  kernels: Kernels,
  session: string,
  events: readonly SessionEvent[],
): Promise<{ at: number; n: number }[]> {
  const kernel = kernels.make(INSTANT);
  const counts = [{ at: 0, n: 0 }];
  const plain = new KernelSeat(kernel, session);
  const recording = watched(plain, async ({ seq: at }) => {
    counts.push({ at, n: counterOf((await plain.kernel.look()).variables) ?? 0 });
  });
  const options = { states: true, stacks: true, unrecorded: 'limited' } as const;
  await replayEvents(recording, emptyFold(session), events, options);
  return counts;
}

/** What the variables say of the counter; null: nothing. */
export function counterOf(variables: readonly VariableSummary[]): number | null {
  const found = variables.find(({ name }) => name === 'n');
  return found ? Number(found.preview) : null;
}

/** All waiting is over at once. */
export const INSTANT: Clock = {
  now: () => 0,
  setTimer(callback) {
    let cancelled = false;
    queueMicrotask(() => cancelled || callback());
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  },
};
