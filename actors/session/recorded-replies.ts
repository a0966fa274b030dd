/** Replies that a session has given before: commands are idempotent by their `commandId`. */
import { timeOfCommandId } from '../../bus/command-ids.ts';
import { RepriseError } from '../../bus/errors.ts';
import { restoredEvents } from '../../bus/large.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import { COMMANDS_REMEMBERED, lookUpCommand } from './command-index.ts';
import type { SessionFold } from './fold-shape.ts';
import type { SessionStore } from './ports.ts';
import { replyFromEvents } from './reply.ts';

const REPLIES_KEPT = 16;
/** How far a client's clock may be ahead of a worker's, ms. */
const SKEW_MS = 24 * 3_600_000;
const REPLY_CHARS_MAX = 4_096;

export interface Recorded {
  /** The code that was executed. */
  command: string;
  reply: ExecuteReply;
}

export class RecordedReplies {
  readonly #kept = new Map<string, Recorded>();
  readonly #store: Pick<SessionStore, 'find' | 'getLarge' | 'limits'>;
  readonly #worker: string;

  constructor(store: Pick<SessionStore, 'find' | 'getLarge' | 'limits'>, worker: string) {
    this.#store = store;
    this.#worker = worker;
  }

  /** Small, recent replies are kept; all others are put together again from the log. */
  remember(reply: ExecuteReply, command: string): void {
    const { stdout, stderr, output } = reply;
    if (command.length + stdout.length + stderr.length + output.length > REPLY_CHARS_MAX) return;
    this.#kept.set(reply.commandId, { command, reply });
    if (this.#kept.size > REPLIES_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
  }

  /**
   * The recorded reply of a command, or null when it never ran. Asks the log only when it may have.
   * @throws RepriseError BAD_REQUEST when it is so old that the log would have to be searched for long
   */
  async find(fold: SessionFold, commandId: string): Promise<Recorded | null> {
    const seen = lookUpCommand(fold.commands, commandId);
    if (seen === 'never') return null;
    const facts = { session: fold.name, commandId, worker: this.#worker, repeated: true };
    const kept = this.#kept.get(commandId);
    if (kept) return { command: kept.command, reply: { ...kept.reply, ...facts } };
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
