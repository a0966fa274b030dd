/** The console output of one command's cell, shown while the cell runs. */

import type { SessionClient } from '../bus/client/client.ts';
import type { Following } from '../bus/client/following.ts';
import type { Shown } from '../bus/client/shown.ts';
import { hasCode, mayPass } from '../bus/errors.ts';
import type { ExecuteReply } from '../bus/operations/sessions.ts';
import type { SessionEvent } from '../bus/types.ts';
import { backTo } from './looking-back.ts';

/** Most answers have come by then, and need no second look at the log, ms. */
const START_AFTER_MS = 20;
/** How long the rest of the output may take to be read once the answer is there, ms. */
const REST_MS = 10_000;
/** Storage that does not answer is asked again after this, ms. */
const RETRY_MS = 100;

export interface LiveAnswerOptions {
  sessions: SessionClient;
  session: string;
  commandId: string;
  /** Shows what the cell printed, and (when it was not recorded in the end) says so. */
  show(shown: Shown): void;
}

export class LiveAnswer {
  readonly #options: LiveAnswerOptions;
  readonly #following: Following;
  #timer: NodeJS.Timeout | undefined;
  #isShown = false;
  #isStopped = false;

  /** To be made before the command is sent: a preview that nobody hears is not sent again. */
  constructor(options: LiveAnswerOptions) {
    this.#options = options;
    const { sessions, session, commandId, show } = options;
    const from = new Promise<void>((resolve) => {
      this.#timer = setTimeout(resolve, START_AFTER_MS);
    }).then(() => this.#found());
    this.#following = sessions.follow(session, from, (shown) => {
      if (shown.input?.commandId !== commandId || shown.kind === 'input' || shown.kind === 'ended') return;
      this.#isShown = true;
      show(shown);
    });
  }

  /**
   * Shows what is left of the cell's output. False when none has been shown: the reply has all of it then. Null when
   * the rest could not be read.
   */
  async finish(reply: ExecuteReply): Promise<boolean | null> {
    if (!this.#isShown) {
      this.stop();
      return false;
    }
    const reached = await this.#following.through(reply.seq[1], REST_MS);
    this.stop();
    return reached || null;
  }

  /** Shows nothing more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#following.stop();
  }

  /** Where to begin, however long it takes to find that out. @throws RepriseError what will not pass */
  async #found(): Promise<number> {
    for (;;) {
      try {
        return await this.#beginning();
      } catch (thrown) {
        // It was removed while one looked: whatever comes under its name is new.
        if (hasCode(thrown, 'NOT_FOUND')) return 0;
        if (!mayPass(thrown) || this.#isStopped) throw thrown;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** seq of the command's input, or of the next event when it has not begun. @throws RepriseError */
  async #beginning(): Promise<number> {
    const { sessions, session, commandId } = this.#options;
    const newest = (await sessions.getSession(session))?.eventCount ?? 0;
    const isInput = (event: SessionEvent) => event.type === 'input' && event.commandId === commandId;
    const { events } = await backTo(sessions, session, newest, isInput);
    const input = events[0];
    return input !== undefined && isInput(input) ? input.seq! : newest;
  }
}
