/** Verification: re-execute a session's whole log in a fresh kernel and compare everything. */
import { hasCode } from '../../bus/errors.ts';
import type { Divergence, ReplayReply } from '../../bus/operations/workers.ts';
import { diffImages } from '../kernel/image-diff.ts';
import type { Moment } from '../timeline/moment.ts';
import { Timeline, type TimelinePorts } from '../timeline/timeline.ts';

/** Page numbers that a divergence names at most. */
const PAGES_SHOWN = 8;

/**
 * Re-executes a session from seq 0. It reads the log once and runs beside the session, never in it.
 * @throws RepriseError NOT_FOUND, CORRUPT (a large value), and what storage throws. Divergences are results.
 */
export async function verifySession(name: string, ports: TimelinePorts): Promise<ReplayReply> {
  const started = performance.now();
  const reply = (rest: Omit<ReplayReply, 'durationMs'>): ReplayReply => ({
    ...rest,
    durationMs: performance.now() - started,
  });
  let moment: Moment | null = null;
  try {
    // A turn whose outcome is not in the log has nothing to be compared with.
    const options = { fromStart: true, states: true, unrecorded: 'skipped' } as const;
    moment = await new Timeline(ports).openAt(name, undefined, options);
    const { checkpoints, divergence, events } = moment;
    if (!divergence) return reply({ verified: true, events, checkpoints });
    return reply({
      verified: false,
      events,
      checkpoints,
      divergence: await withPages(divergence, moment, ports),
    });
  } catch (error) {
    if (!hasCode(error, 'CHAIN_BROKEN', 'CORRUPT') || !error.at) throw error;
    const divergence = chainDivergence(error.at, error.message);
    return reply({ verified: false, events: 0, checkpoints: 0, divergence });
  } finally {
    moment?.close();
  }
}

/** A break of the chain, as the difference that it is. */
export function chainDivergence(
  { seq = -1, position }: { seq?: number; position?: number },
  actual: string,
): Divergence {
  return { seq, position, kind: 'chain', expected: 'an unbroken chain of commits', actual };
}

/** Of heaps that differ, says in which pages: the kernel still stands where the replay ended. */
async function withPages(
  divergence: Divergence,
  moment: Moment,
  { store, log }: TimelinePorts,
): Promise<Divergence> {
  if (divergence.kind !== 'stateId') return divergence;
  try {
    const recorded = await store.image(divergence.expected);
    if (!recorded) return divergence;
    const { pages, state } = diffImages(
      { bytes: recorded, stateId: divergence.expected },
      await moment.kernel.capture(),
    );
    const shown = pages.slice(0, PAGES_SHOWN).join(', ') + (pages.length > PAGES_SHOWN ? ', …' : '');
    const where = `${pages.length} heap pages differ${pages.length > 0 ? `: ${shown}` : ''}`;
    const also = state ? '; so does the state beside the heap' : '';
    return { ...divergence, actual: `${divergence.actual} (${where}${also})` };
  } catch (error) {
    log.debug({ error: String(error) }, 'heaps could not be compared');
    return divergence;
  }
}
