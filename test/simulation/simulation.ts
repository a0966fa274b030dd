/**
 * A whole system in one process on virtual time: workers, storage actors, LLM actors and clients, with faults drawn
 * from a seed. The same seed gives the same run.
 */

import { SessionClient } from '../../bus/client/client.ts';
import { encode } from '../../bus/codec.ts';
import { limitsOf } from '../../bus/limits.ts';
import { type MemoryBus, type MemoryHub, makeMemoryBus } from '../../bus/memory.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { largeStore } from '../kit/large-store.ts';
import type { VirtualClock } from '../kit/virtual-clock.ts';
import { ANCIENT, assertCheapPast, COMMANDS_MAX, writeAncient } from './ancient.ts';
import { assertLog, assertReplies } from './checks.ts';
import { type Kernels, toyKernels } from './kernels.ts';
import {
  type ProcessPorts,
  type Role,
  type SimProcess,
  startLlmProcess,
  startStorageProcess,
  startWorkerProcess,
  subjects,
} from './processes.ts';
import { between, makeRandom, pick, type Random, weighted } from './random.ts';
import { assertTornLogs, type TornSystem } from './torn.ts';
import { type Memories, makeMemories, runClient } from './workload.ts';

export interface SimulationOptions {
  seed: number;
  /** How long faults happen, ms of virtual time. */
  chaosMs?: number;
  clients?: number;
  /** Commands of the session with the longest past, at most. */
  pastMost?: number;
  /** Nothing fails: every command is answered in its time. */
  calm?: boolean;
  /** Default: toys. */
  kernels?: Kernels;
  /** Hears what happens. */
  trace?: (line: string) => void;
}

const WORKERS = 3;
/** What the server's messages take: nats-server's own default. */
const PAYLOAD_BYTES = 1024 * 1024;
const SESSIONS = ['s0', 's1', 's2', 's3', ANCIENT, 'mortal0', 'mortal1', 'brief0'];
/** How long the system may take to come to rest when nothing harms it any more, ms of virtual time. */
const REST_MS = 90_000;

/** Runs a seed. @throws Error that says what did not hold */
export async function simulate(options: SimulationOptions): Promise<Memories> {
  const simulation = new Simulation(options);
  return simulation.run();
}

