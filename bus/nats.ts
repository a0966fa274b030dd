/** The bus over NATS. What the client library leaves open on a lost connection is settled here. */
import type { Msg, NatsConnection, Subscription as NatsSubscription, Status } from '@nats-io/nats-core';
import { connect, createInbox, errors } from '@nats-io/transport-node';
import {
  ConnectionState,
  connectionLost,
  DeliveredMessage,
  disconnected,
  HandlerRunner,
} from './connection.ts';
import { RepriseError } from './errors.ts';
import { assertFits, assertQueue, assertSubject, Mailbox } from './mailbox.ts';
import { inboxPrefix } from './permissions.ts';
import type { Bus, BusMessage, RequestOptions, Subscription } from './port.ts';
import type { BusRole } from './roles.ts';
import { INBOX } from './serving.ts';

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
  /** What the user of this connection may do: answers arrive where its role may hear them. */
  role?: BusRole;
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

const RESPONDERS_ABSENT = 503;

/**
 * Connects to a NATS server and stays connected: reconnects for ever, with its subscriptions.
 * @throws RepriseError UNAVAILABLE when no server answers, DENIED when it refuses the credentials.
 */
export async function connectBus(options: NatsOptions): Promise<NatsBus> {
  const timeoutMs = options.connectTimeoutMs ?? 2_000;
  const inboxes = options.role === undefined ? INBOX : inboxPrefix(options.role, options.user);
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers: options.url.split(',').map((url) => url.trim()),
      user: options.user,
      pass: options.pass,
      name: options.name,
      inboxPrefix: inboxes,
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
  return new NatsBus(connection, { onError: options.onError, inboxes });
}

/** One connection to a nats-server; made by `connectBus`. */
export class NatsBus implements Bus {
  /** The client's connection, for JetStream. */
  readonly connection: NatsConnection;
  /** Subject below which answers arrive. */
  readonly inboxes: string;
  readonly #mailbox: Mailbox;
  readonly #handlers: HandlerRunner;
  readonly #state: ConnectionState;
  readonly #subscriptions = new Set<NatsSubscription>();
  readonly #flushes = new Set<(error: RepriseError) => void>();
  #maxPayload: number;
  /** Messages of this turn of the event loop that go out at its end. */
  #gathered: { subject: string; data: Uint8Array; reply: string | undefined }[] = [];
  #gathering = false;
  /** The turn before had more than one message: this one probably has, too. */
  #isBusy = false;
  #inboxDenied: RepriseError | undefined;
  #closing: Promise<void> | undefined;

