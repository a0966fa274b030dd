/**
 * Replays a log into a kernel: every event that entered the session enters again, and every event that the
 * session derived is compared with what it derives now. The first difference ends the replay.
 *
 * What is left over at the end of the log (an unfinished turn's events, never committed) is handed back: an
 * owner that took over commits it and carries on.
 */
import { canonical } from '../../bus/codec.ts';
import type { Divergence } from '../../bus/operations/looks.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { broughtBy } from '../effects/kinds.ts';
import type { KernelStep, Strike, Turn } from '../kernel/port.ts';
import { makeBreath } from './breath.ts';
import { applyEvent, seqOf } from './fold.ts';
import type { SessionFold } from './fold-shape.ts';
import { StepFeed, type StepPlan } from './step-feed.ts';
import { compareEvents, eventsOfTurn, isAside, isDerived } from './turn.ts';

/** The kernel of one session, as replay needs it. */
export interface ReplayKernel {
  boot(event: Extract<SessionEvent, { type: 'session' }>): Promise<void>;
  apply(step: KernelStep): Promise<Turn>;
  applyAll(steps: readonly KernelStep[]): Promise<Turn[]>;
  stateId(): Promise<string>;
}

/** A kernel that tells of every turn before the next one begins; an undone one has left nothing to look at. */
export function watched(
  kernel: ReplayKernel,
  onTurn: (step: KernelStep, turn: Turn) => void | Promise<void>,
): ReplayKernel {
  const apply = async (step: KernelStep): Promise<Turn> => {
    const turn = await kernel.apply(step);
    if (!turn.poisoned) await onTurn(step, turn);
    return turn;
  };
  return {
    boot: (event) => kernel.boot(event),
    stateId: () => kernel.stateId(),
    apply,
    async applyAll(steps) {
      const turns: Turn[] = [];
      for (const step of steps) turns.push(await apply(step));
      return turns;
    },
  };
}

export interface ReplayOptions {
  /** Compare the stateId of every checkpoint (verification); an activation trusts the log's hash chain. */
  states: boolean;
  /**
   * The log was written by this version of the kernel, so stacks must be the same to the column. Another version
   * may know better where an error came from; all else must still come out the same.
   */
  stacks: boolean;
  /** seq of the last event that is folded; those behind it only tell of the turn that is under way there. */
  until?: number;
  /**
   * What becomes of a turn whose outcome is not in the log. `skipped`, unless told: whoever goes on runs it by itself.
   * `limited`: it gets a second, for who only looks. A cell is then left out as well: it may be one that hangs.
   */
  unrecorded?: 'limited' | 'skipped';
  /** The log goes on behind the events: the last turn has its outcome, even if that is nothing. */
  goesOn?: boolean;
}

export interface ReplayResult {
  fold: SessionFold;
  /** Derived, but not in the log; numbered on from it. Empty after a complete log. */
  leftover: SessionEvent[];
  /** The last turn, when it has leftovers. */
  lastTurn: Turn | null;
  checkpoints: number;
  divergence: Divergence | null;
  /** Events before the turn with the difference: what they give is known to be right. */
  good: number;
  /** The turn without a recorded outcome was cut short: the kernel is of no use. */
  isStruck?: boolean;
  /** The event that began such a turn, when it was left out: the kernel is where it was before. */
  open?: SessionEvent;
}

/** How long a turn without a recorded outcome may compute for somebody who only looks, ms. */
const UNRECORDED_MS = 1_000;
/** Three weeks: no turn takes that long. */
const UNLIMITED_MS = 2 ** 31 - 1;

/**
 * Replays `events` (all that follow `fold`, in order) into `kernel`, which stands at `fold`.
 * @throws whatever the kernel throws; differences are results, not exceptions.
 */
