/** Calls that any worker serves: accepted first, then watched by pings for as long as they take. */
import { encode } from '../codec.ts';
import { longCall } from '../long-call.ts';
import { ANY_WORKER, type AnyWorkerName } from '../operations/any-worker.ts';
import type { ReplyOf } from '../operations/row.ts';
import { Patience } from '../patience.ts';
import type { Bus, Clock } from '../port.ts';
import type { Schema } from '../schema.ts';
import { normalName, type Subjects } from '../subjects.ts';
import { parseReply } from '../wire.ts';
import type { LongLookOptions } from './options.ts';

const WAIT_MS = 30_000;
/** Asked again, a replay begins again: a worker that is only busy is not given up. */
const REPLAY_HUNG_MS = 10_000;

export class AnyWorkerCalls {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;

  constructor(bus: Bus, subjects: Subjects, clock: Clock) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
  }

  /**
   * Has any worker do something, as long as one is at work.
   * @param what it is, for errors
   */
  async ask<Name extends AnyWorkerName>(
    name: Name,
    request: { session: string },
    what: string,
    options: LongLookOptions,
  ): Promise<ReplyOf<(typeof ANY_WORKER)[Name]>> {
    const row = ANY_WORKER[name];
    const patience = new Patience(this.#bus, this.#clock, { waitMs: WAIT_MS, ...options });
    const data = encode({ ...request, session: normalName(request.session) });
    for (;;) {
      try {
        const bytes = await longCall(this.#bus, {
          subject: this.#subjects.any(row),
          data,
          timeoutMs: options.waitMs ?? Number.POSITIVE_INFINITY,
          pingSubject: this.#subjects.ping,
          hungMs: REPLAY_HUNG_MS,
          clock: this.#clock,
          signal: options.signal,
        });
        return parseReply(row.reply as Schema<ReplyOf<(typeof ANY_WORKER)[Name]>>, bytes);
      } catch (thrown) {
        patience.assertWorthwhile(thrown, what);
        await patience.pause(thrown);
      }
    }
  }
}