class Simulation {
  readonly #random: Random;
  readonly #kernels: Kernels;
  readonly #clock: VirtualClock;
  readonly #hub: MemoryHub;
  readonly #ports: ProcessPorts;
  readonly #stores = { log: new MemoryLog(), blobs: new MemoryBlobs() };
  readonly #memories = makeMemories();
  /** Those there are from the beginning, and their forks. */
  readonly #sessions = [...SESSIONS];
  readonly #trace: (line: string) => void;
  readonly #options: SimulationOptions;
  #processes: SimProcess[] = [];
  readonly #ever: SimProcess[] = [];
  readonly #clients: MemoryBus[] = [];
  #started = 0;
  #harming: boolean;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#trace = options.trace ?? (() => {});
    this.#random = makeRandom(options.seed);
    this.#harming = !options.calm;
    this.#kernels = options.kernels ?? toyKernels();
    this.#clock = this.#kernels.makeClock();
    const random = this.#random;
    this.#hub = makeMemoryBus({
      clock: this.#clock,
      random,
      maxPayload: PAYLOAD_BYTES,
      latency: () => (this.#harming && random() < 0.02 ? between(random, 0, 400) : between(random, 0, 2)),
      copies: (_from, _to, subject) => this.#copies(subject),
    });
    this.#ports = { hub: this.#hub, clock: this.#clock, random, kernels: this.#kernels, trace: this.#trace };
  }

  /** Some messages are lost or come twice. */
  #copies(subject: string): number {
    if (!this.#harming) return 1;
    const luck = this.#random();
    // An answer is lost only together with the connection of whoever waits for it, and that one is told.
    if (luck < 0.005) return subject.startsWith('_INBOX') ? 1 : 0;
    return luck < 0.01 ? 2 : 1;
  }

  async run(): Promise<Memories> {
    const { chaosMs = 4_000, clients: count = 4, pastMost: commandsMax = COMMANDS_MAX } = this.#options;
    const past = {
      ...this.#stores,
      kernels: this.#kernels,
      random: this.#random,
      clock: this.#clock,
      commandsMax,
    };
    this.#memories.executions.push(...(await writeAncient(past)));
    for (const role of ['storage', 'storage', 'llm'] as const) await this.#start(role);
    for (let i = 0; i < WORKERS; i++) await this.#start('worker');
    const clients = Array.from({ length: count }, (_, index) => this.#client(`c${index}`));
    let over = false;
    const work = clients.map((client, index) =>
      runClient({
        client,
        random: makeRandom(this.#options.seed * 1_000 + index),
        clock: this.#clock,
        sessions: this.#sessions,
        memories: this.#memories,
        id: `c${index}`,
        cell: this.#kernels.cell,
        calm: this.#options.calm ?? false,
        isOver: () => over,
      }),
    );
    const end = this.#clock.now() + chaosMs;
    while (this.#clock.now() < end) {
      await this.#clock.advance(between(this.#random, 5, 250));
      if (this.#harming) await this.#harm();
    }
    this.#harming = false;
    over = true;
    await this.#heal();
    await this.#within('clients come to rest', Promise.all(work));
    await this.#check(this.#client('checker'));
    const reader = this.#client('reader');
    const cheap = assertCheapPast({ ...this.#stores, kernels: this.#kernels }, reader, () => this.#restart());
    await this.#within('the past costs nothing', cheap);
    await reader.disconnect();
    await this.#tear(this.#client('tearer'));
    await this.#end([...clients]);
    return this.#memories;
  }

  /** Every session answers, every log is whole, and nobody was told anything else. */
  async #check(client: SessionClient): Promise<void> {
    const { surprises } = this.#memories;
    if (surprises.length > 0) throw new Error(`clients were surprised: ${surprises.join('; ')}`);
    for (const session of this.#sessions) {
      const last = client.execute(session, this.#kernels.cell([['inc']]), {
        commandId: `last-${session}`,
        waitMs: 60_000,
      });
      const outcome = last.then(
        () => 'ok',
        (error) => error.code as string,
      );
      const code = await this.#within(`an answer of ${session}`, outcome);
      const expected = code === 'ok' || (code === 'CLOSED' && this.#memories.closed.has(session));
      if (!expected) this.#dump(session);
      if (!expected) throw new Error(`${session} is unusable: ${code}`);
    }
    const { contentBytes } = limitsOf(PAYLOAD_BYTES);
    const stored = {
      ...this.#stores,
      large: largeStore(this.#stores.blobs, contentBytes),
      contentBytes,
      kernels: this.#kernels,
    };
    const logs = new Map<string, Awaited<ReturnType<typeof assertLog>>>();
    for (const session of this.#sessions) {
      const events = await this.#within(`log of ${session}`, assertLog(stored, client, session));
      if (!session.startsWith('brief')) logs.set(session, events);
    }
    const lasting = <T>(items: T[], session: (item: T) => string) =>
      items.filter((item) => !session(item).startsWith('brief'));
    const { executions, repeats, inspections, notes } = this.#memories;
    await assertReplies(stored, logs, {
      ...this.#memories,
      executions: lasting(executions, ({ session }) => session),
      repeats: lasting(repeats, ({ execution }) => execution.session),
      inspections: lasting(inspections, ({ session }) => session),
      notes: lasting(notes, ({ session }) => session),
    });
    await client.disconnect();
  }

  /** Somebody tampers with the logs of sessions that are at rest. */
  async #tear(client: SessionClient): Promise<void> {
    await this.#clock.advance(REST_MS);
    const open = SESSIONS.filter((session) => !this.#memories.closed.has(session));
    const restart = () => this.#restart();
    const { log } = this.#stores;
    const within: TornSystem['within'] = (what, work) => this.#within(what, work);
    await assertTornLogs(
      { log, cell: this.#kernels.cell, client, random: this.#random, trace: this.#trace, within, restart },
      open,
    );
    await client.disconnect();
  }

  /** Everything stops; no timer may be left. */
  async #end(clients: SessionClient[]): Promise<void> {
    const stopping = [
      ...clients.map((client) => client.disconnect()),
      ...this.#processes.map((process) => process.stop()),
    ];
    await this.#within('everything stops', Promise.all(stopping));
    await this.#clock.advance(1_000);
    const left = this.#ever
      .filter(({ clock }) => clock.pending > 0)
      .map(({ id, clock }) => `${id}: ${clock.pending}`);
    if (this.#clock.pending > 0) throw new Error(`${this.#clock.pending} timers are left: ${left}`);
  }

  #dump(session: string): void {
    for (const { id, worker, state } of this.#processes) {
      const instance = worker?.sessions.pool.get(session);
      if (instance) {
        this.#trace(
          `${id} (${state}): ${session} is ${instance.state} ${JSON.stringify(instance.getState())}`,
        );
      }
    }
  }

  #client(id: string): SessionClient {
    let ids = 0;
    const bus = this.#hub.connect(id);
    this.#clients.push(bus);
    return new SessionClient({
      bus,
      subjects,
      clock: this.#clock,
      newId: () => `${id}-own-${++ids}`,
    });
  }

  async #start(role: Role): Promise<void> {
    const id = `${role}-${++this.#started}`;
    this.#trace(`${this.#clock.now()} start ${id}`);
    const starting =
      role === 'worker'
        ? startWorkerProcess(id, this.#ports)
        : role === 'llm'
          ? startLlmProcess(id, this.#ports)
          : startStorageProcess(id, this.#ports, this.#stores);
    const process = await starting;
    this.#processes.push(process);
    this.#ever.push(process);
  }

  /** One fault, or none. */
  async #harm(): Promise<void> {
    const random = this.#random;
    const what = weighted(random, {
      nothing: 4,
      kill: 3,
      freeze: 3,
      thaw: 3,
      server: 1,
      force: 4,
      stop: 1,
      crash: 1.5,
    });
    const victim = pick(
      random,
      this.#processes.filter(({ role }) => role === 'worker' || random() < 0.5),
    );
    if (!victim) return;
    this.#trace(`${this.#clock.now()} ${what} ${victim.id}`);
    if (what === 'kill') await this.#kill(victim);
    else if (what === 'freeze') victim.freeze();
    else if (what === 'thaw') this.#thaw();
    else if (what === 'server') this.#restartServer();
    else if (what === 'crash') victim.kernel?.crash();
    else if (what === 'stop' && victim.role === 'worker' && victim.state === 'running') {
      this.#processes = this.#processes.filter((one) => one !== victim);
      await this.#start('worker');
      void victim.stop();
    } else if (what === 'force' && victim.role === 'worker') this.#force(victim.id);
  }

  /** As kill -9, and the supervisor starts another one. */
  async #kill(victim: SimProcess): Promise<void> {
    victim.kill();
    this.#processes = this.#processes.filter((one) => one !== victim);
    await this.#start(victim.role);
  }

  /** Nobody is left that remembers anything of a session. */
  async #restart(): Promise<void> {
    for (const process of [...this.#processes]) if (process.role !== 'llm') await this.#kill(process);
  }

  #thaw(): void {
    for (const process of this.#processes) {
      if (process.state !== 'frozen') continue;
      this.#trace(`${this.#clock.now()} thaw ${process.id}`);
      process.thaw();
      if (!process.bus.connected) process.bus.reconnect();
    }
  }

  /** Everybody is disconnected, and comes back one by one. */
  #restartServer(): void {
    const back = (bus: MemoryBus, isThere = () => true) =>
      this.#clock.setTimer(() => isThere() && bus.reconnect(), between(this.#random, 1, 100));
    for (const process of this.#processes) {
      process.bus.disconnect();
      // One that was frozen or killed by then does not come back by itself.
      if (process.state !== 'frozen') back(process.bus, () => process.state === 'running');
    }
    for (const bus of this.#clients) {
      bus.disconnect();
      back(bus);
    }
  }

  /** A worker is made to own a session, whoever owns it. */
  #force(worker: string): void {
    const bus = this.#hub.connect('force');
    const session = pick(this.#random, SESSIONS);
    const data = encode({ session });
    bus
      .request(subjects.activateAt(worker), data, { timeoutMs: 500 })
      .catch(() => {})
      .finally(() => bus.close());
  }

  async #heal(): Promise<void> {
    this.#thaw();
    const buses = [...this.#clients, ...this.#processes.map(({ bus }) => bus)];
    for (const bus of buses) if (!bus.connected) bus.reconnect();
  }

  /** Lets time pass until `work` is done. */
  async #within<T>(what: string, work: Promise<T>): Promise<T> {
    const end = this.#clock.now() + REST_MS;
    let settled = false;
    const watched = work.finally(() => {
      settled = true;
    });
    watched.catch(() => {});
    await this.#clock.advance(0);
    while (!settled) {
      if (this.#clock.now() > end) throw new Error(`not within ${REST_MS} ms: ${what}`);
      await this.#clock.advance(10);
    }
    return watched;
  }
}
