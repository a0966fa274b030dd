/** What enters a session beside its commands: requests to give up a cell, and notes. Answered once it is durable. */
import type { SessionEvent } from '../../bus/types.ts';
import type { Mail, Mailbox } from './mailbox.ts';
import { noteReply } from './noting.ts';

type Aside = Mail & { kind: 'abandon' | 'note' };

export class Asides {
  /** Have entered; what becomes of them is not durable yet. */
  #entered: Aside[] = [];

  enter(mail: Aside): void {
    this.#entered.push(mail);
  }

  /** A note is being made: nothing else is on its way to the log then. */
  get isNoting(): boolean {
    return this.#entered.some(({ kind }) => kind === 'note');
  }

  /** Events that are durable: a note is told of its own. */
  note(events: readonly SessionEvent[]): void {
    const event = events.find((each) => each.type === 'annotation');
    if (!event) return;
    for (const mail of this.#entered) if (mail.kind === 'note') mail.waiter.resolve(noteReply(event));
  }

  /** A commit is durable, and all that entered with it. Of a note that needed none, somebody was told before. */
  settle(seq: number): void {
    for (const mail of this.#entered.splice(0)) if (mail.kind === 'abandon') mail.waiter.resolve({ seq });
  }

  /** Nothing of it became durable: it enters again. */
  putBack(mailbox: Mailbox): void {
    for (const mail of this.#entered.splice(0)) mailbox.putBack(mail);
  }

  reject(error: unknown): void {
    for (const { waiter } of this.#entered.splice(0)) waiter.reject(error);
  }
}
