/** What waits to enter a session, and which of it may enter next. Pure but for being a queue. */
import type { AnnotateReply, AnnotateRequest } from '../../bus/operations/annotations.ts';
import type { ExecuteReply, ExecuteRequest } from '../../bus/operations/sessions.ts';
import type { EffectAnswer } from '../effects/kind.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';

/** The two ends of a promise somebody waits on. */
export interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** `atMs`: when it came, or when its timer was due; ms since the epoch. */
export type Mail =
  | { kind: 'command'; atMs: number; request: ExecuteRequest; waiter: Waiter<ExecuteReply> }
  | { kind: 'close'; atMs: number; reason: string; waiter: Waiter<{ seq: number }> }
  | { kind: 'answer'; atMs: number; effect: number; answer: EffectAnswer }
  | { kind: 'note'; atMs: number; request: AnnotateRequest; waiter: Waiter<AnnotateReply> }
  | { kind: 'abandon'; reason: 'user'; commandId: string | undefined; waiter: Waiter<{ seq: number }> };

/** What a turn begins with when it enters. */
export type TurnMail = Exclude<Mail, { kind: 'close' } | { kind: 'note' }>;

/** For how long a command lets answers go first that are older than it, ms. */
const PATIENCE_MS = 2_000;

/** Waits for nothing. */
const NOBODY: Waiter<unknown> = { resolve() {}, reject() {} };

export class Mailbox {
  readonly #now: () => number;
  #queue: (Mail & { kind: 'command' | 'close' })[] = [];
  #answers: (Mail & { kind: 'answer' })[] = [];
  #abandon: (Mail & { kind: 'abandon' })[] = [];
  #notes: (Mail & { kind: 'note' })[] = [];
  /** Since when answers go before the command that is next, ms since the epoch. */
  #yieldsSince: number | null = null;

  /** @param now the worker's clock, ms since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  put(mail: Mail): void {
    if (mail.kind === 'answer') this.#answers.push(mail);
    else if (mail.kind === 'abandon') this.#abandon.push(mail);
    else if (mail.kind === 'note') this.#notes.push(mail);
    else this.#queue.push(mail);
  }

  /** Puts a command back at the head: it was taken, and nothing of it became durable. */
  putBack(mail: Mail): void {
    if (mail.kind === 'answer') this.#answers.unshift(mail);
    else if (mail.kind === 'abandon') this.#abandon.unshift(mail);
    else if (mail.kind === 'note') this.#notes.unshift(mail);
    else this.#queue.unshift(mail);
  }

  /**
   * Commands run one at a time; giving up goes before them, and so do answers to the cell that runs. Notes wait for
   * nothing: they begin no turn. What else timers
   * bring comes in the order of time: what was due before a command goes before it, what is due later comes later,
   * however much of it there is. Answers to a paused session wait for a command. Once a session is to be closed, no cell
   * waits for anything any more: neither the one that runs nor those before the end.
   */
  peek(fold: SessionFold): Mail | null {
    const first = this.#abandon[0] ?? this.#notes[0];
    if (first) return first;
    const isClosing = this.#queue.some(({ kind }) => kind === 'close');
    if (fold.running && isClosing) {
      return { kind: 'abandon', reason: 'user', commandId: fold.running.commandId, waiter: NOBODY };
    }
    // An answer that nobody waits for any more is dropped.
    while (this.#answers[0] && !fold.effects.get(this.#answers[0].effect)) this.#answers.shift();
    const answer = fold.paused ? undefined : this.#answers[0];
    if (fold.running) return answer ?? null;
    const next = this.#queue[0];
    if (!next) return answer ?? null;
    return answer && !isClosing && this.#yields(next, answer) ? answer : next;
  }

  /** Whether what was asked lets an answer go first. */
  #yields({ atMs }: Mail & { kind: 'command' | 'close' }, answer: Mail & { kind: 'answer' }): boolean {
    return answer.atMs <= atMs && this.#now() - (this.#yieldsSince ?? this.#now()) < PATIENCE_MS;
  }

  take(fold: SessionFold): Mail | null {
    const mail = this.peek(fold);
    if (mail?.kind === 'abandon')
      this.#abandon.shift(); // or there is none, and the mail is one of a close
    else if (mail?.kind === 'note') this.#notes.shift();
    else if (mail?.kind === 'answer') {
      this.#answers.shift();
      if (this.#queue[0] && !fold.running) this.#yieldsSince ??= this.#now();
    } else if (mail) {
      this.#queue.shift();
      this.#yieldsSince = null;
    }
    return mail;
  }

  /** The next answer alone, to go into the same commit as the one before it. */
  takeAnswer(fold: SessionFold): (Mail & { kind: 'answer' }) | null {
    return this.peek(fold)?.kind === 'answer' ? (this.take(fold) as Mail & { kind: 'answer' }) : null;
  }

  /** Takes back a command that has not begun: whoever waits for it is answered. @returns whether it waited here */
  withdraw(commandId: string, answer: () => ExecuteReply): boolean {
    const isMeant = (mail: Mail): mail is Mail & { kind: 'command' } =>
      mail.kind === 'command' && mail.request.commandId === commandId;
    const meant = this.#queue.filter(isMeant);
    this.#queue = this.#queue.filter((mail) => !isMeant(mail));
    for (const { waiter } of meant) waiter.resolve(answer());
    return meant.length > 0;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Rejects everyone who waits; answers are dropped (whoever owns the session next asks again). */
  fail(error: unknown): void {
    const all = [...this.#queue, ...this.#abandon, ...this.#notes];
    this.#queue = [];
    this.#abandon = [];
    this.#notes = [];
    this.#answers = [];
    for (const mail of all) mail.waiter.reject(error);
  }
}
