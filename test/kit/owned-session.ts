/** One session on the real kernel, driven as an owner drives it: what enters, what came of it, and its log. */

import type { OpenEffect } from '../../actors/effects/kind.ts';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import type { KernelHost, KernelStep, Turn } from '../../actors/kernel/port.ts';
import { entryEvent, outcomeEvents } from '../../actors/session/entry.ts';
import { applyEvents, emptyFold } from '../../actors/timeline/fold.ts';
import type { SessionFold } from '../../actors/timeline/fold-shape.ts';
import { type ReplayResult, replayEvents, stepOf } from '../../actors/timeline/replay.ts';
import { KernelSeat } from '../../actors/timeline/seat.ts';
import { hungTurn } from '../../actors/timeline/turn.ts';
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
  readonly #seat: KernelSeat;

  private constructor(host: KernelHost, seat: KernelSeat, begin: EventOf<'session'>) {
    this.#host = host;
    this.#seat = seat;
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
    const seat = new KernelSeat(host, key);
    await seat.boot(begin);
    return new OwnedSession(host, seat, begin);
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

  /** Re-executes the log from its first event on a kernel of its own, everything compared. */
  async replay(): Promise<ReplayResult & { stateId: string }> {
    const seat = new KernelSeat(this.#host, 's again');
    try {
      const result = await this.#replayOn(seat);
      return { ...result, stateId: await seat.stateId() };
    } finally {
      seat.leave();
    }
  }

  async stateId(): Promise<string> {
    return this.#seat.stateId();
  }

  end(): void {
    this.#seat.leave();
  }

  #replayOn(seat: KernelSeat): Promise<ReplayResult> {
    const options = { states: true, stacks: true, unrecorded: 'limited' } as const;
    return replayEvents(seat, emptyFold('s'), this.events, options);
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
    if (turn.poisoned) await this.#replayOn(this.#seat);
    return turn;
  }

  async #apply(step: KernelStep, interruptAfterMs: number | null): Promise<Turn> {
    const timer =
      interruptAfterMs === null ? undefined : setTimeout(() => this.#seat.interrupt(), interruptAfterMs);
    try {
      return await this.#seat.apply(step);
    } catch (thrown) {
      const hung = hungTurn(thrown);
      if (!hung) throw thrown;
      return hung;
    } finally {
      clearTimeout(timer);
    }
  }
}
