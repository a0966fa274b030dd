/** The effects that are under way for a resident session: always those that its durable fold has open. */
import type { EffectAnswer } from '../effects/kind.ts';
import { dueOf } from '../effects/kinds.ts';
import type { EffectRunner } from '../effects/runner.ts';
import { EffectTable } from '../timeline/effect-table.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** @param dueMs when the effect was to end by itself, ms since the epoch; undefined: when somebody had worked for it */
type OnAnswer = (effect: number, answer: EffectAnswer, dueMs: number | undefined) => void;

export class OpenEffects {
  readonly #running = new Map<number, { cancel(): void }>();
  /** What was open at the last sync: all of it is under way. */
  #synced = EffectTable.empty;
  readonly #runner: EffectRunner;
  readonly #onAnswer: OnAnswer;

  constructor(runner: EffectRunner, onAnswer: OnAnswer) {
    this.#runner = runner;
    this.#onAnswer = onAnswer;
  }

  /** Answers, in the order of their time, the timers that were due by `nowMs`: they come before whatever asks later. */
  answerOverdue({ effects, paused }: Pick<SessionFold, 'effects' | 'paused'>, nowMs: number): void {
    if (paused || (effects.wakeAt ?? NEVER) > nowMs) return;
    const overdue = Array.from(effects, (open) => ({ effect: open.effect, dueMs: dueOf(open) ?? NEVER }));
    // Stable: of those due at the same time the earlier one comes first.
    const ordered = overdue.filter(({ dueMs }) => dueMs <= nowMs).sort((a, b) => a.dueMs - b.dueMs);
    for (const { effect, dueMs } of ordered) this.#onAnswer(effect, { value: null }, dueMs);
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
      const answer = (given: EffectAnswer) => this.#onAnswer(effect, given, dueOf(request));
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
