/** The bus as its users see it. Two implementations: `nats.ts` and `memory.ts`, one conformance suite. */
import type { RepriseError } from './errors.ts';

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where an answer goes; absent for plain publishes. */
  readonly reply?: string;
  /**
   * Answers the request; returns false (and does nothing) when there is no reply subject, or none that can be
   * published to, or when the connection is down: whoever asked has been told.
   * @throws RepriseError TOO_LARGE
   */
  respond(data: Uint8Array): boolean;
}

export interface Subscription {
  readonly subject: string;
  unsubscribe(): void;
}

export interface RequestOptions {
  /** More than 2^31-1, or Infinity: no limit. */
  timeoutMs: number;
}

export interface Bus {
  /**
   * Fire and forget. With `reply`, answers go to that subject.
   * @throws RepriseError DISCONNECTED, TOO_LARGE, BAD_REQUEST (no subject, or a wildcard)
   */
  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void;
  /**
   * Handlers are started in order of arrival per subscription (the next one does not wait for a promise of
   * the one before); one that throws is reported to `onError`, not fatal. Survives reconnects.
   * With `queue`, a message goes to one of all matching subscriptions with that name.
   * @throws RepriseError DISCONNECTED (closed), BAD_REQUEST (no subject)
   */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: { queue?: string },
  ): Subscription;
  /**
   * One request, one answer.
   * @throws RepriseError NO_RESPONDERS (at once), TIMEOUT, DISCONNECTED (also when the connection drops
   * while waiting: the outcome is then unknown), TOO_LARGE, DENIED, BAD_REQUEST (no subject, or a wildcard).
   */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  /**
   * A private subject to receive several answers on. It costs no subscription at the server. 'no responders'
   * arrives as `onNoResponders`; `onFailed` hears DISCONNECTED (answers on their way are lost) and DENIED.
   */
  inbox(
    handler: (message: BusMessage) => void,
    onNoResponders?: () => void,
    onFailed?: (error: RepriseError) => void,
  ): Subscription;
  /** Resolves once everything published and subscribed so far has reached the server. */
  flush(): Promise<void>;
  /** Largest message in bytes. */
  readonly maxPayload: number;
  readonly connected: boolean;
  /** Called at every change of connection; returns a function that stops it. */
  onConnection(listener: (connected: boolean) => void): () => void;
  /** Stops subscriptions, lets handlers finish, closes. Idempotent. */
  close(): Promise<void>;
}

/** Time as a port, so that tests and simulations own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  setTimer(callback: () => void, delayMs: number): { cancel(): void };
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