  constructor(connection: NatsConnection, options: Pick<NatsOptions, 'onError'> & { inboxes?: string } = {}) {
    this.connection = connection;
    this.inboxes = options.inboxes ?? INBOX;
    this.#handlers = new HandlerRunner(options.onError);
    const report = (thrown: unknown) => this.#handlers.report(thrown);
    this.#state = new ConnectionState(report);
    this.#maxPayload = connection.info?.max_payload ?? 1024 * 1024;
    this.#mailbox = new Mailbox(createInbox(this.inboxes), startTimer, report);
    connection.subscribe(this.#mailbox.wildcard, {
      callback: (error, message) => {
        if (error) return; // told by the connection's status, see #watch
        this.#mailbox.deliver(
          new DeliveredMessage(this, message.subject, message.data, message.reply),
          saysNobody(message),
        );
      },
    });
    this.#watch();
  }

  get maxPayload(): number {
    return this.#maxPayload;
  }

  get connected(): boolean {
    return this.#state.connected;
  }

  publish(subject: string, data: Uint8Array, options?: { reply?: string }): void {
    if (!this.connected) throw disconnected(`cannot publish to ${subject}`);
    assertSubject(subject, 'publish');
    assertFits(subject, data, this.#maxPayload);
    const reply = options?.reply;
    if (reply) {
      assertSubject(reply, 'publish');
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
    assertSubject(subject, 'subscribe');
    assertQueue(options?.queue);
    let subscription: NatsSubscription;
    try {
      subscription = this.connection.subscribe(subject, {
        queue: options?.queue,
        callback: (error, message) => {
          if (error || saysNobody(message)) return;
          // a handler must not throw into the client: its reader would end and take the connection along
          this.#handlers.run(
            handler,
            new DeliveredMessage(this, message.subject, message.data, message.reply),
          );
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
    if (!this.connected) return Promise.reject(disconnected(`cannot ask ${subject}`));
    if (this.#inboxDenied) return Promise.reject(this.#inboxDenied);
    return this.#mailbox.ask(subject, options.timeoutMs, (reply) => {
      assertSubject(subject, 'publish');
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
    if (!this.connected) return Promise.reject(disconnected('cannot flush'));
    this.#release();
    return new Promise((resolve, reject) => {
      this.#flushes.add(reject);
      this.connection
        .flush()
        .then(resolve, (cause) => reject(translated(cause)))
        .finally(() => this.#flushes.delete(reject));
    });
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#state.listen(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.connected) {
      // Own steps instead of the client's drain: handlers at work may still ask and answer until they end.
      const drained = [...this.#subscriptions].map((subscription) => subscription.drain());
      await within(CLOSE_WAIT_MS, Promise.allSettled(drained));
      await within(CLOSE_WAIT_MS, this.#handlers.settled());
      if (this.connected)
        await within(
          CLOSE_WAIT_MS,
          this.flush().catch(() => {}),
        );
    }
    this.#subscriptions.clear();
    await this.connection.close();
    this.#lost();
  }

  /**
   * The first message of a turn of the event loop goes out at once, those that follow in the same turn go
   * together at its end: a write to the socket costs more than all else about a message. When the turn before
   * had several, the first one waits for the others, too.
   */
  #send(subject: string, data: Uint8Array, reply: string | undefined): void {
    if (!this.#gathering) {
      this.#gathering = true;
      setImmediate(() => this.#release());
      if (!this.#isBusy) {
        this.#write(subject, data, reply);
        return;
      }
    }
    this.#gathered.push({ subject, data, reply });
  }

  #release(): void {
    const gathered = this.#gathered.splice(0);
    this.#isBusy = gathered.length > (this.#isBusy ? 1 : 0);
    this.#gathering = false;
    for (const { subject, data, reply } of gathered) {
      try {
        this.#write(subject, data, reply);
      } catch (thrown) {
        const error = translated(thrown);
        if (!reply || !this.#mailbox.failSent(subject, error)) this.#handlers.report(error);
      }
    }
  }

  #write(subject: string, data: Uint8Array, reply: string | undefined): void {
    try {
      this.connection.publish(subject, data, reply ? { reply } : undefined);
    } catch (thrown) {
      throw translated(thrown);
    }
  }

  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) this.#heed(status);
  }

  #heed(status: Status): void {
    if (status.type === 'disconnect' || status.type === 'close') {
      this.#lost();
    } else if (status.type === 'reconnect') {
      this.#maxPayload = this.connection.info?.max_payload ?? this.#maxPayload;
      this.#state.set(true, () => {});
    } else if (status.type === 'error') {
      if (status.error instanceof errors.PermissionViolationError) this.#deny(status.error);
      else this.#handlers.report(translated(status.error));
    }
  }

  /** The client lets pending calls wait for their whole time-out when the connection drops; we do not. */
  #lost(): void {
    this.#state.set(false, () => {
      // Whoever sent these is told now; they must not go out after a reconnect.
      this.#gathered = [];
      const error = connectionLost();
      for (const reject of this.#flushes) reject(error);
      this.#mailbox.failAll(error);
    });
  }

  #deny(violation: InstanceType<typeof errors.PermissionViolationError>): void {
    const error = new RepriseError('DENIED', violation.message, { cause: violation });
    if (violation.operation === 'publish') {
      if (!this.#mailbox.failSent(violation.subject, error)) this.#handlers.report(error);
      return;
    }
    if (violation.subject === this.#mailbox.wildcard) {
      this.#inboxDenied = error;
      this.#mailbox.failAll(error);
    }
    this.#handlers.report(error);
  }
}

/** The server's word that nobody is subscribed where a message with this reply subject went. */
function saysNobody(message: Msg): boolean {
  return message.data.byteLength === 0 && message.headers?.code === RESPONDERS_ABSENT;
}

function startTimer(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
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
