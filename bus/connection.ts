/** What both buses do alike around a connection: run handlers, remember whether it is up, wrap messages. */
import { hasCode, RepriseError } from './errors.ts';
import type { BusMessage } from './port.ts';

export type Handler = (message: BusMessage) => void | Promise<void>;

/** Runs handlers so that nothing they throw gets any further than `onError`. */
export class HandlerRunner {
  readonly #onError: (error: RepriseError) => void;
  readonly #working = new Set<Promise<void>>();

  constructor(onError: ((error: RepriseError) => void) | undefined) {
    this.#onError = onError ?? (() => {});
  }

  run(handler: Handler, message: BusMessage): void {
    try {
      const done = handler(message);
      // `void` promises nothing about what a handler returns: `(m) => list.push(m)` gives a number.
      if (typeof (done as Promise<void> | undefined)?.then !== 'function') return;
      const working = Promise.resolve(done)
        .catch((thrown) => this.report(thrown))
        .finally(() => this.#working.delete(working));
      this.#working.add(working);
    } catch (thrown) {
      this.report(thrown);
    }
  }

  report(thrown: unknown): void {
    try {
      this.#onError(RepriseError.from(thrown));
    } catch {
      // an error handler that throws has nobody left to tell
    }
  }

  /** Resolves when the handlers at work now have ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#working);
  }
}

/** Whether a connection is up, and who wants to know. */
export class ConnectionState {
  readonly #report: (thrown: unknown) => void;
  readonly #listeners = new Set<(connected: boolean) => void>();
  #connected = true;

  constructor(report: (thrown: unknown) => void) {
    this.#report = report;
  }

  get connected(): boolean {
    return this.#connected;
  }

  listen(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Takes the news, lets `first` act on it, then tells the listeners. Old news is ignored. */
  set(connected: boolean, first: () => void): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    first();
    for (const listener of [...this.#listeners]) {
      try {
        listener(connected);
      } catch (thrown) {
        this.#report(thrown);
      }
    }
  }
}

interface Publisher {
  readonly connected: boolean;
  publish(subject: string, data: Uint8Array): void;
}

/** A message as a handler gets it. */
export class DeliveredMessage implements BusMessage {
  readonly #bus: Publisher;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string;

  constructor(bus: Publisher, subject: string, data: Uint8Array, reply: string | undefined) {
    this.#bus = bus;
    this.subject = subject;
    this.data = data;
    if (reply) this.reply = reply;
  }

  respond(data: Uint8Array): boolean {
    if (!this.reply || !this.#bus.connected) return false;
    try {
      this.#bus.publish(this.reply, data);
      return true;
    } catch (thrown) {
      // Handlers answer from timers, too: only what is the handler's own fault is thrown.
      if (hasCode(thrown, 'DISCONNECTED', 'BAD_REQUEST')) return false;
      throw thrown;
    }
  }
}

/** @param what what could not be done */
export function disconnected(what: string): RepriseError {
  return new RepriseError('DISCONNECTED', what);
}

/** What everything that waits is told when the connection drops. */
export function connectionLost(): RepriseError {
  return disconnected('the connection to the bus was lost; the outcome is unknown');
}
