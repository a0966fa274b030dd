/** What waits to enter a session, and which of it may enter next. Pure but for being a queue. */
import type { ExecuteReply, ExecuteRequest } from '../../bus/operations/sessions.ts';
import type { EffectAnswer } from '../effects/kind.ts';
import type { SessionFold } from './fold-shape.ts';

/** The two ends of a promise somebody waits on. */
export interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

export type Mail =
  | { kind: 'command'; request: ExecuteRequest; waiter: Waiter<ExecuteReply> }
  | { kind: 'close'; reason: string; waiter: Waiter<{ seq: number }> }
  | { kind: 'answer'; effect: number; answer: EffectAnswer }
  | { kind: 'abandon'; reason: 'user'; commandId: string; waiter: Waiter<{ seq: number }> };

/** Waits for nothing. */
const NOBODY: Waiter<unknown> = { resolve() {}, reject() {} };

export class Mailbox {
  #queue: (Mail & { kind: 'command' | 'close' })[] = [];
  #answers: (Mail & { kind: 'answer' })[] = [];
  #abandon: (Mail & { kind: 'abandon' })[] = [];

  put(mail: Mail): void {
    if (mail.kind === 'answer') this.#answers.push(mail);
    else if (mail.kind === 'abandon') this.#abandon.push(mail);
    else this.#queue.push(mail);
  }

  /** Puts a command back at the head: it was taken, and nothing of it became durable. */
  putBack(mail: Mail): void {
    if (mail.kind === 'answer') this.#answers.unshift(mail);
    else if (mail.kind === 'abandon') this.#abandon.unshift(mail);
    else this.#queue.unshift(mail);
  }

  /**
   * Commands run one at a time; giving up and answers go before them. Answers to a paused session wait for one. Once a
   * session is to be closed, no cell waits for anything any more: neither the one that runs nor those before the end.
   */
  peek(fold: SessionFold): Mail | null {
    if (this.#abandon[0]) return this.#abandon[0];
    if (fold.running && this.#queue.some(({ kind }) => kind === 'close')) {
      return { kind: 'abandon', reason: 'user', commandId: fold.running.commandId, waiter: NOBODY };
    }
    // An answer that nobody waits for any more is dropped.
    while (this.#answers[0] && !fold.effects.get(this.#answers[0].effect)) this.#answers.shift();
    if (this.#answers[0] && !fold.paused) return this.#answers[0];
    if (fold.running) return null;
    return this.#queue[0] ?? null;
  }

  take(fold: SessionFold): Mail | null {
    const mail = this.peek(fold);
    if (mail?.kind === 'abandon')
      this.#abandon.shift(); // or there is none, and the mail is one of a close
    else if (mail?.kind === 'answer') this.#answers.shift();
    else if (mail) this.#queue.shift();
    return mail;
  }

  /** The next answer alone, to go into the same commit as the one before it. */
  takeAnswer(fold: SessionFold): (Mail & { kind: 'answer' }) | null {
    const mail = this.peek(fold);
    return mail?.kind === 'answer' ? (this.#answers.shift() ?? null) : null;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Rejects everyone who waits; answers are dropped (whoever owns the session next asks again). */
  fail(error: unknown): void {
    const all = [...this.#queue, ...this.#abandon];
    this.#queue = [];
    this.#abandon = [];
    this.#answers = [];
    for (const mail of all) mail.waiter.reject(error);
  }
}
