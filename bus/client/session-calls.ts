/**
 * How a request reaches the one worker that runs a session, whatever happens to workers on the way.
 *
 * 1. Ask the owner (`cmd.<session>`). Nobody there, or it died: ask any worker to take over (`activate`), with
 *    the request inside, so that a take-over costs one trip.
 * 2. A worker that gives no sign of life may hold its subscriptions for seconds. Then ask who is alive, hand
 *    the session to the first that answers, and keep asking that one directly for a while: messages to the
 *    session's own subject would still reach the frozen one every other time.
 * 3. Whatever is tried, the bytes of the request stay the same, with the same commandId: the log executes a
 *    command once, so an unknown outcome is asked again.
 */
import { encode } from '../codec.ts';
import { RepriseError } from '../errors.ts';
import { LongCallError, longCall } from '../long-call.ts';
import type { PresenceReply } from '../operations/presence.ts';
import type { ReplyOf } from '../operations/row.ts';
import { SESSION, type SessionRequest } from '../operations/sessions.ts';
import { Patience } from '../patience.ts';
import type { Bus, Clock } from '../port.ts';
import { gatherPresence } from '../presence.ts';
import type { Schema } from '../schema.ts';
import { type Subjects, sessionToken } from '../subjects.ts';
import { parseReply } from '../wire.ts';

export interface CallOptions {
  /** How long the caller waits in all. */
  waitMs: number;
  signal?: AbortSignal;
}

interface Direct {
  worker: string;
  until: number;
}

/** A frozen owner is dropped by its server within seconds; then its session's own subject is safe again. */
const DIRECT_MS = 30_000;
const SESSIONS_REMEMBERED = 10_000;
const WHO_LIMIT_MS = 300;
/**
 * A healthy worker has accepted after 15 ms; each command runs once, however often it is sent. Soon when the owner is
 * not known (a known one is pinged); later where sending again may reach another worker, which would take over.
 */
const RESEND_AFTER_MS = [40, 150];
const RESEND_LATE_AFTER_MS = [150];

export class SessionCalls {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  /** Workers to ask directly, by session token. */
  readonly #direct = new Map<string, Direct>();
  /** Who answered for a session the last time, by its token. */
  readonly #owners = new Map<string, string>();

  constructor(bus: Bus, subjects: Subjects, clock: Clock) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
  }

  /**
   * Asks the session's owner, or makes one, until there is an answer.
   * @throws RepriseError the owner's own failure (not retryable ones), or TIMEOUT when `waitMs` is over; the
   * signal's reason.
   */
  async ask<Request extends SessionRequest>(
    request: Request,
    options: CallOptions,
  ): Promise<ReplyOf<(typeof SESSION)[Request['op']]>> {
    const schema = SESSION[request.op].reply as Schema<ReplyOf<(typeof SESSION)[Request['op']]>>;
    const token = sessionToken(request.session);
    const patience = new Patience(this.#bus, this.#clock, options);
    let subject = this.#first(token);
    for (;;) {
      let thrown: unknown;
      try {
        const reply = parseReply(schema, await this.#call(token, subject, request, patience));
        if ('worker' in reply) remember(this.#owners, token, reply.worker as string);
        return reply;
      } catch (error) {
        thrown = error;
      }
      patience.assertWorthwhile(thrown, `session '${request.session}'`);
      subject = await this.#next(token, subject, thrown, patience);
    }
  }

  #call(token: string, subject: string, request: SessionRequest, patience: Patience): Promise<Uint8Array> {
    // Only the session's own subject leads to its owner.
    const toOwner = subject === this.#subjects.cmd(token);
    const presumed = toOwner ? this.#owners.get(token) : undefined;
    return longCall(this.#bus, {
      subject,
      data: encode(toOwner ? request : { session: request.session, request }),
      presumed,
      timeoutMs: patience.leftMs,
      pingSubject: this.#subjects.ping,
      resendAfterMs: isRepeatable(request)
        ? toOwner && presumed === undefined
          ? RESEND_AFTER_MS
          : RESEND_LATE_AFTER_MS
        : [],
      clock: this.#clock,
      signal: patience.signal,
    });
  }

  /** Where to ask after a failure; waits as long as it makes sense before. */
  async #next(token: string, subject: string, thrown: unknown, patience: Patience): Promise<string> {
    const owner = this.#subjects.cmd(token);
    if (this.#direct.delete(token)) return owner; // the worker asked directly has failed
    if (thrown instanceof LongCallError) {
      if (thrown.reason === 'lost') return this.#subjects.activate;
      if (thrown.reason === 'absent' && subject === owner) return this.#subjects.activate;
      if (thrown.reason === 'hung') {
        const worker = await this.#alive(thrown.process, patience);
        if (worker) {
          remember(this.#direct, token, { worker, until: this.#clock.now() + DIRECT_MS });
          return this.#subjects.activateAt(worker);
        }
      }
    }
    await patience.pause(thrown);
    return owner;
  }

  /** A worker that answers now, but not the one presumed hung. */
  async #alive(hung: string | undefined, patience: Patience): Promise<string | null> {
    const usable = (reply: PresenceReply) =>
      reply.role === 'worker' && reply.state === 'running' && reply.process !== hung;
    const timing = { limitMs: Math.min(WHO_LIMIT_MS, patience.leftMs), quietMs: WHO_LIMIT_MS };
    try {
      const found = await gatherPresence(this.#bus, this.#subjects, this.#clock, timing, (replies) =>
        replies.some(usable),
      );
      return found.find(usable)?.process ?? null;
    } catch (error) {
      if (RepriseError.from(error).retryable) return null;
      throw error;
    }
  }

  #first(token: string): string {
    const direct = this.#direct.get(token);
    if (!direct) return this.#subjects.cmd(token);
    if (direct.until > this.#clock.now()) return this.#subjects.activateAt(direct.worker);
    this.#direct.delete(token);
    return this.#subjects.cmd(token);
  }
}

/** Whether the request may arrive twice. */
function isRepeatable(request: SessionRequest): boolean {
  return SESSION[request.op].idempotent || ('commandId' in request && request.commandId !== undefined);
}

/** Sets an entry as the newest; the oldest goes when there are too many. */
function remember<T>(map: Map<string, T>, token: string, value: T): void {
  map.delete(token);
  if (map.size >= SESSIONS_REMEMBERED) map.delete(map.keys().next().value!);
  map.set(token, value);
}