export async function replayEvents(
  kernel: ReplayKernel,
  fold: SessionFold,
  events: readonly SessionEvent[],
  options: ReplayOptions,
): Promise<ReplayResult> {
  const { until = Number.POSITIVE_INFINITY, unrecorded = 'skipped', goesOn = false } = options;
  const plan = new Plan(fold, events, goesOn);
  // A stateId is compared before anything that comes after its checkpoint.
  const feed = new StepFeed(kernel, plan, (index) => options.states && events[index]!.type === 'checkpoint');
  let state = fold;
  /** What the last turn derives, and how much of it the log has told already. */
  let expected: SessionEvent[] = [];
  let derived = (): SessionEvent[] => [];
  let told = 0;
  let skipDerived = false;
  let lastTurn: Turn | null = null;
  let computedMs = 0;
  let checkpoints = 0;
  /** Index of the event that began the last turn. */
  let began = 0;
  const result = (
    divergence: Divergence | null,
    good: number,
    leftover: SessionEvent[] = [],
  ): ReplayResult => ({
    fold: state,
    leftover,
    lastTurn,
    checkpoints,
    divergence,
    good,
  });

  const breath = makeBreath();
  for (let index = 0; index < events.length; index++) {
    const pause = breath(1);
    if (pause) await pause;
    const event = events[index]!;
    if (seqOf(event) > until) break;
    if (isAside(event)) {
      state = applyEvent(state, event);
      // What a fork's session has not told yet of the turn it began in, it tells as its own.
      if (event.type === 'fork' && told < expected.length) expected = derived();
      continue;
    }
    if (isDerived(event)) {
      if (!skipDerived) {
        const difference = compareEvents(event, expected[told++], options);
        if (difference) return result(difference, told > expected.length ? index : began);
      }
      state = applyEvent(state, event);
      continue;
    }
    // A strike's event stands between its step and the step's derived events; others begin something new.
    const strikeEvent = event.type === 'interrupt' && event.fuel >= 0;
    // Older versions ended a session that called exit() in a callback without ending the cell that waited.
    if (event.type === 'closed' && lastTurn?.exit && lastTurn.status === 'waiting') told = expected.length;
    if (!strikeEvent && told < expected.length) {
      const missing: Divergence = {
        seq: seqOf(event),
        kind: 'missing',
        expected: `the log goes on with ${event.type}`,
        actual: JSON.stringify(expected[told]),
      };
      return result(missing, began);
    }
    state = applyEvent(state, event);
    if (event.type === 'session') {
      await kernel.boot(event);
      continue;
    }
    if (event.type === 'checkpoint') {
      checkpoints++;
      if (options.states) {
        const stateId = await kernel.stateId();
        if (stateId !== event.stateId) {
          const { seq, stateId: expected } = event;
          return result({ seq, kind: 'stateId', expected, actual: stateId }, index);
        }
      }
      continue;
    }
    if (plan.at(index) === null) continue;
    began = index;
    if (event.type === 'input') computedMs = 0;
    const isOpen = !goesOn && index === plan.length - 1;
    if (isOpen && (unrecorded === 'skipped' || event.type === 'input')) {
      const aside = events.slice(index + 1).filter((each) => seqOf(each) <= until);
      state = aside.reduce(applyEvent, state);
      return { ...result(null, index), open: event };
    }
    const turn = await feed.turnOf(index);
    if (isOpen && (turn.struck || turn.poisoned)) return { ...result(null, index), isStruck: true };
    computedMs += turn.durationMs;
    // A strike that the log holds already is not written down again by whoever commits what is left over.
    lastTurn = strikeOn(events, index) ? { ...turn, struck: undefined } : turn;
    // An undone turn is not run again: what it printed was recorded, and cannot be compared.
    skipDerived = plan.at(index)!.failed !== undefined;
    told = 0;
    const { seq, timeMs, running } = state;
    derived = () =>
      eventsOfTurn(turn, {
        first: seq + 1,
        timestamp: new Date(timeMs).toISOString(),
        sessionId: state.id,
        version: state.version,
        running,
        durationMs: computedMs,
      });
    expected = skipDerived ? [] : derived();
  }
  return result(null, events.length, renumber(expected.slice(told), state.seq + 1));
}

