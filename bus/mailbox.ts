/**
 * Answers on their way: the part of a bus that both implementations share.
 *
 * A connection has ONE wildcard subscription, `<base>.*`; each waiting request and each open inbox owns one
 * token below it. So a request, or a long call with several answers, costs a map entry and a timer, and
 * never a subscription of its own.
 */
import { RepriseError } from './errors.ts';
import type { BusMessage, Subscription } from './port.ts';

export interface InboxEvents {
  onMessage(message: BusMessage): void;
  onNoResponders?(): void;
  /** DENIED or DISCONNECTED: nothing more will come from what was sent so far. */
  onFailed?(error: RepriseError): void;
}

interface Entry {
  /** Where the request went: names it in errors and finds it when the server denies the publish. */
  subject: string;
  events: InboxEvents;
}

/** Starts a one-shot timer and returns the function that stops it. */
export type StartTimer = (callback: () => void, delayMs: number) => () => void;

/** A longer time is no limit (24 days): timers cannot count it. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The answers of one connection. */
export class Mailbox {
  /** The subject to subscribe to. */
  readonly wildcard: string;
  readonly #prefix: string;
  readonly #startTimer: StartTimer;
  readonly #report: (thrown: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  #next = 0;

  /**
   * @param base subject that no other connection uses
   * @param report hears what inbox handlers throw
   */
  constructor(base: string, startTimer: StartTimer, report: (thrown: unknown) => void) {
    this.#prefix = `${base}.`;
    this.wildcard = `${base}.*`;
    this.#startTimer = startTimer;
    this.#report = report;
  }

  /** Requests and inboxes that are open. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * One request: `send` gets the reply subject and publishes.
   * @throws RepriseError NO_RESPONDERS, TIMEOUT, whatever `send` throws or `failAll` brings.
   */
  ask(subject: string, timeoutMs: number, send: (reply: string) => void): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const token = this.#token();
      const settle = () => {
        stopTimer();
        this.#entries.delete(token);
      };
      const fail = (error: unknown) => {
        settle();
        reject(error);
      };
      const late = () =>
        fail(new RepriseError('TIMEOUT', `no answer from ${subject} within ${timeoutMs} ms`));
      const stopTimer = timeoutMs <= TIMER_MAX_MS ? this.#startTimer(late, timeoutMs) : () => {};
      this.#entries.set(token, {
        subject,
        events: {
          onMessage: (message) => {
            settle();
            resolve(message.data);
          },
          onNoResponders: () => fail(noResponders(subject)),
          onFailed: fail,
        },
      });
      try {
        send(this.#prefix + token);
      } catch (thrown) {
        fail(thrown);
      }
    });
  }

  /** A subject that takes any number of answers until it is unsubscribed. */
  open(events: InboxEvents): Subscription {
    const token = this.#token();
    this.#entries.set(token, { subject: '', events });
    return {
      subject: this.#prefix + token,
      unsubscribe: () => void this.#entries.delete(token),
    };
  }

  /** Remembers where a message went whose answers come to `reply`, so that a denial finds its inbox. */
  sent(subject: string, reply: string): void {
    if (!reply.startsWith(this.#prefix)) return;
    const entry = this.#entries.get(reply.slice(this.#prefix.length));
    if (entry) entry.subject = subject;
  }

  /** Takes one message that came to the wildcard. Answers nobody waits for any more are dropped. */
  deliver(message: BusMessage, isNoResponders: boolean): void {
    if (!message.subject.startsWith(this.#prefix)) return; // "nobody there" to a reply subject of somebody else's
    const entry = this.#entries.get(message.subject.slice(this.#prefix.length));
    if (!entry) return;
    this.#safely(() => {
      if (isNoResponders) entry.events.onNoResponders?.();
      else entry.events.onMessage(message);
    });
  }

  /** Fails everything that waits; inboxes stay open for what is sent later. */
  failAll(error: RepriseError): void {
    this.#fail([...this.#entries.values()], error);
  }

  /** Fails what was sent to `subject`; returns false when nothing was. */
  failSent(subject: string, error: RepriseError): boolean {
    const hit = [...this.#entries.values()].filter((entry) => entry.subject === subject);
    this.#fail(hit, error);
    return hit.length > 0;
  }

  #fail(entries: Entry[], error: RepriseError): void {
    for (const entry of entries) this.#safely(() => entry.events.onFailed?.(error));
  }

  #safely(run: () => void): void {
    try {
      run();
    } catch (thrown) {
      this.#report(thrown);
    }
  }

  #token(): string {
    this.#next += 1;
    return this.#next.toString(36);
  }
}

/** The error of a request that nobody is subscribed for. */
export function noResponders(subject: string): RepriseError {
  return new RepriseError('NO_RESPONDERS', `nobody answers on ${subject}`);
}

/** Refuses what does not fit into one message. @throws RepriseError TOO_LARGE */
export function assertFits(subject: string, data: Uint8Array, maxPayload: number): void {
  if (data.byteLength <= maxPayload) return;
  throw new RepriseError(
    'TOO_LARGE',
    `${data.byteLength} bytes for ${subject}: the bus takes ${maxPayload} at most`,
  );
}

const SPACE = 32;
const DELETE = 127;
const DOT = 46;
const STAR = 42;
const REST = 62;

/**
 * Refuses what is not a subject: tokens between dots, none of them empty or with spaces. `*` and `>` as tokens are
 * for subscriptions only, `>` as the last one.
 * @throws RepriseError BAD_REQUEST
 */
export function assertSubject(subject: string, use: 'publish' | 'subscribe'): void {
  const { length } = subject;
  let tokenAt = 0;
  for (let i = 0; i <= length; i++) {
    const char = i < length ? subject.charCodeAt(i) : DOT;
    if (char === DOT) {
      const isWildcard = i === tokenAt + 1 && isWild(subject.charCodeAt(tokenAt));
      if (i === tokenAt) throw notSubject(subject);
      if (isWildcard && (use === 'publish' || (subject[tokenAt] === '>' && i < length))) {
        throw notSubject(subject);
      }
      tokenAt = i + 1;
    } else if (char <= SPACE || char === DELETE) {
      throw notSubject(subject);
    }
  }
}

function isWild(char: number): boolean {
  return char === STAR || char === REST;
}

function notSubject(subject: string): RepriseError {
  return new RepriseError('BAD_REQUEST', `not a subject: ${JSON.stringify(subject.slice(0, 200))}`);
}

/** A queue group's name is one word. @throws RepriseError BAD_REQUEST */
export function assertQueue(queue: string | undefined): void {
  if (queue === undefined || /^[^\s]+$/.test(queue)) return;
  throw new RepriseError('BAD_REQUEST', `not a queue group: ${JSON.stringify(queue)}`);
}
