/**
 * The storage actor: the only writer of logs and blobs. It holds no truth, so any number of them serve side by
 * side in one queue group.
 *
 * 1. Every request gets exactly one answer, malformed bytes included; nothing a request contains ends the actor.
 * 2. Nothing is served before the store has been looked at: after start, and after each reconnect, requests wait
 *    for `verify`; when it takes long they are told UNAVAILABLE.
 * 3. Different sessions never wait for each other.
 */

import { type Lifecycle, makeLifecycle } from '../actors/role/lifecycle.ts';
import { seqOf } from '../bus/chain.ts';
import { encode } from '../bus/codec.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import { ENVELOPE_BYTES, limitsOf } from '../bus/limits.ts';
import type { BlobGetRequest, BlobKind, BlobPutRequest } from '../bus/operations/blobs.ts';
import type { AppendReply, LoadReply, LoadRequest } from '../bus/operations/logs.ts';
import type { PresenceReply } from '../bus/operations/presence.ts';
import { type Handlers, readRequest } from '../bus/operations/row.ts';
import type { StoreOperation } from '../bus/operations/storage.ts';
import { APPEND, STORE } from '../bus/operations/storage.ts';
import { type Bus, type BusMessage, type Clock, type Subscription, systemClock } from '../bus/port.ts';
import { announce } from '../bus/presence.ts';
import { serve } from '../bus/serving.ts';
import { QUEUES, type Subjects, sessionToken } from '../bus/subjects.ts';
import { Appends } from './appends.ts';
import { BlobParts } from './blob-parts.ts';
import { examine } from './examination.ts';
import { Forks } from './forks.ts';
import { History } from './history.ts';
import { forgetImages } from './named-blobs.ts';
import { Partials, withoutPartial } from './partial.ts';
import type { BlobStore, Log, LogStore } from './ports.ts';
import { Removals } from './removals.ts';
import { SessionIndex } from './session-index.ts';
import { Troubles } from './troubles.ts';

/** What an acknowledged commit survives: `kill -9` of any process, or a power failure too. */
export type Durability = 'process' | 'power';

export interface StoragePorts {
  /** Id of this process on the bus. */
  process: string;
  pid: number;
  version: string;
  bus: Bus;
  subjects: Subjects;
  log: LogStore;
  blobs: BlobStore;
  logger: Log;
  durability: Durability;
  /** Default: this machine's. */
  clock?: Clock;
  /** Looks whether the stores can be used; runs at start and after each reconnect. Default: they always can. */
  verify?: () => Promise<void>;
  /** Largest commit in bytes; default, and at most: what the server's messages allow (`limitsOf`). */
  commitBytesMax?: number;
}

/** How long a request waits for `verify`, ms. */
const GATE_WAIT_MS = 800;

type Handler = (data: Uint8Array, subject: string) => Promise<object>;

/** One storage process on the bus; it serves nothing before `start`. */
export class StorageActor {
  readonly lifecycle: Lifecycle;
  readonly #ports: StoragePorts;
  readonly #appends: Appends;
  readonly #history: History;
  readonly #index: SessionIndex;
  readonly #blobs: BlobParts;
  readonly #removals: Removals;
  readonly #troubles: Troubles;
  readonly #handlers: Handlers<typeof STORE>;
  readonly #counters: Record<string, number> = {};
  readonly #subscriptions: Subscription[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #stopListening: () => void = () => {};
  /** Set while the stores are not verified: requests wait for it. */
  #gate: Promise<void> | null = null;

  constructor(ports: StoragePorts) {
    this.#ports = ports;
    this.lifecycle = makeLifecycle({ role: 'storage', process: ports.process });
    const { log, blobs, logger, clock = systemClock } = ports;
    const forks = new Forks({ log, blobs, clock });
    const partials = new Partials(log, blobs, clock);
    this.#appends = new Appends(
      { log, forks, partials },
      () => this.commitBytesMax,
      () => this.#now(),
    );
    const whole = withoutPartial(log);
    this.#history = new History(whole);
    this.#index = new SessionIndex(whole, (error) => this.#failed(ports.subjects.store('list'), error));
    this.#blobs = new BlobParts(ports.blobs);
    const [parts, index] = [this.#blobs, this.#index];
    this.#troubles = new Troubles(log, blobs, clock);
    this.#removals = new Removals({ log, blobs, parts, index, forks, partials, clock, logger });
    this.#handlers = this.#makeHandlers();
  }

