/**
 * Requests that may take long, without long time-outs.
 *
 * 1. A quick answer is one plain round trip: the only answer that comes.
 * 2. A slow one begins with `Accepted`, which names the process at work. From then on the caller pings that
 *    process: it may take its time as long as it lives.
 * 3. The call ends early when the process is gone ('no responders', 0.1 ms) or hangs (for half a second no ping,
 *    or not the request, is answered). The outcome is then unknown; the caller retries, with the same
 *    commandId, elsewhere.
 *    Whoever knows which process the request should reach has it pinged before anything is heard, too: when it is
 *    gone, the request that died with it is sent again, and the bus tells whether somebody else has taken over.
 * 4. The answering side sends exactly one final answer. An answer to nobody is dropped.
 */
import { decode, encode } from './codec.ts';
import { RepriseError } from './errors.ts';
import { type Bus, type BusMessage, type Clock, systemClock } from './port.ts';
import type { Accepted, Failure } from './wire.ts';

export interface LongCallOptions {
  subject: string;
  data: Uint8Array;
  /** How long the caller waits in all; Infinity: as long as the answering process lives. */
  timeoutMs: number;
  /** Where a process answers pings (`subjects.ping`). */
  pingSubject: (process: string) => string;
  clock?: Clock;
  /** Without a sign of life for so long a process counts as hung, ms; default 500. */
  hungMs?: number;
  /** Waits between pings by the age of the call; default every 20 ms, 100 ms after 1 s, 250 ms after 5 s. */
  probeEveryMs?: (elapsedMs: number) => number;
  /** The process that should have the request; found to be gone, the request is sent again at once. */
  presumed?: string;
  /**
   * When to send the request again, ms after the call, as long as nothing has been heard: whoever had it may
   * have died with it, and asking again tells ('no responders') long before silence does. For requests that
   * may arrive twice only.
   */
  resendAfterMs?: readonly number[];
  signal?: AbortSignal;
}

/** Why a long call ended without an answer. `process` is who had accepted it, if anybody. */
export class LongCallError extends RepriseError {
  /** absent: nobody took it; lost: who took it died; hung: no sign of life; deadline: it takes too long. */
  readonly reason: 'absent' | 'lost' | 'hung' | 'deadline';
  readonly process: string | undefined;

  constructor(reason: LongCallError['reason'], subject: string, process: string | undefined) {
    const who = process === undefined ? subject : `${process} (for ${subject})`;
    super(...describe(reason, who));
    this.name = 'LongCallError';
    this.reason = reason;
    this.process = process;
  }
}

function describe(reason: LongCallError['reason'], who: string): ['NO_RESPONDERS' | 'TIMEOUT', string] {
  if (reason === 'absent') return ['NO_RESPONDERS', `nobody answers on ${who}`];
  if (reason === 'lost') return ['NO_RESPONDERS', `${who} died at work; the outcome is unknown`];
  if (reason === 'hung') return ['TIMEOUT', `${who} gives no sign of life; the outcome is unknown`];
  return ['TIMEOUT', `${who} has not answered in time; it may still do the work`];
}

const PING_TIMEOUT_MS = 250;
const HUNG_MS = 500;
/** A quick answer has come by then: the presumed process is pinged only after; then every so often. */
const PRESUMED_AFTER_MS = 8;
const PRESUMED_EVERY_MS = 20;
const TIMER_MAX_MS = 2 ** 31 - 1;
const NOTHING = new Uint8Array(0);

/**
 * Sends a request and waits for its final answer, as long as the process at work gives signs of life.
 * @throws LongCallError (NO_RESPONDERS: absent or lost; TIMEOUT: hung or deadline); RepriseError DISCONNECTED,
 * DENIED, TOO_LARGE; the signal's reason when it aborts.
 */
export function longCall(bus: Bus, options: LongCallOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => new Call(bus, options, resolve, reject).start());
}

type Timer = ReturnType<Clock['setTimer']>;

