/**
 * Replies that a session has given before: commands are idempotent by their `commandId`. All are put together again from
 * the log: what a worker remembers may be of a session that was removed.
 */
import { timeOfCommandId } from '../../bus/command-ids.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { COMMANDS_REMEMBERED, lookUpCommand } from '../timeline/command-index.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { closedError, usedError } from './live-command.ts';
import type { Mail } from './mailbox.ts';
import { noteEvent, noteReply } from './noting.ts';
import type { SessionStore } from './ports.ts';
import { replyFromEvents } from './reply.ts';

/** How far a client's clock may be ahead of a worker's, ms. */
const SKEW_MS = 24 * 3_600_000;

export interface Recorded {
  /** The code that was executed. */
  command: string;
  reply: ExecuteReply;
}

export class RecordedReplies {
  readonly #store: Pick<SessionStore, 'find' | 'get' | 'limits'>;
  readonly #worker: string;

  constructor(store: Pick<SessionStore, 'find' | 'get' | 'limits'>, worker: string) {
    this.#store = store;
    this.#worker = worker;
  }

  /**
   * Answers a mail that adds nothing to the log.
   * @returns whether it was one
   * @throws RepriseError NOT_FOUND when the session is closed and was removed; as `find`
   */
  async settle(mail: Mail, fold: SessionFold): Promise<boolean> {
    // What is closed appends nothing more, by which it would learn that it was removed.
    if (fold.closed) await this.#assertStored(fold);
    if (mail.kind === 'close') return fold.closed;
    if (mail.kind === 'abandon') return !fold.running || fold.running.commandId !== mail.commandId;
    if (mail.kind === 'note') return this.#settleNote(mail, fold);
    return mail.kind === 'command' && this.#settleCommand(mail, fold);
  }

  /** One that was executed before, or that comes to a closed session. */
  async #settleCommand({ request, waiter }: Mail & { kind: 'command' }, fold: SessionFold): Promise<boolean> {
    const recorded = await this.find(fold, request.commandId);
    if (!recorded && !fold.closed) return false;
    if (!recorded) waiter.reject(closedError(fold.name));
    else if (recorded.command === request.command) waiter.resolve(recorded.reply);
    else waiter.reject(usedError(request.commandId));
    return true;
  }

  async #assertStored({ name, id }: SessionFold): Promise<void> {
    if ((await this.#store.get(name))?.id !== id)
      throw new RepriseError('NOT_FOUND', `session ${JSON.stringify(name)} was removed`);
  }

  /**
   * The recorded reply of a command, or null when it never ran. Asks the log only when it may have.
   * @throws RepriseError BAD_REQUEST when it is so old that the log would have to be searched for long
   */
  async find(fold: SessionFold, commandId: string): Promise<Recorded | null> {
    const facts = { session: fold.name, commandId, worker: this.#worker, repeated: true };
    const events = await this.#eventsOf(fold, commandId);
    const [input] = events;
    if (!input) return null;
    if (input.type !== 'input') throw usedError(commandId);
    return { command: input.code, reply: replyFromEvents(events, facts, this.#store.limits.contentBytes) };
  }

  /** One that was made before, or that cannot be made. */
  async #settleNote({ request, waiter }: Mail & { kind: 'note' }, fold: SessionFold): Promise<boolean> {
    const [recorded] = await this.#eventsOf(fold, request.commandId);
    if (recorded?.type === 'annotation') {
      waiter.resolve(noteReply(recorded, true));
      return true;
    }
    try {
      if (recorded) throw usedError(request.commandId);
      noteEvent(request, fold, fold.created);
      return false;
    } catch (refusal) {
      waiter.reject(refusal);
      return true;
    }
  }

  /** The events of a command, none when it never ran. @throws RepriseError as `find` */
  async #eventsOf(fold: SessionFold, commandId: string): Promise<SessionEvent[]> {
    const seen = lookUpCommand(fold.commands, commandId);
    if (seen === 'never') return [];
    const within =
      seen === 'perhaps'
        ? { cellsMax: 2 * COMMANDS_REMEMBERED }
        : { sinceMs: (timeOfCommandId(commandId) ?? 0) - SKEW_MS };
    const found = await this.#store.find(fold.name, commandId, within);
    if (found.more) throw tooOld(commandId);
    return found.events;
  }
}

function tooOld(commandId: string): RepriseError {
  return new RepriseError(
    'BAD_REQUEST',
    `command ${commandId} is older than what its session remembers: whether it ran cannot be told quickly`,
    { hint: '`reprise log` tells; nothing was run. Use a new id, or set the clock of this machine' },
  );
}
