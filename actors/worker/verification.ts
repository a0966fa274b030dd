/** Verification: re-execute a session's whole log in a fresh kernel and compare everything. */
import { hasCode } from '../../bus/errors.ts';
import type { Divergence, ReplayReply } from '../../bus/operations/looks.ts';
import type { KernelHandle } from '../kernel/handle.ts';
import { diffImages } from '../kernel/image-diff.ts';
import type { Moment } from '../timeline/moment.ts';
import { type OpenOptions, Timeline, type TimelinePorts } from '../timeline/timeline.ts';
import { chainDivergence, wholeCommits } from '../timeline/whole-commits.ts';

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
    const options: OpenOptions = { fromStart: true, states: true, unrecorded: 'skipped' };
    moment = await new Timeline(ports).openAt(name, undefined, options);
    const { checkpoints, divergence, events } = moment;
    if (!divergence) return reply({ verified: true, events, checkpoints });
    return reply({
      verified: false,
      events,
      checkpoints,
      divergence: await withPages(divergence, moment.kernel, ports),
    });
  } catch (error) {
    return reply({
      verified: false,
      events: 0,
      checkpoints: 0,
      divergence: await chainBreak(name, error, ports),
    });
  } finally {
    moment?.close();
  }
}

/** Where a log that could not be read is broken. @throws the error itself when it is about something else */
export async function chainBreak(
  name: string,
  error: unknown,
  { store }: TimelinePorts,
): Promise<Divergence> {
  if (!hasCode(error, 'CHAIN_BROKEN', 'CORRUPT') || !error.at) throw error;
  // Who reads the log message by message knows where in the session it is.
  const isPlaced = error.at.seq !== undefined;
  const { fault } = isPlaced ? { fault: null } : await wholeCommits(name, store);
  return fault ?? chainDivergence(error.at, error.message);
}

/** Of heaps that differ, says in which pages: the kernel still stands where the replay ended. */
export async function withPages(
  divergence: Divergence,
  kernel: KernelHandle,
  { store, log }: TimelinePorts,
): Promise<Divergence> {
  if (divergence.kind !== 'stateId') return divergence;
  try {
    const recorded = await store.image(divergence.expected);
    if (!recorded) return divergence;
    const { pages, state } = diffImages(
      { bytes: recorded, stateId: divergence.expected },
      await kernel.capture(),
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
