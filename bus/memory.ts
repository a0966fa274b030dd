/**
 * The bus inside one process: the same promises as NATS, with faults and time in the hands of the caller.
 * Deterministic: with the same clock, random source and calls, everything arrives in the same order.
 */
import {
  ConnectionState,
  connectionLost,
  DeliveredMessage,
  disconnected,
  HandlerRunner,
} from './connection.ts';
import { RepriseError } from './errors.ts';
import { assertFits, assertQueue, assertSubject, Mailbox } from './mailbox.ts';
import { type Entry, Hub, type Peer } from './memory-hub.ts';
import { type Bus, type BusMessage, type Clock, type Subscription, systemClock } from './port.ts';

export interface MemoryOptions {
  clock?: Clock;
  /** Travel time of a message in ms; messages between two connections never overtake each other. Default 0. */
  latency?: (from: string, to: string) => number;
  /** Picks the member of a queue group, 0 ≤ x < 1; default: members take turns. */
  random?: () => number;
  /** How often a message arrives: 1, unless it is lost (0) or repeated (2) on its way. */
  copies?: (from: string, to: string, subject: string) => number;
  /** Largest message in bytes; default 1 MiB. */
  maxPayload?: number;
}

export interface ConnectOptions {
  /** Hears what handlers throw, and denials that belong to no request. */
  onError?: (error: RepriseError) => void;
  /** Subjects this connection may not publish to. */
  denied?: (subject: string) => boolean;
  /** Time as this connection's process sees it; default: the hub's. */
  clock?: Clock;
}

export interface MemoryHub {
  connect(name: string, options?: ConnectOptions): MemoryBus;
}

/** A hub that any number of buses connect to. */
export function makeMemoryBus(options: MemoryOptions = {}): MemoryHub {
  const hub = new Hub(
    options.clock ?? systemClock,
    options.maxPayload ?? 1024 * 1024,
    options.latency,
    options.random,
    options.copies,
  );
  return { connect: (name, connectOptions = {}) => new MemoryBus(hub, name, connectOptions) };
}

/** One connection to a hub, with faults that a test can cause. */
export class MemoryBus implements Bus, Peer {
  readonly id: number;
  readonly name: string;
  readonly #hub: Hub;
  readonly #denied: (subject: string) => boolean;
  readonly #handlers: HandlerRunner;
  readonly #state: ConnectionState;
  readonly #mailbox: Mailbox;
  readonly #entries = new Set<Entry>();
  #held: (() => void)[] | undefined;
  #closing: Promise<void> | undefined;

  constructor(hub: Hub, name: string, options: ConnectOptions) {
    this.#hub = hub;
    this.name = name;
    this.id = hub.nextPeerId();
    this.#denied = options.denied ?? (() => false);
    this.#handlers = new HandlerRunner(options.onError);
    const report = (thrown: unknown) => this.#handlers.report(thrown);
    this.#state = new ConnectionState(report);
    const { clock = hub.clock } = options;
    const startTimer = (callback: () => void, delayMs: number) => {
      const timer = clock.setTimer(callback, delayMs);
      return () => timer.cancel();
    };
    this.#mailbox = new Mailbox(`_INBOX.${this.id}`, startTimer, report);
    hub.add(this, this.#mailbox.wildcard, undefined, (message) => this.#mailbox.deliver(message, false));
  }

  get maxPayload(): number {
    return this.#hub.maxPayload;
  }

  get connected(): boolean {
    return this.#state.connected;
  }

  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void {
    if (!this.connected) throw disconnected(`cannot publish to ${subject}`);
    assertSubject(subject, 'publish');
    assertFits(subject, data, this.maxPayload);
    if (options?.reply) {
      assertSubject(options.reply, 'publish');
      this.#mailbox.sent(subject, options.reply);
    }
    if (this.#denied(subject)) {
      const error = new RepriseError('DENIED', `${this.name} may not publish to ${subject}`);
      queueMicrotask(() => {
        if (!this.#mailbox.failSent(subject, error)) this.#handlers.report(error);
      });
      return;
    }
    this.#hub.route(this, subject, data, options?.reply);
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: { queue?: string },
  ): Subscription {
    if (this.#closing) throw disconnected('the bus is closed');
    assertSubject(subject, 'subscribe');
    assertQueue(options?.queue);
    const entry = this.#hub.add(this, subject, options?.queue, (message) =>
      this.#handlers.run(handler, message),
    );
    this.#entries.add(entry);
    return {
      subject,
      unsubscribe: () => {
        this.#entries.delete(entry);
        this.#hub.remove(entry);
      },
    };
  }

  request(subject: string, data: Uint8Array, options: { timeoutMs: number }): Promise<Uint8Array> {
    if (!this.connected) return Promise.reject(disconnected(`cannot ask ${subject}`));
    return this.#mailbox.ask(subject, options.timeoutMs, (reply) => this.publish(subject, data, { reply }));
  }

  inbox(
    handler: (message: BusMessage) => void,
    onNoResponders?: () => void,
    onFailed?: (error: RepriseError) => void,
  ): Subscription {
    return this.#mailbox.open({ onMessage: handler, onNoResponders, onFailed });
  }

  async flush(): Promise<void> {
    if (!this.connected) throw disconnected('cannot flush');
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#state.listen(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#entries].map((entry) => this.#hub.drain(entry)));
    await this.#handlers.settled();
    this.disconnect();
  }

  // ── Faults ──────────────────────────────────────────────────────────────────────────────────────────

  /** The connection drops: what is on its way to this bus is lost, what it waits for fails. */
  disconnect(): void {
    this.#state.set(false, () => this.#mailbox.failAll(connectionLost()));
  }

  /** The connection is back, with its subscriptions. */
  reconnect(): void {
    if (!this.#closing) this.#state.set(true, () => {});
  }

  /** As SIGSTOP does to a process: stays subscribed, but handles nothing until `thaw`. Timers go on. */
  freeze(): void {
    this.#held ??= [];
  }

  /** Works off all that arrived while frozen. */
  thaw(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const handle of held) handle();
  }

  // ── For the hub ─────────────────────────────────────────────────────────────────────────────────────

  deliver(handler: (message: BusMessage) => void, subject: string, data: Uint8Array, reply?: string): void {
    const message = new DeliveredMessage(this, subject, data, reply);
    if (this.#held) this.#held.push(() => handler(message));
    else handler(message);
  }

  noResponders(reply: string): void {
    if (!this.connected) return;
    this.deliver((message) => this.#mailbox.deliver(message, true), reply, new Uint8Array(0));
  }
}
