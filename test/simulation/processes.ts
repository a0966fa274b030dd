/** A simulated machine: processes on one bus and one clock that can be killed, frozen and woken. */

import { makeLlmActor } from '../../actors/llm/actor.ts';
import { makeEcho } from '../../actors/llm/echo.ts';
import { RETRY_DEFAULT } from '../../actors/llm/retry.ts';
import type { Log } from '../../actors/timeline/ports.ts';
import { Worker } from '../../actors/worker/worker.ts';
import type { MemoryBus, MemoryHub } from '../../bus/memory.ts';
import type { Clock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { Commit } from '../../bus/types.ts';
import { StorageActor } from '../../storage/actor.ts';
import type { BlobStore, LogStore } from '../../storage/ports.ts';
import type { Kernels, SimKernel } from './kernels.ts';

export const subjects = makeSubjects('sim');
export const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Time as one process sees it: it stands still while the process is frozen, and ends with it. */
export class ProcessClock implements Clock {
  readonly #base: Clock;
  readonly #skewMs: number;
  readonly #timers = new Set<{ cancel(): void }>();
  #held: (() => void)[] | null = null;
  #dead = false;

  constructor(base: Clock, skewMs: number) {
    this.#base = base;
    this.#skewMs = skewMs;
  }

  now(): number {
    return this.#base.now() + this.#skewMs;
  }

  setTimer(callback: () => void, delayMs: number): { cancel(): void } {
    if (this.#dead) return { cancel() {} };
    let cancelled = false;
    const timer = this.#base.setTimer(() => {
      this.#timers.delete(handle);
      if (cancelled || this.#dead) return;
      if (this.#held) this.#held.push(() => !cancelled && callback());
      else callback();
    }, delayMs);
    const handle = {
      cancel: () => {
        cancelled = true;
        timer.cancel();
        this.#timers.delete(handle);
      },
    };
    this.#timers.add(handle);
    return handle;
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  kill(): void {
    this.#dead = true;
    this.#held = null;
    for (const timer of [...this.#timers]) timer.cancel();
  }

  freeze(): void {
    this.#held ??= [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const callback of held) if (!this.#dead) this.#base.setTimer(() => this.#dead || callback(), 0);
  }
}

export interface ProcessPorts {
  hub: MemoryHub;
  clock: Clock;
  random: () => number;
  kernels: Kernels;
  /** Hears what the processes log. */
  trace: (line: string) => void;
}

export type Role = 'worker' | 'storage' | 'llm';

/** One process: what it is does not matter to the faults. */
export class SimProcess {
  readonly role: Role;
  readonly id: string;
  readonly clock: ProcessClock;
  readonly bus: MemoryBus;
  state: 'running' | 'frozen' | 'dead' = 'running';
  stop: () => Promise<void> = async () => {};
  kernel: SimKernel | null = null;
  worker: Worker | null = null;

  constructor(role: Role, id: string, { hub, clock, random }: ProcessPorts) {
    this.role = role;
    this.id = id;
    this.clock = new ProcessClock(clock, Math.floor(random() * 400) - 200);
    this.bus = hub.connect(id, { clock: this.clock });
  }

  kill(): void {
    this.state = 'dead';
    void this.kernel?.close();
    this.clock.kill();
    this.bus.freeze();
    this.bus.disconnect();
  }

  freeze(): void {
    this.state = 'frozen';
    this.clock.freeze();
    this.bus.freeze();
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'running';
    this.clock.thaw();
    this.bus.thaw();
  }
}

function tracing({ trace, clock }: ProcessPorts, id: string): Log {
  const log = (facts: object, message: string) =>
    trace(`${clock.now()} ${id} ${message} ${JSON.stringify(facts)}`);
  return { debug: log, info: log, warn: log, error: log };
}

/** A store that takes its time, so that its process can die before or after a write. */
export function slowLog(log: LogStore, clock: Clock, random: () => number): LogStore {
  const pause = (maxMs: number) =>
    new Promise<void>((resolve) => clock.setTimer(resolve, Math.floor(random() * maxMs)));
  return {
    async append(commit: Commit, expected: number, bytes?: Uint8Array) {
      await pause(4);
      const stored = await log.append(commit, expected, bytes);
      await pause(4);
      return stored;
    },
    async last(token) {
      await pause(2);
      return log.last(token);
    },
    at: (token, positions) => log.at(token, positions),
    holds: (token) => log.holds(token),
    scan: (token, after, limit) => log.scan(token, after, limit),
    index: () => log.index(),
    bury: (token, expected) => log.bury(token, expected),
    grave: (token, position) => log.grave(token, position),
    end: (token) => log.end(token),
    count: (token) => log.count(token),
    purge: (token, before) => log.purge(token, before),
    remove: (token) => log.remove(token),
    close: () => log.close(),
  };
}

export async function startWorkerProcess(id: string, ports: ProcessPorts): Promise<SimProcess> {
  const { random } = ports;
  const process = new SimProcess('worker', id, ports);
  const { clock, bus } = process;
  const kernel = ports.kernels.make(clock, () => Math.floor(random() * 3));
  let ids = 0;
  const worker = new Worker({
    id,
    pid: 1,
    version: '0',
    bus,
    subjects,
    clock,
    kernel,
    log: tracing(ports, id),
    newId: () => `${id}-${++ids}`,
    random,
    residency: { maxSessions: 3, parkAfterMs: 300, passivateAfterMs: 1_500 },
  });
  process.kernel = kernel;
  process.worker = worker;
  process.stop = async () => {
    await worker.stop(0);
    await kernel.close();
    await bus.close();
  };
  await worker.start();
  return process;
}

export async function startStorageProcess(
  id: string,
  ports: ProcessPorts,
  stores: { log: LogStore; blobs: BlobStore },
): Promise<SimProcess> {
  const process = new SimProcess('storage', id, ports);
  const { clock, bus } = process;
  const actor = new StorageActor({
    process: id,
    pid: 1,
    version: '0',
    bus,
    subjects,
    log: slowLog(stores.log, clock, ports.random),
    blobs: stores.blobs,
    logger: silent,
    clock,
    durability: 'process',
  });
  process.stop = () => actor.stop(() => bus.close());
  await actor.start();
  return process;
}

export async function startLlmProcess(id: string, ports: ProcessPorts): Promise<SimProcess> {
  const process = new SimProcess('llm', id, ports);
  const { clock, bus } = process;
  const echo = makeEcho(clock);
  const actor = makeLlmActor({
    process: id,
    pid: 1,
    version: '0',
    bus,
    subjects,
    clock,
    random: ports.random,
    route: (model) => ({ provider: echo, model: model ?? 'echo' }),
    retry: RETRY_DEFAULT,
    concurrency: 8,
    log: silent,
  });
  process.stop = async () => {
    await actor.stop(0);
    await bus.close();
  };
  await actor.start();
  return process;
}
