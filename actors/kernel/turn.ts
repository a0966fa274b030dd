/**
 * One step of a session in a guest: set the clock, let the prelude and the cell run, drain the jobs, and say what
 * came of it.
 *
 * Invariants:
 * 1. What a turn is follows from heap, state and step alone, except for strikes from outside, and those are
 *    reproduced from `step.strike`.
 * 2. A strike cannot be caught: once struck, every function call and loop turn of the guest is struck again until
 *    nothing of it runs, and its queued jobs die the same way. Only then our own bookkeeping runs.
 * 3. After a turn the job queue is empty and the dead stack is clean.
 */
import { behaves } from './behaviours.ts';
import { wipeStack } from './boot.ts';
import { Collected } from './collected.ts';
import { compileOnce } from './compiled-cells.ts';
import { compileCell } from './compiler/compile.ts';
import { withUnset } from './compiler/declaring.ts';
import { type CellFailure, FAILURES } from './failures.ts';
import { type Entry, EVAL_ASYNC, EVAL_SCRIPT, type Guest, type Outcome } from './guest.ts';
import { type InstanceHooks, KernelTrap } from './instance.ts';
import { BOOKKEEPING_FUEL, DEFAULT_TIMEOUT_MS, type KernelLimits, KILLED_JOBS } from './limits.ts';
import type { BootParameters, KernelOutput, KernelStep, Strike, Turn } from './port.ts';
import { installLooks, Prober } from './prober.ts';
import { initialState, type SessionState } from './session-state.ts';

/** The outside world, as far as a turn may ask. */
export interface TurnControl {
  /** A monotonic clock, ms. */
  now(): number;
  /** Called at every interrupt callback; true when a user wants the turn to stop. */
  poll(): boolean;
  /** Called now and then between jobs. */
  breathe(): void;
  /** Called when the turn has printed; `outputs` are all of it so far, and grow on. */
  printed?(outputs: readonly KernelOutput[]): void;
}

const JOBS_AT_ONCE = 1_000;

type InputStep = Extract<KernelStep, { type: 'input' }>;
type AnswerStep = Extract<KernelStep, { type: 'answer' }>;

/** Seeds a pristine guest. */
export function bootSession(guest: Guest, boot: BootParameters): SessionState {
  guest.instance.clockMs = boot.createdMs;
  guest.discard(guest.call('boot', boot));
  guest.resetCountdown();
  wipeStack(guest);
  return initialState(boot.createdMs, boot.version);
}

/**
 * Applies one step and updates `state`. After a poisoned turn guest and state are useless.
 * @throws RangeError and others when the host itself ran out of something: not a fact of the session.
 */
export function applyStep(
  guest: Guest,
  state: SessionState,
  step: KernelStep,
  limits: KernelLimits,
  control: TurnControl,
): Turn {
  const started = control.now();
  const running = new RunningTurn(guest, state, step, limits, control, started);
  guest.instance.clockMs = step.timeMs;
  guest.instance.hooks = running;
  try {
    running.run();
    wipeStack(guest);
  } catch (thrown) {
    running.poison(thrown);
  }
  return running.turn(control.now() - started);
}

/** What is left of an undone turn of which the guest knows nothing. */
export function skipTurn(state: SessionState, step: KernelStep): void {
  state.timeMs = step.timeMs;
  if (step.type === 'input') state.cells++;
  if (step.type === 'answer') state.pending = state.pending.filter((effect) => effect !== step.effect);
  state.running = null;
}

class RunningTurn implements InstanceHooks {
  readonly #guest: Guest;
  readonly #state: SessionState;
  readonly #step: KernelStep;
  readonly #limits: KernelLimits;
  readonly #control: TurnControl;
  readonly #collected: Collected;
  readonly #strike: Strike | undefined;
  readonly #deadline: number;
  #fuel = 0;
  #struck: Strike | undefined;
  #phase: 'guest' | 'killing' | 'bookkeeping' = 'guest';
  #bookkeepingFuel = 0;
  /** Set when the host ends the cell. */
  #failure: CellFailure | undefined;
  #poisoned = false;
  #hadCell: boolean;
  #prober: Prober | undefined;

  constructor(
    guest: Guest,
    state: SessionState,
    step: KernelStep,
    limits: KernelLimits,
    control: TurnControl,
    started: number,
  ) {
    this.#guest = guest;
    this.#state = state;
    this.#step = step;
    this.#limits = limits;
    this.#control = control;
    this.#collected = new Collected(limits);
    this.#collected.unheard = state.unheard === true;
    this.#strike = step.type === 'abandon' ? undefined : step.strike;
    const timeoutMs = (step.type === 'abandon' ? undefined : step.timeoutMs) ?? DEFAULT_TIMEOUT_MS;
    this.#deadline = started + timeoutMs;
    this.#hadCell = state.running !== null;
    if (step.probing && state.looks !== undefined)
      this.#prober = new Prober(guest, step.probing, state.looks);
  }

