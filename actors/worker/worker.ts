/** The worker role: an actor on the bus that owns resident sessions. */
import { encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { LivePrinted } from '../../bus/live.ts';
import { answerLong } from '../../bus/long-call.ts';
import { ANY_WORKER, type AnyWorkerName } from '../../bus/operations/any-worker.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import { readRequest } from '../../bus/operations/row.ts';
import type { SessionRequest } from '../../bus/operations/sessions.ts';
import { SESSION, sessionRequestSchema } from '../../bus/operations/sessions.ts';
import { WORKER } from '../../bus/operations/workers.ts';
import type { Bus, BusMessage, Clock, Subscription } from '../../bus/port.ts';
import { announce } from '../../bus/presence.ts';
import { serve } from '../../bus/serving.ts';
import { StorageClient } from '../../bus/storage-client.ts';
import { normalName, QUEUES, type Subjects, sessionToken } from '../../bus/subjects.ts';
import type { EffectKind } from '../effects/kind.ts';
import { KINDS, kindsByName } from '../effects/kinds.ts';
import { makeEffectRunner } from '../effects/runner.ts';
import type { KernelHost } from '../kernel/port.ts';
import { makeReclaim } from '../kernel/reclaim.ts';
import { type Lifecycle, makeLifecycle } from '../role/lifecycle.ts';
import { DEFAULT_SETTINGS, type SessionSettings } from '../session/ports.ts';
import type { Log } from '../timeline/ports.ts';
import { edit } from './editing.ts';
import { fork } from './forking.ts';
import { assertFree, importLog } from './importing.ts';
import { LOOKS } from './looks.ts';
import { PersistenceManager } from './persistence.ts';
import { PROBES } from './probing.ts';
import { serveRequest } from './requests.ts';
import { type ResidencySettings, SessionManager } from './session-manager.ts';
import { StoreClient } from './store-client.ts';
import { Sweeper } from './sweep.ts';
import { Uploads } from './uploads.ts';

export interface WorkerPorts {
  /** Id of this worker: one subject token. */
  id: string;
  pid: number;
  version: string;
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  kernel: KernelHost;
  log: Log;
  newId(): string;
  settings?: Partial<SessionSettings>;
  residency: ResidencySettings;
  /** Kinds of effects that it performs. */
  kinds?: readonly EffectKind[];
  /** 0 to 1: spreads what workers do from time to time. Default: Math.random */
  random?: () => number;
}

/** Any request to a session: which row it is, it says itself. */
const CMD = { ...SESSION.execute, request: sessionRequestSchema };
const ANY_NAMES = Object.keys(ANY_WORKER) as AnyWorkerName[];
const ANY = { ...LOOKS, ...PROBES, fork, edit };
/** How often is looked which sessions are to be put away. */
const PUT_AWAY_MS = 500;
/** Sessions put away that are worth a collection of garbage. */
const RECLAIM_SESSIONS = 32;

export class Worker {
  readonly sessions: SessionManager;
  readonly persistence: PersistenceManager;
  readonly #ports: WorkerPorts;
  readonly #storage: StorageClient;
  readonly #store: StoreClient;
  readonly #owned = new Map<string, Subscription>();
  readonly #subscriptions: Subscription[] = [];
  readonly #counters: Record<string, number> = {};
  readonly #reclaim = makeReclaim({
    served: () => this.#counters.requests ?? 0,
    worth: RECLAIM_SESSIONS,
  });
  readonly lifecycle: Lifecycle;
  #stopListening: () => void = () => {};
  readonly #sweeper: Sweeper;
  readonly #uploads: Uploads;
  #putAwayTimer: { cancel(): void } | null = null;

  constructor(ports: WorkerPorts) {
    const { bus, subjects, clock, log, kernel, newId, kinds = KINDS } = ports;
    this.#ports = ports;
    this.lifecycle = makeLifecycle({ role: 'worker', process: ports.id });
    this.#storage = new StorageClient({ bus, subjects, clock });
    this.#store = new StoreClient(this.#storage);
    const sessionPorts = {
      worker: ports.id,
      kernel,
      clock,
      log,
      newId,
      store: this.#store,
      effects: makeEffectRunner({ bus, subjects, clock, log, store: this.#store }, kinds),
      kindOf: kindsByName(kinds),
      settings: { ...DEFAULT_SETTINGS, ...ports.settings },
      show: (name: string, printed: LivePrinted) => this.#show(name, printed),
    };
    this.sessions = new SessionManager(sessionPorts, ports.residency, {
      onResident: (name) => this.#own(name),
      onReleased: (name) => this.#disown(name),
    });
    const isOurs = (session: string) => this.sessions.pool.has(session);
    this.#sweeper = new Sweeper({ bus, subjects, clock, log, isOurs, random: ports.random });
    this.#uploads = new Uploads(clock);
    this.persistence = new PersistenceManager(this.sessions, this.#store, log);
  }

  /** Subscribes to everything a worker answers; returns once the server knows. */
  async start(): Promise<void> {
    const { bus, subjects, id } = this.#ports;
    const queue = QUEUES.workers;
    const activate = (message: BusMessage) => this.#onActivate(message);
    this.#subscriptions.push(
      serve(bus, subjects.activate, activate, { queue }),
      serve(bus, subjects.activateAt(id), activate),
      serve(bus, subjects.importAt(id), (message) => this.#onImport(message)),
      ...ANY_NAMES.map((name) =>
        serve(bus, subjects.any(ANY_WORKER[name]), (message) => this.#onAny(name, message), { queue }),
      ),
      ...announce(bus, subjects, () => this.presence()),
    );
    this.#stopListening = bus.onConnection((connected) => {
      this.lifecycle.send({ type: connected ? 'CONNECTED' : 'DISCONNECTED' });
    });
    await bus.flush();
    this.lifecycle.send({ type: 'CONNECTED' });
    this.#putAwayLater();
    this.#sweeper.start();
  }

  /** Parks every session and leaves the bus; the connection itself is the caller's. */
  async stop(graceMs?: number): Promise<void> {
    if (this.#isLeaving) return;
    this.lifecycle.send({ type: 'DRAIN' });
    this.#stopListening();
    this.#putAwayTimer?.cancel();
    this.#sweeper.stop();
    this.#uploads.close();
    for (const subscription of this.#subscriptions.splice(0, 3 + ANY_NAMES.length))
      subscription.unsubscribe();
    await this.sessions.shutdown(graceMs);
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    for (const name of [...this.#owned.keys()]) this.#disown(name);
    this.#storage.close();
    this.lifecycle.send({ type: 'STOPPED' });
  }

  get #isLeaving(): boolean {
    return this.lifecycle.state === 'draining' || this.lifecycle.state === 'stopped';
  }

  presence(): PresenceReply {
    const { id, pid, version } = this.#ports;
    return {
      role: 'worker',
      process: id,
      pid,
      version,
      sessions: this.sessions.pool.size(),
      state: this.lifecycle.state,
      counters: { ...this.#counters },
    };
  }

  #own(name: string): void {
    const { bus, subjects } = this.#ports;
    const subject = subjects.cmd(sessionToken(name));
    this.#owned.set(
      name,
      serve(bus, subject, (message) => this.#onCommand(message, name), { queue: QUEUES.owner }),
    );
  }

  #disown(name: string): void {
    this.#owned.get(name)?.unsubscribe();
    this.#owned.delete(name);
  }

  /** Whoever misses a preview, because the bus is away or slow, sees what is committed. */
  #show(name: string, printed: LivePrinted): void {
    const { bus, subjects } = this.#ports;
    if (bus.connected) bus.publish(subjects.live(sessionToken(name)), encode(printed));
  }

  #onCommand(message: BusMessage, owned: string): Promise<void> {
    return this.#answer(message, async () => {
      const request = readRequest(CMD, message.data);
      assertMeant(request, owned);
      return serveRequest(this.sessions, request);
    });
  }

  #onActivate(message: BusMessage): Promise<void> {
    return this.#answer(message, async () => {
      const { session, request } = readRequest(WORKER.activate, message.data);
      if (request) {
        assertMeant(request, normalName(session));
        return serveRequest(this.sessions, request);
      }
      await this.sessions.getSession(session);
      return encode({ ok: true });
    });
  }

  /** Does what any worker does, beside the session that it is asked of. */
  #onAny(name: AnyWorkerName, message: BusMessage): Promise<void> {
    return this.#answer(message, async () => {
      const request = readRequest(ANY_WORKER[name], message.data);
      const reply = await ANY[name](request as never, this.#lookPorts);
      return encode({ ok: true, ...reply });
    });
  }

  /** Takes a piece of a log; with the last one a session begins. */
  #onImport(message: BusMessage): Promise<void> {
    return this.#answer(message, async () => {
      const request = readRequest(WORKER.importAt, message.data);
      const { session, commandId, piece } = request;
      if (piece === 0) await assertFree(normalName(session), commandId, this.#lookPorts);
      const events = this.#uploads.take(request);
      if (!events) return encode({ ok: true });
      return encode({ ok: true, imported: await importLog(events, request, this.#lookPorts) });
    });
  }

  get #lookPorts() {
    const { kernel, log, clock, newId } = this.#ports;
    return { store: this.#store, kernel, log, clock, newId };
  }

  /** Answers once, with the reply or the failure; failures are counted by code. */
  #answer(message: BusMessage, work: () => Promise<Uint8Array>): Promise<void> {
    const { id, clock, log } = this.#ports;
    const counted = async () => {
      try {
        this.#count('requests');
        return await work();
      } catch (thrown) {
        const error = RepriseError.from(thrown);
        this.#count(`error.${error.code}`);
        if (error.code === 'INTERNAL' || error.code === 'BAD_FORMAT') {
          log.warn({ subject: message.subject, code: error.code, error: error.message }, 'request failed');
        }
        throw error;
      }
    };
    return answerLong(message, id, counted, { clock });
  }

  #count(name: string): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + 1;
  }

  #putAwayLater(): void {
    this.#putAwayTimer = this.#ports.clock.setTimer(() => {
      this.sessions
        .putAway()
        .then((putAway) => this.#reclaim(putAway))
        .catch((error) => this.#ports.log.error({ error: String(error) }, 'sessions could not be put away'))
        .finally(() => {
          if (!this.#isLeaving) this.#putAwayLater();
        });
    }, PUT_AWAY_MS);
  }
}

/**
 * Who asks one session must not reach another one through it.
 * @param session in normal form
 * @throws RepriseError BAD_REQUEST, BAD_NAME
 */
function assertMeant(request: SessionRequest, session: string): void {
  if (request.session === session || normalName(request.session) === session) return;
  const [asked, named] = [session, request.session].map((name) => JSON.stringify(name));
  throw new RepriseError('BAD_REQUEST', `a request to session ${asked} names session ${named}`);
}
