/** The bus over NATS. What the client library leaves open on a lost connection is settled here. */
import type { NatsConnection, Subscription as NatsSubscription, Status } from '@nats-io/nats-core';
import { connect, createInbox, errors } from '@nats-io/transport-node';
import { RepriseError } from './errors.ts';
import { assertFits, Mailbox } from './mailbox.ts';
import type { Bus, BusMessage, RequestOptions, Subscription } from './port.ts';

export interface NatsOptions {
  /** `nats://host:port`, several separated by commas. */
  url: string;
  user?: string;
  pass?: string;
  /** Shown by the server's monitoring. */
  name: string;
  /** Hears what handlers throw, and denials that belong to no request. */
  onError?: (error: RepriseError) => void;
  /** How long one attempt to connect may take; default 2,000 ms. */
  connectTimeoutMs?: number;
  /** Subject below which answers arrive; default `_INBOX`. */
  inboxPrefix?: string;
}

/**
 * Liveness: a ping every 500 ms, and three without an answer (2 s) mean that the server is gone. Three,
 * because a busy event loop runs the ping timer before it reads the socket: after a long block one ping looks
 * unanswered although its answer has been lying there, and a single one must not cost the connection.
 */
const PING_INTERVAL_MS = 500;
const PINGS_UNANSWERED = 3;
const RECONNECT_WAIT_MS = 50;
/** How long `close` waits for handlers that are still at work. */
const CLOSE_WAIT_MS = 5_000;

const respondersAbsent = 503;

/**
 * Connects to a NATS server and stays connected: reconnects for ever, with its subscriptions.
 * @throws RepriseError UNAVAILABLE when no server answers, DENIED when it refuses the credentials.
 */
export async function connectBus(options: NatsOptions): Promise<NatsBus> {
  const timeoutMs = options.connectTimeoutMs ?? 2_000;
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers: options.url.split(',').map((url) => url.trim()),
      user: options.user,
      pass: options.pass,
      name: options.name,
      inboxPrefix: options.inboxPrefix,
      timeout: timeoutMs,
      noAsyncTraces: true,
      waitOnFirstConnect: false,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: 10,
      ignoreAuthErrorAbort: true,
      // A local server announces addresses of every network interface: the one we were given is the right one.
      ignoreClusterUpdates: true,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: PINGS_UNANSWERED,
    });
  } catch (cause) {
    if (cause instanceof errors.AuthorizationError) {
      throw new RepriseError('DENIED', `${options.url} refuses these credentials`, { cause });
    }
    throw new RepriseError('UNAVAILABLE', `no nats-server answers at ${options.url}`, {
      cause,
      hint: 'start one with `reprise up`, or set REPRISE_NATS_URL to one that runs',
    });
  }
  return new NatsBus(connection, options);
}

export class NatsBus implements Bus {
  /** The client's connection, for JetStream. */
  readonly connection: NatsConnection;
  readonly #mailbox: Mailbox;
  readonly #onError: (error: RepriseError) => void;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #subscriptions = new Set<NatsSubscription>();
  readonly #working = new Set<Promise<void>>();
  readonly #flushes = new Set<(error: RepriseError) => void>();
  #connected = true;
  #maxPayload: number;
  #inboxDenied: RepriseError | undefined;
  #closing: Promise<void> | undefined;