  run(): void {
    const { type } = this.#step;
    this.#state.timeMs = this.#step.timeMs;
    if (type === 'input') this.#begin(this.#step);
    else if (type === 'answer') this.#answer(this.#step);
    else if (this.#hadCell) this.#end(FAILURES[this.#step.reason]);
    this.#settle();
    const { unset } = this.#collected;
    if (unset !== undefined) this.#state.compiler = withUnset(this.#state.compiler, unset);
    this.#guest.resetCountdown();
  }

  turn(durationMs: number): Turn {
    const collected = this.#collected;
    collected.finish();
    const failure = this.#failure ?? collected.error;
    const done = this.#hadCell && this.#state.running === null;
    const turn: Turn = {
      status: done || this.#poisoned ? 'done' : this.#state.running === null ? 'idle' : 'waiting',
      outputs: collected.outputs,
      requests: this.#poisoned ? [] : collected.requests,
      cancelled: this.#poisoned ? [] : collected.cancelled,
      exit: collected.exit,
      fuel: this.#fuel,
      heapBytes: this.#guest.heapBytes,
      durationMs,
    };
    if (failure !== undefined) turn.error = failure;
    else if (collected.result !== undefined) turn.result = collected.result;
    if (this.#struck !== undefined) turn.struck = this.#struck;
    if (this.#poisoned) turn.poisoned = true;
    if (this.#prober) turn.probed = this.#prober.probed;
    return turn;
  }

  /** @throws what is not the guest's doing. */
  poison(thrown: unknown): void {
    if (thrown instanceof KernelTrap) {
      this.#failure =
        thrown.reason === 'memory' ? FAILURES.memory(this.#limits) : FAILURES.trap(thrown.message);
    } else if (thrown instanceof WebAssembly.RuntimeError) {
      this.#failure = FAILURES.trap(thrown.message);
    } else {
      throw thrown;
    }
    this.#poisoned = true;
  }

  // ── What the guest asks while it runs ─────────────────────────────────────────────────────────────────

  interrupt(): boolean {
    if (this.#phase === 'killing') return this.#keepKilling();
    if (this.#phase === 'bookkeeping') {
      this.#control.poll();
      if (++this.#bookkeepingFuel < BOOKKEEPING_FUEL) return false;
      throw new KernelTrap('trap', 'the end of the cell could not be written down');
    }
    const aside = this.#prober?.interrupt() ?? null;
    if (aside !== null) {
      this.#control.poll();
      return aside;
    }
    this.#fuel++;
    const wanted = this.#control.poll();
    if (this.#strike !== undefined) {
      return this.#fuel === this.#strike.fuel && this.#strikeNow(this.#strike.reason);
    }
    if (wanted) return this.#strikeNow('user');
    if (this.#control.now() > this.#deadline) return this.#strikeNow('timeout');
    if (this.#fuel < this.#limits.fuel) return false;
    this.#failure = FAILURES.fuel(this.#limits);
    return this.#keepKilling();
  }

  look(pointers: number, count: number): void {
    this.#prober?.look(pointers, count);
  }

  emit(kind: string, payload: string): void {
    if (this.#prober?.looking) return;
    this.#collected.add(kind, payload);
    if (kind === 'out') this.#control.printed?.(this.#collected.outputs);
  }

  #strikeNow(reason: Strike['reason']): boolean {
    this.#struck = { reason, fuel: this.#fuel };
    this.#failure = FAILURES[reason];
    return this.#keepKilling();
  }

  #keepKilling(): boolean {
    this.#phase = 'killing';
    this.#guest.hurryInterrupt();
    return true;
  }

  // ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────

  #begin(step: InputStep): void {
    const { cell, seq, timeMs, code, failed, probing } = step;
    const state = this.#state;
    state.cells++;
    state.running = cell;
    this.#hadCell = true;
    if (failed !== undefined) {
      this.#call('begin', { cell, seq, timeMs, map: null });
      this.#end(failed, 'failed');
      return;
    }
    if (Buffer.byteLength(code) > this.#limits.cellBytes) {
      this.#call('begin', { cell, seq, timeMs, map: null });
      this.#end(FAILURES.cellSize(this.#limits));
      return;
    }
    const compiled = probing
      ? compileCell(code, state.compiler, cell, state.version, probing.looks.insertions)
      : compileOnce(code, state.compiler, cell, state.version);
    const { map, bindings } = compiled.ok ? compiled : { map: null };
    this.#call('begin', { cell, seq, timeMs, map, bindings });
    if (!compiled.ok) {
      this.#failure = compiled.error;
      state.running = null;
      this.#call('compileFailed', compiled.error);
      return;
    }
    if (probing) {
      state.looks = installLooks(this.#guest, probing.looks);
      this.#prober = new Prober(this.#guest, probing, state.looks);
    }
    const file = `<cell ${cell}>`;
    if (compiled.declare !== null) {
      const declared = this.#guest.eval(compiled.declare, file, EVAL_SCRIPT);
      if (declared.thrown !== undefined) {
        this.#handOver('cellThrew', declared.thrown);
        return;
      }
      this.#guest.free(declared.value);
    }
    const evaluated = this.#guest.eval(compiled.body, file, EVAL_ASYNC);
    if (evaluated.thrown !== undefined) {
      // What the engine refuses to begin declares nothing.
      const begun = this.#phase === 'killing' || !behaves(state.version, 'deadZones');
      if (begun) state.compiler = compiled.next;
      this.#handOver('cellThrew', evaluated.thrown);
      return;
    }
    state.compiler = compiled.next;
    this.#handOver('cellDone', evaluated.value);
  }

  #answer(step: AnswerStep): void {
    const { effect, value, error, timeMs, failed } = step;
    const state = this.#state;
    state.pending = state.pending.filter((one) => one !== effect);
    if (failed !== undefined) this.#end(failed, 'failed', effect);
    else this.#call('answer', error === undefined ? { effect, value, timeMs } : { effect, error, timeMs });
  }

  /** Drains the jobs, then decides how things stand. */
  #settle(): void {
    const guest = this.#guest;
    const state = this.#state;
    do {
      while (this.#phase !== 'killing' && guest.jobPending) {
        guest.runJobs(JOBS_AT_ONCE);
        // Jobs that only wait for one another take long to fill an interrupt countdown.
        if (this.#phase === 'guest') this.#control.breathe();
      }
      // Showing a reason may run code of the user's, and that make jobs.
      if (this.#phase === 'guest' && this.#collected.unheard) this.#call('unhandled', null);
    } while (this.#phase !== 'killing' && guest.jobPending);
    if (this.#phase === 'killing') this.#bury();
    if (this.#collected.unheard) state.unheard = true;
    else delete state.unheard;
    if (this.#collected.settled) state.running = null;
    // After exit() nobody waits for the cell: its turn's events end it.
    const exits = this.#collected.exit && behaves(state.version, 'exitsSettle');
    if (state.running !== null && this.#pending().length === 0 && !exits) this.#end(FAILURES.neverSettled);
    state.pending = this.#pending();
  }

  #pending(): number[] {
    const { requests, cancelled } = this.#collected;
    const all = this.#state.pending.concat(requests.map((request) => request.effect));
    if (cancelled.length === 0) return all;
    const gone = new Set(cancelled);
    return all.filter((effect) => !gone.has(effect));
  }

  /** Kills what the struck turn left behind, then writes its end down. */
  #bury(): void {
    const guest = this.#guest;
    for (let killed = 0; guest.jobPending; killed++) {
      if (killed === KILLED_JOBS) throw new KernelTrap('trap', 'its jobs could not be stopped');
      guest.hurryInterrupt();
      guest.runJobs(1);
    }
    guest.resetCountdown();
    this.#end(this.#failure!);
  }

  /** Ends the running cell, if any, with a failure that the host decided on. */
  #end(failure: CellFailure, entry: 'abandon' | 'failed' = 'abandon', effect?: number): void {
    this.#failure = failure;
    this.#phase = 'bookkeeping';
    const cell = this.#state.running ?? undefined;
    const { name, message, stack } = failure;
    this.#call(entry, { cell, effect, name, message, stack });
    this.#state.running = null;
  }

  /** Passes a value of the guest on, and frees it. */
  #handOver(entry: Entry, value: number): void {
    this.#check(this.#guest.callWith(entry, value));
    this.#guest.free(value);
  }

  #call(entry: Entry, argument: unknown): void {
    this.#check(this.#guest.call(entry, argument));
  }

  /** A struck call throws, and that is all right; bookkeeping must not. */
  #check(outcome: Outcome): void {
    const done = this.#guest.discard(outcome);
    if (!done && this.#phase === 'bookkeeping') {
      throw new KernelTrap('trap', 'the end of the cell could not be written down');
    }
  }
}
