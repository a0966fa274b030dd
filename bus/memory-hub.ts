/** The middle of the in-memory bus: who subscribed to what, and how messages travel. */
import type { BusMessage, Clock } from './port.ts';

/** An end of the hub. */
export interface Peer {
  readonly id: number;
  readonly name: string;
  readonly connected: boolean;
  deliver(handler: (message: BusMessage) => void, subject: string, data: Uint8Array, reply?: string): void;
  noResponders(reply: string): void;
}

/** One subscription. */
export interface Entry {
  readonly peer: Peer;
  readonly tokens: string[];
  readonly queue: string | undefined;
  readonly handler: (message: BusMessage) => void;
  /** Messages on their way to this subscription. */
  travelling: number;
  /** Unsubscribed: what still travels is dropped. */
  dropped: boolean;
  onIdle?: () => void;
}

/** Subscriptions of all peers, and the way of every message between them. */
export class Hub {
  readonly clock: Clock;
  readonly maxPayload: number;
  readonly #latency: ((from: string, to: string) => number) | undefined;
  readonly #random: (() => number) | undefined;
  readonly #copies: ((from: string, to: string, subject: string) => number) | undefined;
  readonly #entries = new Set<Entry>();
  readonly #turns = new Map<string, number>();
  /** When the last message between two peers arrives. */
  readonly #arrivals = new Map<string, number>();
  /** Deliveries that are due, in order. */
  #due: (() => void)[] = [];
  #peers = 0;

  constructor(
    clock: Clock,
    maxPayload: number,
    latency: ((from: string, to: string) => number) | undefined,
    random: (() => number) | undefined,
    copies?: (from: string, to: string, subject: string) => number,
  ) {
    this.clock = clock;
    this.maxPayload = maxPayload;
    this.#latency = latency;
    this.#random = random;
    this.#copies = copies;
  }

  nextPeerId(): number {
    this.#peers += 1;
    return this.#peers;
  }

  add(peer: Peer, subject: string, queue: string | undefined, handler: Entry['handler']): Entry {
    const entry = { peer, tokens: subject.split('.'), queue, handler, travelling: 0, dropped: false };
    this.#entries.add(entry);
    return entry;
  }

  remove(entry: Entry): void {
    entry.dropped = true;
    this.#entries.delete(entry);
  }

  /** Takes nothing new; resolves when everything on its way has arrived. */
  drain(entry: Entry): Promise<void> {
    this.#entries.delete(entry);
    if (entry.travelling === 0) return Promise.resolve();
    return new Promise((resolve) => {
      entry.onIdle = resolve;
    });
  }

  route(from: Peer, subject: string, data: Uint8Array, reply: string | undefined): void {
    const receivers = this.#receivers(subject);
    if (receivers.length === 0 && reply) this.#carry(from, from, () => from.noResponders(reply));
    for (const entry of receivers) {
      const copies = this.#copies?.(from.name, entry.peer.name, subject) ?? 1;
      for (let copy = 0; copy < copies; copy++) this.#send(from, entry, subject, data, reply);
    }
  }

  #send(from: Peer, entry: Entry, subject: string, data: Uint8Array, reply: string | undefined): void {
    const bytes = Uint8Array.from(data); // nobody shares memory over a bus
    entry.travelling += 1;
    this.#carry(from, entry.peer, () => {
      entry.travelling -= 1;
      if (!entry.dropped && entry.peer.connected) entry.peer.deliver(entry.handler, subject, bytes, reply);
      if (entry.travelling === 0) entry.onIdle?.();
    });
  }

  /** Every plain subscriber, in order of subscription, and one member of each queue group, by its name alone. */
  #receivers(subject: string): Entry[] {
    const tokens = subject.split('.');
    const groups = new Map<string, Entry[]>();
    const chosen: Entry[] = [];
    for (const entry of this.#entries) {
      if (!entry.peer.connected || !matches(entry.tokens, tokens)) continue;
      if (entry.queue === undefined) {
        chosen.push(entry);
        continue;
      }
      const group = groups.get(entry.queue);
      if (group) group.push(entry);
      else groups.set(entry.queue, [entry]);
    }
    for (const [queue, group] of groups) chosen.push(group[this.#pick(queue, group.length)]!);
    return chosen;
  }

  #pick(queue: string, size: number): number {
    if (this.#random) return Math.floor(this.#random() * size);
    const turn = this.#turns.get(queue) ?? 0;
    this.#turns.set(queue, turn + 1);
    return turn % size;
  }

  /** Messages from one peer to another never overtake each other. */
  #carry(from: Peer, to: Peer, deliver: () => void): void {
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

/** NATS matching: `*` is one token, a final `>` is one or more. */
export function matches(pattern: string[], subject: string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '>') return i < subject.length;
    if (i >= subject.length || (pattern[i] !== '*' && pattern[i] !== subject[i])) return false;
  }
  return pattern.length === subject.length;
}
