/** Looking at a session: variables and completions, computed by the prelude on a copy of the heap. */
import { RepriseError } from '../../bus/errors.ts';
import type { VariableSummary } from '../../bus/types.ts';
import { completionTarget } from './compiler/compile.ts';
import type { Guest } from './guest.ts';
import { KernelTrap } from './instance.ts';
import { LOOKING_FUEL, VARIABLE_FUEL, VARIABLE_FUEL_MIN } from './limits.ts';
import type { InspectReport } from './port.ts';
import type { Residency } from './residency.ts';
import type { SessionState } from './session-state.ts';

/** Wall-clock time after which a look is struck although its fuel would last, ms: built-ins burn hardly any. */
const LOOKING_MS = 500;
/** How often it goes on behind a variable that no strike could end in time: built-ins, and filling the memory. */
const OVERRUNS_MAX = 2;

interface Looking {
  residency: Residency;
  session: string;
  /** A monotonic clock, ms. */
  now(): number;
  /** Called now and then while guest code runs. */
  tick(): void;
}

/**
 * The variables of a session. One whose getter, trap or custom rendering takes too long is said to be impossible to
 * show, and the look goes on behind it. What was shown before the budget ended stays; what comes after is withheld.
 * @throws RepriseError UNAVAILABLE when the heap has no room left to look at it.
 */
export function inspectSession(looking: Looking): InspectReport {
  const { pages, state, heapBytes, stateId } = looking.residency.peek(looking.session);
  const budget = makeBudget(looking);
  const variables: VariableSummary[] = [];
  let withheld: 'none' | 'first' | 'all' = 'none';
  for (;;) {
    let listed = false;
    const hear = (kind: string, payload: string) => {
      if (kind === 'listed') listed = true;
      else if (kind === 'looked') variables.push(JSON.parse(payload) as VariableSummary);
      else return;
      budget.next();
    };
    // A copy each: a strike may leave something half done. On each the variables are the same, in the same order.
    try {
      const asked = { state: state.compiler, from: variables.length, withheld };
      looking.residency.withCopy(pages, (guest) => ask(guest, state, 'inspect', asked, budget, hear));
      return { variables, heapBytes, stateId: stateId(), cells: state.cells };
    } catch (thrown) {
      if (!(thrown instanceof StruckLook)) throw thrown;
      if (withheld === 'all') throw cannotLook('inspect');
      if (listed && budget.lasts()) withheld = 'first';
      else {
        withheld = 'all';
        budget.renew();
      }
    }
  }
}

/** Completions at `cursor`, an index into `code`. @throws RepriseError UNAVAILABLE when finding them takes too long. */
export function completeIn(
  looking: Looking,
  code: string,
  cursor: number,
): { completions: string[]; from: number } {
  const target = completionTarget(code, cursor);
  const { pages, state } = looking.residency.peek(looking.session);
  try {
    return looking.residency.withCopy(pages, (guest) =>
      ask(guest, state, 'complete', { ...target, state: state.compiler }, makeBudget(looking)),
    ) as { completions: string[]; from: number };
  } catch (thrown) {
    throw thrown instanceof StruckLook ? cannotLook('complete') : thrown;
  }
}

/** A look that took too long or too much memory. Thrown, so that its instance is not used again. */
class StruckLook extends Error {}

interface Budget {
  /** Called at every interrupt callback; true strikes. */
  interrupt(): boolean;
  /** Another variable begins. */
  next(): void;
  /** A variable was struck: whether there is something left for those behind it, of which each may now take less. */
  lasts(): boolean;
  /** One more look that needs no more than our own code does. */
  renew(): void;
}

function makeBudget({ now, tick }: Looking): Budget {
  let deadline = now() + LOOKING_MS;
  let overruns = 0;
  let fuel = 0;
  let variableFuel = VARIABLE_FUEL;
  // What is not about one variable has the whole budget.
  let ofOne = Number.NEGATIVE_INFINITY;
  const isLate = (): boolean => now() >= deadline;
  return {
    interrupt() {
      tick();
      fuel++;
      ofOne++;
      return fuel >= LOOKING_FUEL || ofOne >= variableFuel || isLate();
    },
    next() {
      ofOne = 0;
    },
    lasts() {
      // However many there are that never end, they leave something for the others.
      variableFuel = Math.max(VARIABLE_FUEL_MIN, variableFuel >> 1);
      ofOne = Number.NEGATIVE_INFINITY;
      if (fuel >= LOOKING_FUEL) return false;
      if (!isLate()) return true;
      deadline = now() + LOOKING_MS;
      return overruns++ < OVERRUNS_MAX;
    },
    renew() {
      fuel = 0;
      ofOne = Number.NEGATIVE_INFINITY;
      deadline = now() + LOOKING_MS;
    },
  };
}

/** Asks an entry of the prelude. @param hear what the guest says meanwhile */
function ask(
  guest: Guest,
  state: SessionState,
  entry: 'inspect' | 'complete',
  argument: unknown,
  budget: Budget,
  hear: (kind: string, payload: string) => void = () => {},
): unknown {
  guest.instance.clockMs = state.timeMs;
  guest.instance.hooks = {
    emit: hear,
    interrupt: () => {
      if (!budget.interrupt()) return false;
      guest.hurryInterrupt();
      return true;
    },
  };
  try {
    const outcome = guest.call(entry, argument);
    if (outcome.thrown === undefined) return JSON.parse(guest.text(outcome.value));
  } catch (thrown) {
    if (!(thrown instanceof KernelTrap || thrown instanceof WebAssembly.RuntimeError)) throw thrown;
  }
  throw new StruckLook('a look was struck');
}

const cannotLook = (entry: string): RepriseError =>
  new RepriseError('UNAVAILABLE', `the session could not be looked at (${entry})`, {
    retryable: false,
    hint: 'a getter or proxy of the session takes too long or too much memory',
  });
