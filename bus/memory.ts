/**
 * The bus inside one process: the same promises as NATS, with faults and time in the hands of the caller.
 * Deterministic: with the same clock, random source and calls, everything arrives in the same order.
 */
import { RepriseError } from './errors.ts';
import { assertFits, Mailbox } from './mailbox.ts';
import { type Bus, type BusMessage, type Clock, type Subscription, systemClock } from './port.ts';

export interface MemoryOptions {
  clock?: Clock;
  /** Travel time of a message in ms; messages between two connections never overtake each other. Default 0. */
  latency?: (from: string, to: string) => number;
  /** Picks the member of a queue group, 0 ≤ x < 1; default: members take turns. */
  random?: () => number;
  /** Largest message in bytes; default 1 MiB. */
  maxPayload?: number;
}

export interface ConnectOptions {
  onError?: (error: RepriseError) => void;
  /** Subjects this connection may not publish to. */
  denied?: (subject: string) => boolean;
}

export interface MemoryHub {
  connect(name: string, options?: ConnectOptions): MemoryBus;
}

/** A hub that any number of buses connect to. */
export function makeMemoryBus(options: MemoryOptions = {}): MemoryHub {
  const hub = new Hub(options);
  return { connect: (name, connectOptions = {}) => new MemoryBus(hub, name, connectOptions) };
}

type Handler = (message: BusMessage) => void | Promise<void>;

interface Entry {
  owner: MemoryBus;
  tokens: string[];
  queue: string | undefined;
  handler: (message: MemoryMessage) => void;
}

class Hub {
  readonly clock: Clock;
  readonly maxPayload: number;
  readonly #latency: MemoryOptions['latency'];
  readonly #random: (() => number) | undefined;
  readonly #entries = new Set<Entry>();
  readonly #turns = new Map<string, number>();
  /** Deliveries that are due, in order. */
  #due: (() => void)[] = [];
  /** When the last message between two connections arrives. */
  readonly #arrivals = new Map<string, number>();
  #connections = 0;

  constructor(options: MemoryOptions) {
    this.clock = options.clock ?? systemClock;
    this.maxPayload = options.maxPayload ?? 1024 * 1024;
    this.#latency = options.latency;
    this.#random = options.random;
  }

  nextId(): number {
    this.#connections += 1;
    return this.#connections;
  }

  add(entry: Entry): () => void {
    this.#entries.add(entry);
    return () => void this.#entries.delete(entry);
  }

