/**
 * Replies that a session has given before: commands are idempotent by their `commandId`. All are put together again from
 * the log: what a worker remembers may be of a session that was removed.
 */
import { timeOfCommandId } from '../../bus/command-ids.ts';
import { RepriseError } from '../../bus/errors.ts';
import { restoredEvents } from '../../bus/large.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import { COMMANDS_REMEMBERED, lookUpCommand } from '../timeline/command-index.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { closedError, usedError } from './live-command.ts';
import type { Mail } from './mailbox.ts';
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
  readonly #store: Pick<SessionStore, 'find' | 'get' | 'getLarge' | 'limits'>;
  readonly #worker: string;

  constructor(store: Pick<SessionStore, 'find' | 'get' | 'getLarge' | 'limits'>, worker: string) {
    this.#store = store;
    this.#worker = worker;
  }

  /**
   * Answers a command that needs no turn: one that was executed before, or that comes to a closed session.
   * @returns whether it was one
   */
  async settle({ request, waiter }: Mail & { kind: 'command' }, fold: SessionFold): Promise<boolean> {
    const recorded = await this.find(fold, request.commandId);
    if (!recorded && !fold.closed) return false;
    if (!recorded) waiter.reject(closedError(fold.name));
    else if (recorded.command === request.command) waiter.resolve(recorded.reply);
    else waiter.reject(usedError(request.commandId));
    return true;
  }

  /** @throws RepriseError NOT_FOUND when the session was removed, and another may have begun under its name */
  async assertStored({ name, id }: SessionFold): Promise<void> {
    if ((await this.#store.get(name))?.id !== id)
      throw new RepriseError('NOT_FOUND', `session ${JSON.stringify(name)} was removed`);
  }

  /**
   * The recorded reply of a command, or null when it never ran. Asks the log only when it may have.
   * @throws RepriseError BAD_REQUEST when it is so old that the log would have to be searched for long
   */
  async find(fold: SessionFold, commandId: string): Promise<Recorded | null> {
    const seen = lookUpCommand(fold.commands, commandId);
    if (seen === 'never') return null;
    const facts = { session: fold.name, commandId, worker: this.#worker, repeated: true };
    const within =
      seen === 'perhaps'
        ? { cellsMax: 2 * COMMANDS_REMEMBERED }
        : { sinceMs: (timeOfCommandId(commandId) ?? 0) - SKEW_MS };
    const found = await this.#store.find(fold.name, commandId, within);
    if (found.more) throw tooOld(commandId);
    const events = await restoredEvents(found.events, fold.id, this.#store);
    const [input] = events;
    if (input?.type !== 'input') return null;
    return { command: input.code, reply: replyFromEvents(events, facts, this.#store.limits.contentBytes) };
  }
}

function tooOld(commandId: string): RepriseError {
  return new RepriseError(
    'BAD_REQUEST',
    `command ${commandId} is older than what its session remembers: whether it ran cannot be told quickly`,
    { hint: '`reprise log` tells; nothing was run. Use a new id, or set the clock of this machine' },
  );
}
