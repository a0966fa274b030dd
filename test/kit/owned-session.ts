/** One session on the real kernel, driven as an owner drives it: what enters, what came of it, and its log. */

import type { OpenEffect } from '../../actors/effects/kind.ts';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import type { KernelHost, KernelStep, Turn } from '../../actors/kernel/port.ts';
import { replayKernel } from '../../actors/session/activation.ts';
import { entryEvent, outcomeEvents } from '../../actors/session/entry.ts';
import { applyEvents, emptyFold } from '../../actors/session/fold.ts';
import type { SessionFold } from '../../actors/session/fold-shape.ts';
import { type ReplayResult, replayEvents, stepOf } from '../../actors/session/replay.ts';
import { hungTurn } from '../../actors/session/turn.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';

const at = (ms: number): string => new Date(Date.parse('2026-01-01T00:00:00.000Z') + ms).toISOString();

/** A strike from outside, after so many ms. */
export interface StrikeAfter {
  kind: 'user' | 'timeout';
  ms: number;
}

export class OwnedSession {
  readonly events: SessionEvent[];
  readonly #host: KernelHost;
  readonly #key: string;

  private constructor(host: KernelHost, key: string, begin: EventOf<'session'>) {
    this.#host = host;
    this.#key = key;
    this.events = [begin];
  }

  static async open(host: KernelHost, key: string, version = BEHAVIOUR_VERSION): Promise<OwnedSession> {
    const begin = {
      type: 'session',
      version,
      seq: 0,
      id: 'id-1',
      created: at(0),
      name: 's',
      seed: 'x',
    } as const;
    await replayKernel(host, key).boot(begin);
    return new OwnedSession(host, key, begin);
  }

  get fold(): SessionFold {
    return applyEvents(emptyFold('s'), this.events);
  }

  /** Runs a cell. */
  run(code: string, strike?: StrikeAfter): Promise<Turn> {
    const { seq, cells } = this.fold;
    const [next, cell] = [seq + 1, cells + 1];
    const timestamp = at(next);
    return this.#enter({ type: 'input', seq: next, code, timestamp, commandId: `c${next}`, cell }, strike);
  }

  /** Lets the answer of an open effect in. */
  answer({ effect }: OpenEffect, strike?: StrikeAfter): Promise<Turn> {
    const { fold } = this;
    const mail = { kind: 'answer', atMs: 0, effect, answer: { value: null } } as const;
    return this.#enter(entryEvent(mail, fold, at(fold.seq + 1)), strike);
  }

  /** Gives up the cell that waits. */
  abandon(): Promise<Turn> {
    const { fold } = this;
    const waiter = { resolve() {}, reject() {} };
    const mail = { kind: 'abandon', reason: 'user', commandId: fold.running!.commandId, waiter } as const;
    return this.#enter(entryEvent(mail, fold, at(fold.seq + 1)));
  }

  /** Re-executes the log from its first event under another key, everything compared. */
  async replay(key = `${this.#key} again`): Promise<ReplayResult & { stateId: string }> {
    const kernel = replayKernel(this.#host, key);
    const result = await replayEvents(kernel, emptyFold('s'), this.events, { states: true, stacks: true });
    return { ...result, stateId: await kernel.stateId() };
  }

  async stateId(): Promise<string> {
    return (await this.#host.capture(this.#key)).stateId;
  }

  end(): void {
    this.#host.drop(this.#key);
    this.#host.drop(`${this.#key} again`);
  }

  async #enter(event: SessionEvent, strike?: StrikeAfter): Promise<Turn> {
    this.events.push(event);
    const { fold } = this;
    const step = stepOf(event, { timeMs: fold.timeMs, fold })!;
    if (step.type !== 'abandon') step.timeoutMs = strike?.kind === 'timeout' ? strike.ms : 60_000;
    const turn = await this.#apply(step, strike?.kind === 'user' ? strike.ms : null);
    const facts = { fold, turnAt: fold.seq, timestamp: at(fold.seq), durationMs: 1 };
    for (const derived of outcomeEvents(turn, facts)) this.events.push(derived);
    // As an owner does: after an undone turn the session is rebuilt from its log.
    if (turn.poisoned) await this.replay(this.#key);
    return turn;
  }

  async #apply(step: KernelStep, interruptAfterMs: number | null): Promise<Turn> {
    const timer =
      interruptAfterMs === null
        ? undefined
        : setTimeout(() => this.#host.interrupt(this.#key), interruptAfterMs);
    try {
      return await this.#host.apply(this.#key, step);
    } catch (thrown) {
      const hung = hungTurn(thrown);
      if (!hung) throw thrown;
      return hung;
    } finally {
      clearTimeout(timer);
    }
  }
}
