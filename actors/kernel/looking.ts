/** Looking at a session: variables and completions, computed by the prelude on a copy of the heap. */
import { RepriseError } from '../../bus/errors.ts';
import type { VariableSummary } from '../../bus/types.ts';
import { completionTarget } from './compiler/compile.ts';
import type { Guest } from './guest.ts';
import { KernelTrap } from './instance.ts';
import { LOOKING_FUEL, VARIABLE_FUEL } from './limits.ts';
import type { InspectReport } from './port.ts';
import type { Residency } from './residency.ts';
import type { SessionState } from './session-state.ts';

/** How often a look begins anew with a full budget because a variable took all memory, which takes a while. */
const EXHAUSTIONS_MAX = 2;
/** Wall-clock time after which a look ends although its fuel would last, ms: built-ins burn hardly any. */
const LOOKING_MS = 500;

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
 * show, and the others are shown; when the budget is spent, all that are left are.
 * @throws RepriseError UNAVAILABLE when the heap has no room left to look at it.
 */
export function inspectSession(looking: Looking): InspectReport {
  const { pages, state, heapBytes, stateId } = looking.residency.peek(looking.session);
  const budget = makeBudget(looking);
  let withheld: string[] | null = [];
  let exhaustions = 0;
  for (;;) {
    // A copy each: a strike may leave something half done.
    try {
      const variables = looking.residency.withCopy(pages, (guest) =>
        ask(guest, state, 'inspect', { state: state.compiler, withheld }, budget),
      ) as VariableSummary[];
      return { variables, heapBytes, stateId: stateId(), cells: state.cells };
    } catch (thrown) {
      if (!(thrown instanceof StruckLook)) throw thrown;
      if (withheld === null) throw cannotLook('inspect');
      if (thrown.exhausted && thrown.at !== undefined && exhaustions++ < EXHAUSTIONS_MAX) {
        withheld.push(thrown.at);
        budget.renew();
      } else if (budget.spent || thrown.at === undefined) {
        withheld = null;
        budget.renew();
      } else withheld.push(thrown.at);
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
class StruckLook extends Error {
  /** The variable that was being looked at. */
  readonly at: string | undefined;
  /** It took all memory. */
  readonly exhausted: boolean;
  constructor(at: string | undefined, exhausted: boolean) {
    super('a look was struck');
    this.at = at;
    this.exhausted = exhausted;
  }
}

interface Budget {
  /** Called at every interrupt callback; true strikes. */
  interrupt(): boolean;
  /** Another variable begins. */
  next(): void;
  /** One more look that needs no more than our own code does. */
  renew(): void;
  readonly spent: boolean;
}

function makeBudget({ now, tick }: Looking): Budget {
  let deadline = now() + LOOKING_MS;
  let fuel = 0;
  // What is not about one variable has the whole budget.
  let ofOne = Number.NEGATIVE_INFINITY;
  const spent = (): boolean => fuel >= LOOKING_FUEL || now() >= deadline;
  return {
    interrupt() {
      tick();
      fuel++;
      ofOne++;
      return spent() || ofOne >= VARIABLE_FUEL;
    },
    next() {
      ofOne = 0;
    },
    renew() {
      fuel = 0;
      ofOne = Number.NEGATIVE_INFINITY;
      deadline = now() + LOOKING_MS;
    },
    get spent() {
      return spent();
    },
  };
}

function ask(
  guest: Guest,
  state: SessionState,
  entry: 'inspect' | 'complete',
  argument: unknown,
  budget: Budget,
): unknown {
  let at: string | undefined;
  let exhausted = false;
  guest.instance.clockMs = state.timeMs;
  guest.instance.hooks = {
    emit: (kind, payload) => {
      if (kind !== 'looking') return;
      at = JSON.parse(payload) as string;
      budget.next();
    },
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
    exhausted = thrown instanceof KernelTrap && thrown.reason === 'memory';
  }
  throw new StruckLook(at, exhausted);
}

const cannotLook = (entry: string): RepriseError =>
  new RepriseError('UNAVAILABLE', `the session could not be looked at (${entry})`, {
    retryable: false,
    hint: 'a getter or proxy of the session takes too long or too much memory',
  });