  /** Largest commit taken, bytes. */
  get commitBytesMax(): number {
    const { commitBytes } = limitsOf(this.#ports.bus.maxPayload);
    return Math.min(this.#ports.commitBytesMax ?? commitBytes, commitBytes);
  }

  get #answerBytesMax(): number {
    return limitsOf(this.#ports.bus.maxPayload).contentBytes;
  }

  /**
   * Verifies the stores and serves. Resolves once the server knows the subscriptions.
   * @throws RepriseError of `verify`: the stores cannot be used, nothing is served
   */
  async start(): Promise<void> {
    const { bus, subjects } = this.#ports;
    try {
      await this.#ports.verify?.();
    } catch (thrown) {
      this.#fail(thrown);
      throw thrown;
    }
    const queue = QUEUES.storage;
    const append: Handler = (data, subject) => this.#append(data, subject);
    const store: Handler = (data, subject) => this.#operate(data, subject);
    this.#subscriptions.push(
      serve(bus, subjects.appendAll, (message) => this.#serve(message, append), { queue }),
      serve(bus, subjects.storeAll, (message) => this.#serve(message, store), { queue }),
      ...announce(bus, subjects, () => this.presence()),
    );
    this.#stopListening = bus.onConnection((connected) => this.#onConnection(connected));
    this.lifecycle.send({ type: 'CONNECTED' });
    await bus.flush();
    this.#removals.start();
  }

  /**
   * Answers what has arrived, then stops. `leave` ends the subscriptions in a way that loses nothing already
   * delivered (a bus's `close`); without it they just end.
   */
  async stop(leave?: () => Promise<void>): Promise<void> {
    if (this.lifecycle.state === 'stopped') return;
    this.lifecycle.send({ type: 'DRAIN' });
    this.#stopListening();
    if (leave) await leave();
    else for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    await Promise.allSettled(this.#underWay);
    await this.#removals.stop();
    this.lifecycle.send({ type: 'STOPPED' });
  }

  presence(): PresenceReply & { durability: Durability } {
    const { process, pid, version, durability } = this.#ports;
    const counters = { ...this.#counters };
    return { role: 'storage', process, pid, version, durability, state: this.lifecycle.state, counters };
  }

  /** One request, one answer. The promise never rejects. */
  #serve(message: BusMessage, handler: Handler): Promise<void> {
    const work = this.#answer(message, handler).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
    return work;
  }

  async #answer(message: BusMessage, handler: Handler): Promise<void> {
    this.#count('requests');
    let answer: Uint8Array;
    try {
      if (this.#gate) await this.#verified(this.#gate);
      answer = encode({ ok: true, ...(await handler(message.data, message.subject)) });
      const { maxPayload } = this.#ports.bus;
      if (answer.byteLength > maxPayload) {
        throw new RepriseError('TOO_LARGE', `the answer has ${answer.byteLength} bytes, above ${maxPayload}`);
      }
    } catch (thrown) {
      answer = encode({ ok: false, ...this.#failed(message.subject, thrown).toWire() });
    }
    try {
      message.respond(answer);
    } catch (thrown) {
      this.#failed(message.subject, thrown); // disconnected: the client asks again
    }
  }

  /** Waits for the stores, but not for so long that the client takes this process for dead. */
  async #verified(gate: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new RepriseError('UNAVAILABLE', 'the connection was lost, and the store does not answer yet'));
      }, GATE_WAIT_MS);
    });
    await Promise.race([gate, late]).finally(() => clearTimeout(timer));
  }

  async #append(data: Uint8Array, subject: string): Promise<AppendReply> {
    const limit = this.commitBytesMax + ENVELOPE_BYTES;
    if (data.byteLength > limit) {
      throw new RepriseError('TOO_LARGE', `a commit of ${data.byteLength} bytes; the limit is ${limit}`);
    }
    const request = readRequest(APPEND, data);
    if (this.#ports.subjects.append(request.commit.session) !== subject) {
      throw new RepriseError('BAD_FORMAT', 'commit.session: it is not the session of the subject');
    }
    this.#count('appends');
    try {
      return await this.#appends.append(request);
    } catch (thrown) {
      if (hasCode(thrown, 'NOT_FOUND')) {
        const [parts, index] = [this.#blobs, this.#index];
        await forgetImages(request.commit, { log: this.#ports.log, parts, index });
      }
      throw thrown;
    }
  }

  async #operate(data: Uint8Array, subject: string): Promise<object> {
    const name = subject.slice(this.#ports.subjects.store('').length);
    if (!Object.hasOwn(STORE, name)) {
      throw new RepriseError('BAD_REQUEST', `storage has no operation ${JSON.stringify(name)}`);
    }
    const operation = name as StoreOperation;
    return this.#handlers[operation](readRequest(STORE[operation], data) as never);
  }

  #makeHandlers(): Handlers<typeof STORE> {
    const [history, index, blobs] = [this.#history, this.#index, this.#blobs];
    const get = (kind: BlobKind) => (request: BlobGetRequest) => blobs.get(assertKind(request, kind));
    const put = (kind: BlobKind) => (request: BlobPutRequest) => blobs.put(assertKind(request, kind));
    return {
      load: (request) => this.#load(request),
      read: ({ session, from, to }) => history.read(sessionToken(session), from, to, this.#answerBytesMax),
      scan: ({ session, after = 0 }) => history.scan(sessionToken(session), after, this.#answerBytesMax),
      examine: (request) =>
        examine(request, { log: this.#ports.log, history, removing: () => this.#removals.tokens() }),
      find: async ({ session, commandId, ...within }) => {
        const { events, more } = await history.find(sessionToken(session), commandId, within);
        return { seq: events.length > 0 ? [seqOf(events[0]!), seqOf(events.at(-1)!)] : null, more };
      },
      list: async (request) => index.list(request, await this.#troubles.all(), this.#now()),
      trouble: async (request) => {
        await this.#troubles.note(request);
        return {};
      },
      get: async ({ session, removal }) => ({
        metadata: await index.get(sessionToken(session)),
        ...(removal ? { removal: await this.#removals.progress(sessionToken(session)) } : {}),
      }),
      delete: ({ session }) => this.#delete(sessionToken(session)),
      'blob.get.ckpt': get('ckpt'),
      'blob.put.ckpt': put('ckpt'),
      'blob.get.receipt': get('receipt'),
      'blob.put.receipt': put('receipt'),
      'blob.get.large': get('large'),
      'blob.put.large': put('large'),
    };
  }

  #now(): number {
    return (this.#ports.clock ?? systemClock).now();
  }

  /** A session that is in trouble costs one look at its record, not a replay. */
  async #load({ session, kernel, before, at }: LoadRequest): Promise<LoadReply> {
    const token = sessionToken(session);
    const loading = this.#history.load(token, kernel, this.#answerBytesMax, { before, at });
    loading.catch(() => {});
    const troubled = await this.#troubles.assertWorthTrying(token, kernel);
    const loaded = await loading;
    if (!loaded.last) this.#appends.mayBegin(token);
    return { ...loaded, ...(troubled ? { troubled } : {}) };
  }

  async #delete(token: string): Promise<{ deleted: boolean }> {
    const deleted = await this.#removals.begin(token);
    await this.#troubles.forget(token);
    // Other storage processes find out by themselves: what they remember fails the next compare-and-set.
    this.#appends.forget(token);
    this.#history.forget(token);
    return { deleted };
  }

  #onConnection(connected: boolean): void {
    if (!connected) {
      this.lifecycle.send({ type: 'DISCONNECTED' });
      return;
    }
    const verified = Promise.resolve().then(() => this.#ports.verify?.());
    this.#gate = verified;
    verified.then(
      () => {
        if (this.#gate !== verified) return;
        this.#gate = null;
        this.lifecycle.send({ type: 'CONNECTED' });
      },
      (thrown) => {
        // A connection that is gone again is verified when it is back.
        if (this.#gate === verified && this.#ports.bus.connected) this.#fail(thrown);
      },
    );
  }

  #fail(thrown: unknown): void {
    const error = RepriseError.from(thrown);
    this.#ports.logger.error({ code: error.code, error: error.message, hint: error.hint }, 'storage stops');
    this.lifecycle.send({ type: 'FAILED', error });
    void this.#removals.stop();
  }

  /** Counts and logs a failure. What clients cause by racing each other is only counted. */
  #failed(subject: string, thrown: unknown): RepriseError {
    const error = RepriseError.from(thrown);
    this.#count(`error.${error.code}`);
    if (error.code !== 'FENCED') {
      const facts = { subject, code: error.code, error: error.message, cause: causeOf(error) };
      this.#ports.logger.warn(facts, 'request refused');
    }
    return error;
  }

  #count(name: string): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + 1;
  }
}

/** @throws RepriseError BAD_REQUEST */
function assertKind<T extends { kind: BlobKind }>(request: T, kind: BlobKind): T {
  if (request.kind === kind) return request;
  throw new RepriseError('BAD_REQUEST', `a request for a ${kind} names a ${request.kind}`);
}

function causeOf({ code, cause }: RepriseError): string | undefined {
  return code === 'INTERNAL' && cause instanceof Error ? cause.stack : undefined;
}
