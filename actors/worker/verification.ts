/** Verification: re-execute a session's whole log in a fresh kernel and compare everything. */
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { ReplayReply } from '../../bus/protocol.ts';
import type { KernelHost } from '../kernel/port.ts';
import { loadSession, NO_KERNEL, replayKernel, wroteAll } from '../session/activation.ts';
import { emptyFold } from '../session/fold.ts';
import type { Log, SessionStore } from '../session/ports.ts';
import { replayEvents } from '../session/replay.ts';

export interface VerificationPorts {
  store: SessionStore;
  kernel: KernelHost;
  log: Log;
  newId(): string;
}

/**
 * Re-executes a session from seq 0. It reads the log once and runs beside the session, never in it.
 * @throws RepriseError NOT_FOUND, CORRUPT, and what storage throws. Divergences are results.
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
    return reply({ verified: false, events: events.length, checkpoints, divergence: result.divergence });
  } catch (error) {
    if (!hasCode(error, 'CHAIN_BROKEN')) throw error;
    const divergence = {
      seq: -1,
      kind: 'chain',
      expected: 'an unbroken hash chain',
      actual: error.message,
    } as const;
    return reply({ verified: false, events: 0, checkpoints: 0, divergence });
  } finally {
    kernel.drop(key);
  }
}

export function notFound(name: string): RepriseError {
  return new RepriseError('NOT_FOUND', `there is no session ${JSON.stringify(name)}`, {
    hint: '`reprise ls` lists the sessions; `reprise exec` creates one',
  });
}
