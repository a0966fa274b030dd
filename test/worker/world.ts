/** A worker with a real kernel, storage on the memory bus, and a client: a whole system in one process. */
import { randomUUID } from 'node:crypto';
import type { EffectKind } from '../../actors/effects/kind.ts';
import { callsOf, KINDS } from '../../actors/effects/kinds.ts';
import { type KernelHostOptions, makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { makeEcho } from '../../actors/llm/echo.ts';
import { makeReceipts } from '../../actors/llm/receipts.ts';
import { parseRequest } from '../../actors/llm/request.ts';
import type { SessionSettings } from '../../actors/session/ports.ts';
import type { ResidencySettings } from '../../actors/worker/session-manager.ts';
import { Worker } from '../../actors/worker/worker.ts';
import { SessionClient } from '../../bus/client/client.ts';
import { decode, encode } from '../../bus/codec.ts';
import { type MemoryBus, makeMemoryBus } from '../../bus/memory.ts';
import type { LlmCall } from '../../bus/operations/models.ts';
import { type Bus, systemClock } from '../../bus/port.ts';
import { makeSubjects, QUEUES } from '../../bus/subjects.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { StorageActor } from '../../storage/actor.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';

export const subjects = makeSubjects('reprise');
const silent = { debug() {}, info() {}, warn() {}, error() {} };

export interface WorkerOptions {
  settings?: Partial<SessionSettings>;
  residency?: Partial<ResidencySettings>;
  kernel?: KernelHostOptions;
  /** Kinds of effects; default: those there are. */
  kinds?: readonly EffectKind[];
}

export class World implements AsyncDisposable {
  readonly hub = makeMemoryBus({ maxPayload: 8 * 1024 * 1024 });
  readonly log = new MemoryLog();
  readonly blobs = new MemoryBlobs();
  readonly workers: { worker: Worker; kernel: KernelHost; bus: MemoryBus }[] = [];
  /** Model calls that were made, by receipt key. */
  readonly calls: string[] = [];
  /** What workers warned of. */
  readonly warnings: { [fact: string]: unknown; message: string }[] = [];
  client!: SessionClient;
  #storage: StorageActor | undefined;
  #storages = 0;

  async start(): Promise<this> {
    await this.startStorage();
    this.#serveModels(this.hub.connect('llm'));
    this.client = new SessionClient({ bus: this.hub.connect('client'), subjects });
    return this;
  }

  /** Another storage process in the place of the one before: it remembers nothing. */
  async startStorage(): Promise<void> {
    const { log, blobs } = this;
    const ports = {
      process: 'storage.1',
      pid: 1,
      version: '0',
      subjects,
      logger: silent,
      durability: 'process',
    } as const;
    await this.#storage?.stop();
    this.#storages += 1;
    const bus = this.hub.connect(`storage-${this.#storages}`);
    this.#storage = new StorageActor({ bus, log, blobs, ...ports });
    await this.#storage.start();
  }

  /** A model behind the real protocol: echo, every call counted. */
  #serveModels(bus: Bus): void {
    const echo = makeEcho(systemClock);
    bus.subscribe(
      subjects.llm,
      async (message) => {
        const { receiptKey, large, scope, request: inline } = decode(message.data) as LlmCall;
        this.calls.push(receiptKey);
        const { signal } = new AbortController();
        const store = makeReceipts(bus, subjects, systemClock, 1_000).large(signal);
        const request = large ? (decode(await store.getLarge(scope!, large)) as typeof inline) : inline;
        const refused = (error: Error) => ({
          response: '',
          model: 'echo',
          error: { name: 'LLMError', message: error.message, code: 'PROVIDER' },
        });
        const answer = await echo
          .call({ ...parseRequest(request), model: 'echo' }, { signal, idempotencyKey: receiptKey })
          .catch(refused);
        message.respond(encode({ ok: true, ...answer }));
      },
      { queue: QUEUES.llm },
    );
  }

  async addWorker(options: WorkerOptions = {}): Promise<Worker> {
    const id = `worker-${this.workers.length + 1}`;
    const bus = this.hub.connect(id);
    const kernel = await makeKernelHost({
      threads: 1,
      instances: 8,
      calls: callsOf(options.kinds ?? KINDS),
      ...options.kernel,
    });
    const worker = new Worker({
      id,
      pid: 1,
      version: '0',
      bus,
      subjects,
      clock: systemClock,
      kernel,
      kinds: options.kinds,
      log: { ...silent, warn: (facts, message) => this.warnings.push({ ...facts, message }) },
      newId: randomUUID,
      // Checkpoints when a test asks, not when this machine was slow.
      settings: { softReplayMs: 1e9, hardReplayMs: 1e9, ...options.settings },
      residency: { maxSessions: 100, parkAfterMs: 60_000, passivateAfterMs: 600_000, ...options.residency },
    });
    await worker.start();
    this.workers.push({ worker, kernel, bus });
    return worker;
  }

  /** As kill -9: the worker vanishes from the bus, nothing is saved. */
  async kill(worker: Worker): Promise<void> {
    const index = this.workers.findIndex((one) => one.worker === worker);
    const [killed] = this.workers.splice(index, 1);
    killed!.bus.disconnect();
    await killed!.kernel.close();
    // What a dead process would not do either: its timers must not outlive the test.
    for (const instance of worker.sessions.pool.getAll()) instance.retire();
    await worker.stop(0);
  }

  async events(session: string): Promise<SessionEvent[]> {
    const events: SessionEvent[] = [];
    for await (const event of this.client.events(session)) events.push(event);
    return events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { worker, kernel, bus } of this.workers) {
      await worker.stop(0);
      await bus.close();
      await kernel.close();
    }
    await this.client.disconnect();
    await this.#storage?.stop();
  }
}

/** A world with one worker. */
export async function startWorld(options: WorkerOptions = {}): Promise<World> {
  const world = await new World().start();
  await world.addWorker(options);
  return world;
}
