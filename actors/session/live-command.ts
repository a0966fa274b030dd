/** The command that is being carried out: who waits for it, and its events so far. */
import { RepriseError } from '../../bus/errors.ts';
import type { SessionEvent } from '../../bus/types.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import type { Mail, Waiter } from './mailbox.ts';
import { replyFromEvents } from './reply.ts';

export class LiveCommand {
  /** What it came as: put back into the mailbox when nothing of it became durable. */
  readonly mail: Mail & { kind: 'command' | 'close' };
  readonly #events: SessionEvent[] = [];
  /** Time its cell has computed so far, ms. */
  computedMs = 0;

  constructor(mail: Mail & { kind: 'command' | 'close' }) {
    this.mail = mail;
  }

  get commandId(): string | undefined {
    return this.mail.kind === 'command' ? this.mail.request.commandId : undefined;
  }

  note(events: readonly SessionEvent[]): void {
    for (const event of events) this.#events.push(event);
  }

  /**
   * Tells whoever waits that the command's end is durable.
   * @param bytesMax what a message takes
   */
  resolve(fold: SessionFold, worker: string, bytesMax: number): void {
    const { mail } = this;
    if (mail.kind === 'close') {
      mail.waiter.resolve({ seq: fold.seq });
      return;
    }
    const { commandId } = mail.request;
    const facts = { session: fold.name, commandId, worker, repeated: false };
    mail.waiter.resolve(replyFromEvents(this.#events, facts, bytesMax));
  }

  reject(error: unknown): void {
    this.mail.waiter.reject(error);
  }

  /** Storage refused what the command did. Of a cell that is durable as begun this is not the end. */
  refuse(error: RepriseError, fold: SessionFold): void {
    this.reject(this.#hasBegun(fold) ? begunError(this.commandId!, error) : error);
  }

  /**
   * Its session is gone. A cell that is durable as begun is told so, and gone with it (true); any other command
   * may be sent again, and then begins a new session.
   */
  endWith(error: RepriseError, fold: SessionFold): boolean {
    const hasBegun = this.#hasBegun(fold);
    if (hasBegun) this.reject(error);
    return hasBegun;
  }

  #hasBegun(fold: SessionFold): boolean {
    return this.commandId !== undefined && fold.running?.commandId === this.commandId;
  }
}

/** Rejects all of them. */
export function rejectAll(waiters: Pick<Waiter<unknown>, 'reject'>[], error: unknown): void {
  for (const waiter of waiters.splice(0)) waiter.reject(error);
}

export function fencedError(name: string): RepriseError {
  return new RepriseError('FENCED', `another worker owns session ${JSON.stringify(name)} now`, {
    hint: 'retry with the same commandId',
  });
}

function begunError(commandId: string, cause: RepriseError): RepriseError {
  const id = JSON.stringify(commandId);
  return new RepriseError(
    cause.code,
    `command ${id} has begun; its outcome is not stored: ${cause.message}`,
    {
      cause,
      retryable: cause.retryable,
      hint: 'retry with the same commandId: it goes on where the log ends, and is not executed twice',
    },
  );
}

export function closedError(name: string): RepriseError {
  return new RepriseError('CLOSED', `session ${JSON.stringify(name)} is closed`, {
    hint: 'its log can still be read and replayed; use another name, or remove the session first',
  });
}

export function usedError(commandId: string): RepriseError {
  return new RepriseError('BAD_REQUEST', `commandId ${JSON.stringify(commandId)} was used for another cell`, {
    hint: 'a retry sends the same code; another cell needs an id of its own',
  });
}