  route(from: MemoryBus, subject: string, data: Uint8Array, reply: string | undefined): void {
    const receivers = this.#receivers(subject);
    if (receivers.length === 0 && reply) {
      this.#carry(from, from, () => from.noResponders(reply));
    }
    for (const entry of receivers) {
      const bytes = Uint8Array.from(data); // nobody shares memory over a bus
      const message = new MemoryMessage(entry.owner, subject, bytes, reply);
      this.#carry(from, entry.owner, () => {
        // unsubscribed or disconnected while the message was on its way
        if (this.#entries.has(entry) && entry.owner.connected) entry.owner.arrive(entry.handler, message);
      });
    }
  }

  /** One member of each queue group and every plain subscriber, in order of subscription. */
  #receivers(subject: string): Entry[] {
    const tokens = subject.split('.');
    const groups = new Map<string, Entry[]>();
    const plain: Entry[] = [];
    for (const entry of this.#entries) {
      if (!entry.owner.connected || !matches(entry.tokens, tokens)) continue;
      if (entry.queue === undefined) {
        plain.push(entry);
        continue;
      }
      const key = `${entry.queue} ${entry.tokens.join('.')}`;
      const group = groups.get(key) ?? [];
      group.push(entry);
      groups.set(key, group);
    }
    for (const [key, group] of groups) plain.push(group[this.#pick(key, group.length)]!);
    return plain;
  }

  #pick(key: string, size: number): number {
    if (this.#random) return Math.floor(this.#random() * size);
    const turn = this.#turns.get(key) ?? 0;
    this.#turns.set(key, turn + 1);
    return turn % size;
  }

  #carry(from: MemoryBus, to: MemoryBus, deliver: () => void): void {
    if (!this.#latency) {
      this.#enqueue(deliver);
      return;
    }
    const link = `${from.id}>${to.id}`;
    const now = this.clock.now();
    const arrival = Math.max(now + this.#latency(from.name, to.name), this.#arrivals.get(link) ?? 0);
    this.#arrivals.set(link, arrival);
    this.clock.setTimer(() => this.#enqueue(deliver), arrival - now);
  }

  #enqueue(deliver: () => void): void {
    this.#due.push(deliver);
    if (this.#due.length > 1) return;
    queueMicrotask(() => {
      const due = this.#due;
      this.#due = [];
      for (const each of due) each();
    });
  }
}

export class MemoryBus implements Bus {
  readonly id: number;
  readonly name: string;
  readonly #hub: Hub;
  readonly #options: ConnectOptions;
  readonly #mailbox: Mailbox;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #removers = new Set<() => void>();
  readonly #working = new Set<Promise<void>>();
  #connected = true;
  #frozen: (() => void)[] | undefined;
  #closing: Promise<void> | undefined;

  constructor(hub: Hub, name: string, options: ConnectOptions) {
    this.#hub = hub;
    this.#options = options;
    this.name = name;
    this.id = hub.nextId();
    const startTimer = (callback: () => void, delayMs: number) => {
      const timer = hub.clock.setTimer(callback, delayMs);
      return () => timer.cancel();
    };
    this.#mailbox = new Mailbox(`_INBOX.${this.id}`, startTimer, (thrown) => this.#report(thrown));
    hub.add({
      owner: this,
      tokens: this.#mailbox.wildcard.split('.'),
      queue: undefined,
      handler: (message) => this.#mailbox.deliver(message, false),
    });
  }

  get maxPayload(): number {
    return this.#hub.maxPayload;
  }

  get connected(): boolean {
    return this.#connected;
  }

  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void {
    if (!this.#connected) throw new RepriseError('DISCONNECTED', `cannot publish to ${subject}`);
    assertFits(subject, data, this.maxPayload);
    assertSubject(subject);
    if (options?.reply) this.#mailbox.sent(subject, options.reply);
    if (this.#options.denied?.(subject)) {
      const error = new RepriseError('DENIED', `${this.name} may not publish to ${subject}`);
      queueMicrotask(() => {
        if (!this.#mailbox.failSent(subject, error)) this.#report(error);
      });
      return;
    }
    this.#hub.route(this, subject, data, options?.reply);
  }

  subscribe(subject: string, handler: Handler, options?: { queue?: string }): Subscription {
    if (this.#closing) throw new RepriseError('DISCONNECTED', 'the bus is closed');
    assertSubject(subject);
    const remove = this.#hub.add({
      owner: this,
      tokens: subject.split('.'),
      queue: options?.queue,
      handler: (message) => this.#run(handler, message),
    });
    this.#removers.add(remove);
    return {
      subject,
      unsubscribe: () => {
        this.#removers.delete(remove);
        remove();
      },
    };
  }

  request(subject: string, data: Uint8Array, options: { timeoutMs: number }): Promise<Uint8Array> {
    if (!this.#connected) return Promise.reject(new RepriseError('DISCONNECTED', `cannot ask ${subject}`));
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
    if (!this.#connected) throw new RepriseError('DISCONNECTED', 'cannot flush');
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const remove of this.#removers) remove();
      await Promise.all(this.#working);
      this.disconnect();
    })();
    return this.#closing;
  }

  // ── Faults ──────────────────────────────────────────────────────────────────────────────────────────

  /** The connection drops: what is on its way to this bus is lost, what it waits for fails. */
  disconnect(): void {
    this.#setConnected(false);
  }

  /** The connection is back, with its subscriptions. */
  reconnect(): void {
    if (!this.#closing) this.#setConnected(true);
  }

  /** As SIGSTOP does: stays subscribed, but nothing is handled any more until `thaw`. */
  freeze(): void {
    this.#frozen ??= [];
  }

  /** Works off all that arrived while frozen. */
  thaw(): void {
    const held = this.#frozen ?? [];
    this.#frozen = undefined;
    for (const each of held) each();
  }

  // ── For the hub ─────────────────────────────────────────────────────────────────────────────────────

  arrive(handler: (message: MemoryMessage) => void, message: MemoryMessage): void {
    if (this.#frozen) this.#frozen.push(() => handler(message));
    else handler(message);
  }

  noResponders(reply: string): void {
    if (!this.#connected) return;
    const message = new MemoryMessage(this, reply, new Uint8Array(0), undefined);
    this.arrive((each) => this.#mailbox.deliver(each, true), message);
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    if (!connected) {
      this.#mailbox.failAll(
        new RepriseError('DISCONNECTED', 'the connection to the bus was lost; the outcome is unknown'),
      );
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(connected);
      } catch (thrown) {
        this.#report(thrown);
      }
    }
  }

  #run(handler: Handler, message: BusMessage): void {
    try {
      const done = handler(message);
      if (!done) return;
      const working = done
        .catch((thrown) => this.#report(thrown))
        .finally(() => this.#working.delete(working));
      this.#working.add(working);
    } catch (thrown) {
      this.#report(thrown);
    }
  }

  #report(thrown: unknown): void {
    try {
      this.#options.onError?.(RepriseError.from(thrown));
    } catch {
      // an error handler that throws has nobody left to tell
    }
  }
}

class MemoryMessage implements BusMessage {
  readonly #bus: MemoryBus;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string;

  constructor(bus: MemoryBus, subject: string, data: Uint8Array, reply: string | undefined) {
    this.#bus = bus;
    this.subject = subject;
    this.data = data;
    if (reply) this.reply = reply;
  }

  respond(data: Uint8Array): boolean {
    if (!this.reply || !this.#bus.connected) return false;
    this.#bus.publish(this.reply, data);
    return true;
  }
}

/** NATS matching: `*` is one token, a final `>` is one or more. */
function matches(pattern: string[], subject: string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '>') return i < subject.length;
    if (i >= subject.length || (pattern[i] !== '*' && pattern[i] !== subject[i])) return false;
  }
  return pattern.length === subject.length;
}

function assertSubject(subject: string): void {
  if (subject.length > 0 && !/[ \n\r\t]/.test(subject)) return;
  throw new RepriseError('BAD_REQUEST', `not a subject: ${JSON.stringify(subject)}`);
}
