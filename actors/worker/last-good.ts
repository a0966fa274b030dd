/**
 * A session that cannot be restored, as it was before what is wrong with it: its log is executed up to there in a
 * fresh kernel, beside the session. Nothing is changed.
 */
import { CHAIN_START, type ChainPlace, commitFault, faultText, placeAfter } from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { restoredCommits } from '../../bus/large.ts';
import type { ScannedMessage } from '../../bus/operations/logs.ts';
import type { Divergence, LastGoodReply } from '../../bus/operations/workers.ts';
import type { StoredCommit } from '../../bus/types.ts';
import { applyCommit, emptyFold } from '../timeline/fold.ts';
import type { TimelineStore } from '../timeline/ports.ts';
import { type ReplayOptions, replayEvents } from '../timeline/replay.ts';
import { KernelSeat } from '../timeline/seat.ts';
import { noSession, type TimelinePorts, wroteAll } from '../timeline/timeline.ts';
import { metadataOf, stateOf } from './reports.ts';
import { chainDivergence } from './verification.ts';

export interface LastGoodPorts extends Omit<TimelinePorts, 'store'> {
  store: Pick<TimelineStore, 'getLarge'> & { scan(session: string): AsyncIterable<ScannedMessage[]> };
}

/**
 * The state after the last event that is as it was written and that execution gives again; of a session without a
 * fault, the newest one.
 * @throws RepriseError NOT_FOUND; CORRUPT when nothing of the log is good; what storage and the kernel throw
 */
export async function lastGood(name: string, ports: LastGoodPorts): Promise<LastGoodReply> {
  const { kernel } = ports;
  const { commits, fault } = await wholeCommits(name, ports);
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

/** The commits before the first place at which the log is not whole, and what is wrong there. */
async function wholeCommits(
  name: string,
  { store }: LastGoodPorts,
): Promise<{ commits: StoredCommit[]; fault: Divergence | null }> {
  const commits: StoredCommit[] = [];
  let place: ChainPlace = CHAIN_START;
  let odd: Divergence | null = null;
  const faultAt = (position: number, what: string) => chainDivergence({ seq: place.next, position }, what);
  for await (const page of store.scan(name)) {
    for (const { position, sizeBytes, commit, problem } of page) {
      if (!commit) return { commits, fault: faultAt(position, problem ?? 'no commit') };
      if (problem !== undefined) {
        // What was not appended is no link of the chain: the next commit follows the one before.
        odd ??= faultAt(position, problem);
        continue;
      }
      const stored = { commit, position, sizeBytes };
      const fault = commitFault(stored, place);
      if (fault) return { commits, fault: faultAt(position, faultText(fault)) };
      try {
        commits.push(...(await restoredCommits([stored], store)));
      } catch (thrown) {
        if (!hasCode(thrown, 'CORRUPT')) throw thrown;
        return { commits, fault: faultAt(position, thrown.message) };
      }
      place = placeAfter(stored);
    }
  }
  return { commits, fault: odd };
}
