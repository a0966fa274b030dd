/**
 * Steps of a replay, several to a call of the kernel. The log says what entered the session, so the next steps are
 * known before the turns of the ones before: only the comparison goes event by event. Pure but for the kernel.
 */
import type { KernelStep, Turn } from '../kernel/port.ts';

/** Steps in one call: a few milliseconds, for which other sessions of the thread wait. */
const STEPS_MAX = 32;
/** Characters of code in one call. */
const CODE_MAX = 256_000;

export interface StepKernel {
  apply(step: KernelStep): Promise<Turn>;
  applyAll(steps: readonly KernelStep[]): Promise<Turn[]>;
}

/** The step of each event of a log, null where it has none. An array is one. */
export interface StepPlan {
  readonly length: number;
  at(index: number): KernelStep | null | undefined;
}

export class StepFeed {
  readonly #kernel: StepKernel;
  readonly #plan: StepPlan;
  readonly #endsRun: (index: number) => boolean;
  /** Turns that were computed ahead, by the index of their event. */
  readonly #ahead = new Map<number, Turn>();

  /**
   * @param endsRun whether no step after the event at `index` may be applied before the replay has got there
   */
  constructor(kernel: StepKernel, plan: StepPlan, endsRun: (index: number) => boolean) {
    this.#kernel = kernel;
    this.#plan = plan;
    this.#endsRun = endsRun;
  }

  /** The turn of the event at `index`, which has a step. To be asked in order. @throws what the kernel throws */
  async turnOf(index: number): Promise<Turn> {
    const known = this.#ahead.get(index);
    if (known) {
      this.#ahead.delete(index);
      return known;
    }
    const run = this.#runFrom(index);
    if (run.length === 1) return this.#kernel.apply(this.#plan.at(index)!);
    const turns = await this.#kernel.applyAll(run.map((at) => this.#plan.at(at)!));
    for (const [position, turn] of turns.entries()) {
      if (position > 0) this.#ahead.set(run[position]!, turn);
    }
    return turns[0]!;
  }

  /** Indices of the events whose steps go into one call: at least this one, never the last event of the log. */
  #runFrom(index: number): number[] {
    const run: number[] = [];
    let code = 0;
    for (let at = index; at < this.#plan.length && run.length < STEPS_MAX; at++) {
      const step = this.#plan.at(at);
      if (step) {
        code += step.type === 'input' ? step.code.length : 0;
        if (run.length > 0 && (code > CODE_MAX || at === this.#plan.length - 1)) break;
        run.push(at);
      }
      if (this.#endsRun(at)) break;
    }
    return run;
  }
}
