/** Looking at a session: variables and completions, computed by the prelude on a copy of the heap. */
import { RepriseError } from '../../bus/errors.ts';
import type { VariableSummary } from '../../bus/types.ts';
import { completionTarget } from './compiler/compile.ts';
import type { Guest } from './guest.ts';
import { KernelTrap } from './instance.ts';
import { LOOKING_FUEL } from './limits.ts';
import type { InspectReport } from './port.ts';
import type { Residency } from './residency.ts';
import type { SessionState } from './session-state.ts';

/** Wall-clock budget of one look, ms. */
const LOOKING_MS = 2_000;

interface Looking {
  residency: Residency;
  session: string;
  /** A monotonic clock, ms. */
  now(): number;
  /** Called now and then while guest code runs. */
  tick(): void;
}

/** @throws RepriseError UNAVAILABLE when the session's own getters take too long or too much memory. */
export function inspectSession(looking: Looking): InspectReport {
  const { pages, state, heapBytes, stateId } = looking.residency.peek(looking.session);
  const variables = looking.residency.withCopy(pages, (guest) =>
    ask(guest, state, 'inspect', { state: state.compiler }, looking),
  ) as VariableSummary[];
  return { variables, heapBytes, stateId: stateId(), cells: state.cells };
}

/** Completions at `cursor`, an index into `code`. @throws as `inspectSession`. */
export function completeIn(
  looking: Looking,
  code: string,
  cursor: number,
): { completions: string[]; from: number } {
  const target = completionTarget(code, cursor);
  const { pages, state } = looking.residency.peek(looking.session);
  return looking.residency.withCopy(pages, (guest) =>
    ask(guest, state, 'complete', { ...target, state: state.compiler }, looking),
  ) as { completions: string[]; from: number };
}

function ask(
  guest: Guest,
  state: SessionState,
  entry: 'inspect' | 'complete',
  argument: unknown,
  { now, tick }: Looking,
): unknown {
  const deadline = now() + LOOKING_MS;
  let fuel = 0;
  guest.instance.clockMs = state.timeMs;
  guest.instance.hooks = {
    emit: () => undefined,
    interrupt: () => {
      tick();
      if (++fuel < LOOKING_FUEL && now() < deadline) return false;
      guest.hurryInterrupt();
      return true;
    },
  };
  try {
    const outcome = guest.call(entry, argument);
    if (outcome.thrown === undefined) {
      const text = guest.text(outcome.value);
      return JSON.parse(text);
    }
  } catch (thrown) {
    if (!(thrown instanceof KernelTrap || thrown instanceof WebAssembly.RuntimeError)) throw thrown;
  }
  throw new RepriseError('UNAVAILABLE', `the session could not be looked at (${entry})`, {
    retryable: false,
    hint: 'a getter or proxy of the session takes too long or too much memory',
  });
}
