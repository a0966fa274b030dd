/** The effects that are under way for a resident session: always those that its durable fold has open. */
import type { OpenEffect } from './fold-shape.ts';
import type { EffectAnswer, EffectRunner } from './ports.ts';

export class OpenEffects {
  readonly #running = new Map<number, { cancel(): void }>();
  readonly #runner: EffectRunner;
  readonly #onAnswer: (effect: number, answer: EffectAnswer) => void;

  constructor(runner: EffectRunner, onAnswer: (effect: number, answer: EffectAnswer) => void) {
    this.#runner = runner;
    this.#onAnswer = onAnswer;
  }

  /** Starts what is open and not under way, gives up what is under way and no longer open. */
  sync(session: string, open: readonly OpenEffect[]): void {
    if (this.#running.size === 0 && open.length === 0) return;
    const wanted = new Set(open.map(({ effect }) => effect));
    for (const [effect, running] of this.#running) {
      if (wanted.has(effect)) continue;
      running.cancel();
      this.#running.delete(effect);
    }
    for (const request of open) {
      const { effect } = request;
      if (this.#running.has(effect)) continue;
      const answer = (given: EffectAnswer) => this.#onAnswer(effect, given);
      this.#running.set(effect, this.#runner.start(session, request, answer));
    }
  }

  /** Gives all up; a later sync starts the open ones again (receipts make that safe). */
  clear(): void {
    for (const running of this.#running.values()) running.cancel();
    this.#running.clear();
  }
}
