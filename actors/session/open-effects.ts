/** The effects that are under way for a resident session: always those that its durable fold has open. */
import { dueOf, EffectTable } from './effect-table.ts';
import type { SessionFold } from './fold-shape.ts';
import type { EffectAnswer, EffectRunner } from './ports.ts';

export class OpenEffects {
  readonly #running = new Map<number, { cancel(): void }>();
  /** What was open at the last sync: all of it is under way. */
  #synced = EffectTable.empty;
  readonly #runner: EffectRunner;
  readonly #onAnswer: (effect: number, answer: EffectAnswer) => void;

  constructor(runner: EffectRunner, onAnswer: (effect: number, answer: EffectAnswer) => void) {
    this.#runner = runner;
    this.#onAnswer = onAnswer;
  }

  /** Answers, in the order of their time, the timers that were due by `nowMs`: they come before whatever asks later. */
  answerOverdue({ effects, paused }: Pick<SessionFold, 'effects' | 'paused'>, nowMs: number): void {
    if (paused || (effects.wakeAt ?? Number.POSITIVE_INFINITY) > nowMs) return;
    const overdue = [...effects].filter((open) => open.kind === 'timer' && dueOf(open) <= nowMs);
    // Stable: of those due at the same time the earlier one comes first.
    overdue.sort((a, b) => dueOf(a) - dueOf(b));
    for (const { effect } of overdue) this.#onAnswer(effect, { value: null });
  }

  /** Starts what is open and not under way, gives up what is under way and no longer open. */
  sync({ name, id, effects: open }: Pick<SessionFold, 'name' | 'id' | 'effects'>): void {
    if (open === this.#synced) return;
    const { opened, gone } = open.changedSince(this.#synced);
    this.#synced = open;
    for (const effect of gone) {
      this.#running.get(effect)?.cancel();
      this.#running.delete(effect);
    }
    for (const request of opened) {
      const { effect } = request;
      const answer = (given: EffectAnswer) => this.#onAnswer(effect, given);
      this.#running.set(effect, this.#runner.start({ name, id }, request, answer));
    }
  }

  /** Gives all up; a later sync starts the open ones again (receipts make that safe). */
  clear(): void {
    for (const running of this.#running.values()) running.cancel();
    this.#running.clear();
    this.#synced = EffectTable.empty;
  }
}
