/**
 * A session that cannot be restored, as it was before what is wrong with it: its log is executed up to there in a
 * fresh kernel, beside the session. Nothing is changed.
 */
import { RepriseError } from '../../bus/errors.ts';
import type { LastGoodReply } from '../../bus/operations/looks.ts';
import { applyCommit, emptyFold } from '../timeline/fold.ts';
import { type ReplayOptions, replayEvents } from '../timeline/replay.ts';
import { KernelSeat } from '../timeline/seat.ts';
import { noSession, type TimelinePorts, wroteAll } from '../timeline/timeline.ts';
import { type ScanStore, wholeCommits } from '../timeline/whole-commits.ts';
import { metadataOf, stateOf } from './reports.ts';

export interface LastGoodPorts extends Omit<TimelinePorts, 'store'> {
  store: ScanStore;
}

/**
 * The state after the last event that is as it was written and that execution gives again; of a session without a
 * fault, the newest one.
 * @throws RepriseError NOT_FOUND; CORRUPT when nothing of the log is good; what storage and the kernel throw
 */
export async function lastGood(name: string, ports: LastGoodPorts): Promise<LastGoodReply> {
  const { kernel } = ports;
  const { commits, fault } = await wholeCommits(name, ports.store);
  if (commits.length === 0 && !fault) throw noSession(name);
  const same = wroteAll(kernel.version, commits);
  const seat = new KernelSeat(kernel, `${name} at its last good event`);
  let events = commits.flatMap(({ commit }) => commit.events);
  let divergence = fault;
  let unrecorded: ReplayOptions['unrecorded'] = 'limited';
  try {
    while (events.length > 0) {
      const options = { states: same, stacks: same, unrecorded };
      const result = await replayEvents(seat, emptyFold(name), events, options);
      if (result.isStruck) {
        unrecorded = 'skipped';
        continue;
      }
      if (!result.divergence) {
        const report = await seat.kernel.look();
        const state = stateOf(result.fold, { report, kernel: kernel.version });
        const { log } = commits.reduce(applyCommit, emptyFold(name));
        const reply = { state, metadata: metadataOf({ ...result.fold, log }) };
        return divergence ? { ...reply, divergence } : reply;
      }
      // The kernel has executed what differs: once more, without it.
      divergence = result.divergence;
      events = events.slice(0, result.good);
    }
  } finally {
    seat.leave();
  }
  throw new RepriseError(
    'CORRUPT',
    `nothing of the log of ${JSON.stringify(name)} is good: ${divergence!.actual}`,
    {
      hint: '`reprise log` shows what can be read; `reprise rm` removes the session',
    },
  );
}
