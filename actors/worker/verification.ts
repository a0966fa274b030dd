/** Verification: re-execute a session's whole log in a fresh kernel and compare everything. */
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { Divergence, ReplayReply } from '../../bus/operations/workers.ts';
import { diffImages } from '../kernel/image-diff.ts';
import type { KernelHost } from '../kernel/port.ts';
import { loadSession, NO_KERNEL, replayKernel, wroteAll } from '../session/activation.ts';
import { emptyFold } from '../session/fold.ts';
import type { Log, SessionStore } from '../session/ports.ts';
import { replayEvents } from '../session/replay.ts';

/** Page numbers that a divergence names at most. */
const PAGES_SHOWN = 8;

export interface VerificationPorts {
  store: SessionStore;
  kernel: KernelHost;
  log: Log;
  newId(): string;
}

/**
 * Re-executes a session from seq 0. It reads the log once and runs beside the session, never in it.
 * @throws RepriseError NOT_FOUND, CORRUPT (a large value), and what storage throws. Divergences are results.
 */
export async function verifySession(name: string, ports: VerificationPorts): Promise<ReplayReply> {
  const started = performance.now();
  const reply = (rest: Omit<ReplayReply, 'durationMs'>): ReplayReply => ({
    ...rest,
    durationMs: performance.now() - started,
  });
  const { kernel } = ports;
  const key = `verify:${ports.newId()}`;
  try {
    const { tail } = await loadSession(name, ports, NO_KERNEL);
    if (tail.length === 0) throw notFound(name);
    const events = tail.flatMap((stored) => stored.commit.events);
    // Images of another kernel version differ by design; its events must still come out the same.
    const same = wroteAll(kernel.version, tail);
    const result = await replayEvents(replayKernel(kernel, key), emptyFold(name), events, {
      states: same,
      stacks: same,
    });
    const { checkpoints } = result;
    if (!result.divergence) return reply({ verified: true, events: events.length, checkpoints });
    const divergence = await withPages(result.divergence, key, ports);
    return reply({ verified: false, events: events.length, checkpoints, divergence });
  } catch (error) {
    if (!hasCode(error, 'CHAIN_BROKEN', 'CORRUPT') || !error.at) throw error;
    const divergence = chainDivergence(error.at, error.message);
    return reply({ verified: false, events: 0, checkpoints: 0, divergence });
  } finally {
    kernel.drop(key);
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
  key: string,
  { kernel, store, log }: VerificationPorts,
): Promise<Divergence> {
  if (divergence.kind !== 'stateId') return divergence;
  try {
    const recorded = await store.image(divergence.expected);
    if (!recorded) return divergence;
    const { pages, state } = diffImages(
      { bytes: recorded, stateId: divergence.expected },
      await kernel.capture(key),
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

export function notFound(name: string): RepriseError {
  return new RepriseError('NOT_FOUND', `there is no session ${JSON.stringify(name)}`, {
    hint: '`reprise ls` lists the sessions; `reprise exec` creates one',
  });
}