class Call {
  readonly #bus: Bus;
  readonly #options: LongCallOptions;
  readonly #clock: Clock;
  readonly #resolve: (bytes: Uint8Array) => void;
  readonly #reject: (error: unknown) => void;
  #startedAt = 0;
  /** Of the first answer or the deadline, whichever comes first; then of the deadline. */
  #alarm: Timer | undefined;
  #nextProbe: Timer | undefined;
  #nextResend: Timer | undefined;
  #close = () => {};
  #settled = false;
  #process: string | undefined;
  #acceptedAt = 0;
  #aliveAt = 0;
  /** The presumed process was gone, and the request was sent again. */
  #isResent = false;

  constructor(
    bus: Bus,
    options: LongCallOptions,
    resolve: (bytes: Uint8Array) => void,
    reject: (error: unknown) => void,
  ) {
    this.#bus = bus;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { subject, data, timeoutMs, signal, hungMs = HUNG_MS } = this.#options;
    if (signal?.aborted) {
      this.#reject(signal.reason);
      return;
    }
    const inbox = this.#bus.inbox(
      (message) => this.#hear(message),
      () => this.#fail(new LongCallError('absent', subject, undefined)),
      (error) => this.#fail(error),
    );
    const onAbort = () => this.#fail(signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#close = () => {
      inbox.unsubscribe();
      signal?.removeEventListener('abort', onAbort);
    };
    this.#startedAt = this.#clock.now();
    const reason = timeoutMs <= hungMs ? 'deadline' : 'hung';
    this.#alarm = this.#clock.setTimer(() => this.#end(reason), Math.min(timeoutMs, hungMs));
    const send = () => {
      try {
        this.#bus.publish(subject, data, { reply: inbox.subject });
      } catch (thrown) {
        this.#fail(thrown);
      }
    };
    send();
    if (this.#settled) return;
    this.#resendLater(send, [...(this.#options.resendAfterMs ?? [])], 0);
    const { presumed } = this.#options;
    if (presumed !== undefined) this.#presumeLater(presumed, send, PRESUMED_AFTER_MS);
  }

  /**
   * Pings until something is heard. One does not wait for another: the first ones may reach a process that is dying,
   * and are lost with it.
   */
  #presumeLater(presumed: string, send: () => void, delayMs: number): void {
    this.#nextProbe = this.#clock.setTimer(async () => {
      this.#presumeLater(presumed, send, Math.min(1.2 * delayMs, PRESUMED_EVERY_MS));
      const found = await this.#ping(presumed);
      if (found !== 'gone' || this.#settled || this.#process !== undefined) return;
      this.#nextProbe?.cancel();
      if (!this.#isResent) send();
      this.#isResent = true;
    }, delayMs);
  }

  #resendLater(send: () => void, delays: number[], elapsedMs: number): void {
    const next = delays.shift();
    if (next === undefined || this.#settled) return;
    this.#nextResend = this.#clock.setTimer(() => {
      send();
      this.#resendLater(send, delays, next);
    }, next - elapsedMs);
  }

  #hear(message: BusMessage): void {
    const accepted = parseAccepted(message.data);
    if (accepted === null) {
      this.#settle();
      this.#resolve(message.data);
    } else if (this.#process === undefined) {
      this.#process = accepted.process;
      this.#accept();
    }
  }

  /** Somebody is at work: from now on its pings count, and the deadline. */
  #accept(): void {
    const now = this.#clock.now();
    const leftMs = this.#startedAt + this.#options.timeoutMs - now;
    this.#acceptedAt = now;
    this.#aliveAt = now;
    this.#nextProbe?.cancel();
    this.#nextResend?.cancel();
    this.#alarm?.cancel();
    this.#alarm =
      leftMs < TIMER_MAX_MS
        ? this.#clock.setTimer(() => this.#end('deadline'), Math.max(leftMs, 0))
        : undefined;
    this.#probeLater();
  }

  #probeLater(): void {
    const { probeEveryMs = probeInterval } = this.#options;
    const delayMs = probeEveryMs(this.#clock.now() - this.#acceptedAt);
    this.#nextProbe = this.#clock.setTimer(() => this.#probe(), delayMs);
  }

  async #probe(): Promise<void> {
    this.#probeLater();
    const found = await this.#ping(this.#process!);
    if (this.#settled) return;
    if (found === 'gone') this.#end('lost');
    else if (found instanceof RepriseError) this.#fail(found);
    else if (found === 'alive') this.#aliveAt = this.#clock.now();
    else if (this.#clock.now() - this.#aliveAt >= (this.#options.hungMs ?? HUNG_MS)) this.#end('hung');
  }

  #ping(process: string): Promise<Found> {
    return ping(this.#bus, this.#clock, this.#options.pingSubject(process));
  }

  #end(reason: LongCallError['reason']): void {
    this.#fail(new LongCallError(reason, this.#options.subject, this.#process));
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#alarm?.cancel();
    this.#nextProbe?.cancel();
    this.#nextResend?.cancel();
    this.#close();
  }
}