  constructor(connection: NatsConnection, options: Pick<NatsOptions, 'onError' | 'inboxPrefix'> = {}) {
    this.connection = connection;
    this.#onError = options.onError ?? (() => {});
    this.#maxPayload = connection.info?.max_payload ?? 1024 * 1024;
    this.#mailbox = new Mailbox(createInbox(options.inboxPrefix), startTimer, (thrown) =>
      this.#report(thrown),
    );
    connection.subscribe(this.#mailbox.wildcard, {
      callback: (error, message) => {
        if (error) return; // told by the connection's status, see #watch
        const absent = message.data.byteLength === 0 && message.headers?.code === respondersAbsent;
        this.#mailbox.deliver(new NatsMessage(this, message.subject, message.data, message.reply), absent);
      },
    });
    this.#watch();
  }

  get maxPayload(): number {
    return this.#maxPayload;
  }

  get connected(): boolean {
    return this.#connected;
  }

  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void {
    if (!this.#connected) throw disconnected(`cannot publish to ${subject}`);
    assertFits(subject, data, this.#maxPayload);
    const reply = options?.reply;
    if (reply) {
      if (this.#inboxDenied) throw this.#inboxDenied;
      this.#mailbox.sent(subject, reply);
    }
    this.#send(subject, data, reply);
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: { queue?: string },
  ): Subscription {
    if (this.#closing) throw disconnected('the bus is closed');
    let subscription: NatsSubscription;
    try {
      subscription = this.connection.subscribe(subject, {
        queue: options?.queue,
        callback: (error, message) => {
          if (error) return;
          this.#run(handler, new NatsMessage(this, message.subject, message.data, message.reply));
        },
      });
    } catch (thrown) {
      throw translated(thrown);
    }
    this.#subscriptions.add(subscription);
    return {
      subject,
      unsubscribe: () => {
        if (this.#subscriptions.delete(subscription)) subscription.unsubscribe();
      },
    };
  }

  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    if (!this.#connected) return Promise.reject(disconnected(`cannot ask ${subject}`));
    if (this.#inboxDenied) return Promise.reject(this.#inboxDenied);
    return this.#mailbox.ask(subject, options.timeoutMs, (reply) => {
      assertFits(subject, data, this.#maxPayload);
      this.#send(subject, data, reply);
    });
  }

  inbox(
    handler: (message: BusMessage) => void,
    onNoResponders?: () => void,
    onFailed?: (error: RepriseError) => void,
  ): Subscription {
    return this.#mailbox.open({ onMessage: handler, onNoResponders, onFailed });
  }

  flush(): Promise<void> {
    if (!this.#connected) return Promise.reject(disconnected('cannot flush'));
    return new Promise((resolve, reject) => {
      this.#flushes.add(reject);
      this.connection
        .flush()
        .then(resolve, (cause) => reject(translated(cause)))
        .finally(() => this.#flushes.delete(reject));
    });
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#connected) {
      // Own steps instead of the client's drain: handlers at work may still ask and answer until they end.
      const drained = [...this.#subscriptions].map((subscription) => subscription.drain());
      await within(CLOSE_WAIT_MS, Promise.allSettled(drained));
      await within(CLOSE_WAIT_MS, Promise.allSettled(this.#working));
      if (this.#connected)
        await within(
          CLOSE_WAIT_MS,
          this.flush().catch(() => {}),
        );
    }
    this.#subscriptions.clear();
    await this.connection.close();
    this.#setConnected(false);
  }

  #send(subject: string, data: Uint8Array, reply: string | undefined): void {
    try {
      this.connection.publish(subject, data, reply ? { reply } : undefined);
    } catch (thrown) {
      throw translated(thrown);
    }
  }

  /** A handler may do anything but throw into the client: its reader would end and take the connection along. */
  #run(handler: (message: BusMessage) => void | Promise<void>, message: BusMessage): void {
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
      this.#onError(RepriseError.from(thrown));
    } catch {
      // an error handler that throws has nobody left to tell
    }
  }

  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) this.#heed(status);
  }

  #heed(status: Status): void {
    if (status.type === 'disconnect' || status.type === 'close') {
      this.#setConnected(false);
    } else if (status.type === 'reconnect') {
      this.#maxPayload = this.connection.info?.max_payload ?? this.#maxPayload;
      this.#setConnected(true);
    } else if (status.type === 'error') {
      if (status.error instanceof errors.PermissionViolationError) this.#deny(status.error);
      else this.#report(translated(status.error));
    }
  }

  /** The client lets pending calls wait for their whole time-out when the connection drops; we do not. */
  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    if (!connected) {
      const error = disconnected('the connection to the bus was lost; the outcome is unknown');
      for (const reject of this.#flushes) reject(error);
      this.#mailbox.failAll(error);
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(connected);
      } catch (thrown) {
        this.#report(thrown);
      }
    }
  }

  #deny(violation: InstanceType<typeof errors.PermissionViolationError>): void {
    const error = new RepriseError('DENIED', violation.message, { cause: violation });
    if (violation.operation === 'publish') {
      if (!this.#mailbox.failSent(violation.subject, error)) this.#report(error);
      return;
    }
    if (violation.subject === this.#mailbox.wildcard) {
      this.#inboxDenied = error;
      this.#mailbox.failAll(error);
    }
    this.#report(error);
  }
}

class NatsMessage implements BusMessage {
  readonly #bus: NatsBus;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string;

  constructor(bus: NatsBus, subject: string, data: Uint8Array, reply: string | undefined) {
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

function startTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

function disconnected(what: string): RepriseError {
  return new RepriseError('DISCONNECTED', what);
}

function translated(thrown: unknown): RepriseError {
  if (thrown instanceof RepriseError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof errors.InvalidSubjectError) {
    return new RepriseError('BAD_REQUEST', message, { cause: thrown });
  }
  return new RepriseError('DISCONNECTED', message, { cause: thrown });
}

/** Waits for `work`, but no longer than `limitMs`. */
async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let stop = () => {};
  const limit = new Promise<void>((resolve) => {
    stop = startTimer(resolve, limitMs);
  });
  await Promise.race([work, limit]);
  stop();
}