/** The steps of a log's events: all that follows from the log alone. Made as they are needed, for a log may be long. */
class Plan implements StepPlan {
  /** Up to the last event but for those that may stand behind it and are no part of its turn. */
  readonly length: number;
  readonly #events: readonly SessionEvent[];
  readonly #steps: (KernelStep | null)[] = [];
  readonly #goesOn: boolean;
  #state: SessionFold;

  constructor(fold: SessionFold, events: readonly SessionEvent[], goesOn: boolean) {
    this.#goesOn = goesOn;
    this.#state = fold;
    this.#events = events;
    this.length = events.findLastIndex((event) => !isAside(event)) + 1;
  }

  at(index: number): KernelStep | null {
    while (this.#steps.length <= index) this.#steps.push(this.#next(this.#steps.length));
    return this.#steps[index]!;
  }

  #next(index: number): KernelStep | null {
    const events = this.#events;
    const event = events[index]!;
    this.#state = applyEvent(this.#state, event);
    if (isDerived(event)) return null;
    const failure = rolledBackError(events, index);
    // An undone turn is not run, so there is nothing to strike.
    const strike = failure ? undefined : strikeOn(events, index);
    const step = stepOf(event, { strike, failure, timeMs: this.#state.timeMs, fold: this.#state });
    // What is recorded happened within its budget, however slow this machine is.
    if (step && step.type !== 'abandon') {
      step.timeoutMs = this.#goesOn || index + 1 < this.length ? UNLIMITED_MS : UNRECORDED_MS;
    }
    return step;
  }
}

interface StepFacts {
  strike?: Strike;
  failure?: { name: string; message: string; stack: string };
  timeMs: number;
  fold: SessionFold;
}

/**
 * The kernel step of an event that entered the session; null for events that do not reach the kernel. Objects
 * enter with their keys in the order in which the log keeps them: the guest's heap shows the difference.
 */
export function stepOf(event: SessionEvent, facts: StepFacts): KernelStep | null {
  const { timeMs, strike, failure: failed } = facts;
  const seq = seqOf(event);
  switch (event.type) {
    case 'input':
      return {
        type: 'input',
        seq,
        timeMs,
        cell: event.cell ?? facts.fold.cells,
        code: event.code,
        timeoutMs: event.timeoutMs,
        strike,
        failed,
      };
    case 'llm_resp':
    case 'effect_resp': {
      const { value, error } = broughtBy(event);
      return {
        type: 'answer',
        seq,
        timeMs,
        effect: event.effect ?? -1,
        ...(error ? { error: canonical(error) } : { value: canonical(value!) }),
        timeoutMs: facts.fold.running?.timeoutMs,
        strike,
        failed,
      };
    }
    case 'interrupt':
      return event.fuel < 0 ? { type: 'abandon', seq, timeMs, reason: event.reason, failed } : null;
    default:
      return null;
  }
}

/** The strike recorded for the turn that the event at `index` begins. */
export function strikeOn(events: readonly SessionEvent[], index: number): Strike | undefined {
  let at = index + 1;
  while (at < events.length && isAside(events[at]!)) at += 1;
  const next = events[at];
  if (next?.type !== 'interrupt' || next.fuel < 0 || next.at !== seqOf(events[index]!)) return undefined;
  return { reason: next.reason, fuel: next.fuel };
}

/** The failure recorded for the turn that the event at `index` begins, when that turn was undone. */
function rolledBackError(events: readonly SessionEvent[], index: number) {
  // A turn may have been struck before it was undone: the strike stands between what began it and its end.
  const began = seqOf(events[index]!);
  for (let i = index + 1; i < events.length; i++) {
    const event = events[i]!;
    if (isAside(event) || (event.type === 'interrupt' && event.fuel >= 0 && event.at === began)) continue;
    if (event.type === 'error') {
      if (!event.rolledBack) return undefined;
      return { name: event.name ?? 'Error', message: event.message, stack: event.stack ?? '' };
    }
    if (!isDerived(event)) return undefined;
  }
  return undefined;
}

/** Numbers derived events on from `first`. */
export function renumber(events: SessionEvent[], first: number): SessionEvent[] {
  return events.map((event, index) => ({ ...event, seq: first + index }) as SessionEvent);
}