function probeInterval(elapsedMs: number): number {
  if (elapsedMs > 5_000) return 250;
  return elapsedMs > 1_000 ? 100 : 20;
}

/** What a ping found out; an error is of the way there. */
type Found = 'alive' | 'gone' | 'silent' | RepriseError;

/** The newest ping of each process: many calls that wait for one process share it. */
const pings = new WeakMap<Bus, Map<string, { sentAt: number; found: Promise<Found> }>>();
/** A ping may be shared for this long. */
const SHARED_MS = 5;

function ping(bus: Bus, clock: Clock, subject: string): Promise<Found> {
  let bySubject = pings.get(bus);
  if (!bySubject) {
    bySubject = new Map();
    pings.set(bus, bySubject);
  }
  const newest = bySubject.get(subject);
  if (newest && clock.now() - newest.sentAt < SHARED_MS) return newest.found;
  const found = bus.request(subject, NOTHING, { timeoutMs: PING_TIMEOUT_MS }).then(
    (): Found => 'alive',
    (thrown): Found => {
      const error = RepriseError.from(thrown);
      if (error.code === 'NO_RESPONDERS') return 'gone';
      return error.code === 'TIMEOUT' ? 'silent' : error;
    },
  );
  // Processes come and go: their names are not kept for ever.
  if (bySubject.size >= 1_000) bySubject.clear();
  bySubject.set(subject, { sentAt: clock.now(), found });
  return found;
}

const ACCEPTED_BYTES_MAX = 512;
const ACCEPTED = Buffer.from('accepted');

/** The message as an `Accepted`, or null. Final answers are not decoded here: that is the caller's work. */
export function parseAccepted(data: Uint8Array): Accepted | null {
  if (data.byteLength > ACCEPTED_BYTES_MAX) return null;
  if (!Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(ACCEPTED)) return null;
  try {
    const value = decode(data) as Partial<Accepted> | null;
    return value?.ok === 'accepted' && typeof value.process === 'string' ? (value as Accepted) : null;
  } catch {
    return null; // not ours to judge: the caller decodes it again
  }
}

// ── The answering side ──────────────────────────────────────────────────────────────────────────────────

export interface AnswerOptions {
  clock?: Clock;
  /** Work that takes longer is announced by `Accepted`. Default 15. */
  acceptAfterMs?: number;
}

const ACCEPT_AFTER_MS = 15;

/**
 * Answers a request with what `work` resolves to, or with the Failure it rejects with: exactly one final
 * answer, preceded by `Accepted` when it takes long. Resolves when that answer is sent; never rejects.
 * @param process name of this process, which answers on `subjects.ping(process)`
 */
export async function answerLong(
  message: BusMessage,
  process: string,
  work: () => Promise<Uint8Array>,
  options: AnswerOptions = {},
): Promise<void> {
  const { clock = systemClock, acceptAfterMs = ACCEPT_AFTER_MS } = options;
  const timer = clock.setTimer(() => {
    message.respond(encode({ ok: 'accepted', process } satisfies Accepted));
  }, acceptAfterMs);
  try {
    const bytes = await work();
    timer.cancel();
    message.respond(bytes);
  } catch (thrown) {
    // also when the answer itself is too large for the bus
    timer.cancel();
    message.respond(encode({ ok: false, ...RepriseError.from(thrown).toWire() } satisfies Failure));
  }
}
