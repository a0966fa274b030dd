/** The kernels that a simulation can run on: the toy one, and the real one in a slower profile. */
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { Clock } from '../../bus/port.ts';
import { makeVirtualClock, type VirtualClock } from '../kit/virtual-clock.ts';
import { programOf } from './programs.ts';
import type { Op } from './toy-heap.ts';
import { ToyKernel } from './toy-kernel.ts';

/** A kernel that can lose all it holds, as when its thread ends. */
export interface SimKernel extends KernelHost {
  crash(): void;
}

export interface Kernels {
  /** Time that stands still while a kernel computes. */
  makeClock(): VirtualClock;
  /** The kernel of a new process. @param hopMs how long the next call takes to reach its thread */
  make(clock: Clock, hopMs?: () => number): SimKernel;
  /** A cell that does this and results in the counter. */
  cell(ops: readonly Op[]): string;
  /** Ends what they share. */
  close(): Promise<void>;
}

export function toyKernels(): Kernels {
  return {
    makeClock: () => makeVirtualClock(),
    make: (clock, hopMs) => new ToyKernel(clock, hopMs),
    cell: (ops) => JSON.stringify(ops),
    close: async () => {},
  };
}

/** Real time that a turn may take while the virtual one stands still: then others go on, to interrupt it, say. */
const STANDSTILL_MS = 40;

/** One host for all processes of a simulation: a process sees its own sessions only. */
export async function realKernels(): Promise<Kernels> {
  const host = await makeKernelHost({ threads: 1 });
  const pace = { computing: 0, done: () => {} };
  const settle = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    for (const until = performance.now() + STANDSTILL_MS; pace.computing > 0; ) {
      const left = until - performance.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        pace.done = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  let made = 0;
  return {
    makeClock: () => makeVirtualClock(undefined, settle),
    make() {
      made += 1;
      return new SharedKernel(host, `kernel-${made}`, pace);
    },
    cell: programOf,
    close: () => host.close(),
  };
}

class SharedKernel implements SimKernel {
  readonly version: string;
  readonly #host: KernelHost;
  readonly #name: string;
  readonly #pace: { computing: number; done: () => void };
  readonly #sessions = new Set<string>();
  #lives = 1;
  #die: (error: RepriseError) => void = () => {};
  #death!: Promise<never>;

  constructor(host: KernelHost, name: string, pace: { computing: number; done: () => void }) {
    this.#host = host;
    this.version = host.version;
    this.#name = name;
    this.#pace = pace;
    this.#live();
  }

  #live(): void {
    this.#death = new Promise((_, reject) => {
      this.#die = reject;
    });
    this.#death.catch(() => {});
  }

  #key(session: string): string {
    return `${this.#name}.${this.#lives}/${session}`;
  }

  async #call<T>(work: Promise<T>): Promise<T> {
    this.#pace.computing += 1;
    const paced = work.finally(() => {
      this.#pace.computing -= 1;
      this.#pace.done();
    });
    paced.catch(() => {});
    return Promise.race([paced, this.#death]);
  }

  open(...[session, from]: Parameters<KernelHost['open']>): Promise<void> {
    this.#sessions.add(session);
    return this.#call(this.#host.open(this.#key(session), from));
  }
  apply(...[session, ...rest]: Parameters<KernelHost['apply']>): ReturnType<KernelHost['apply']> {
    return this.#call(this.#host.apply(this.#key(session), ...rest));
  }
  applyAll(...[session, steps]: Parameters<KernelHost['applyAll']>): ReturnType<KernelHost['applyAll']> {
    return this.#call(this.#host.applyAll(this.#key(session), steps));
  }
  capture(session: string): ReturnType<KernelHost['capture']> {
    return this.#call(this.#host.capture(this.#key(session)));
  }
  inspect(session: string): ReturnType<KernelHost['inspect']> {
    return this.#call(this.#host.inspect(this.#key(session)));
  }
  evaluate(...[session, step]: Parameters<KernelHost['evaluate']>): ReturnType<KernelHost['evaluate']> {
    return this.#call(this.#host.evaluate(this.#key(session), step));
  }
  complete(...[session, ...rest]: Parameters<KernelHost['complete']>): ReturnType<KernelHost['complete']> {
    return this.#call(this.#host.complete(this.#key(session), ...rest));
  }
  park(session: string): Promise<void> {
    return this.#call(this.#host.park(this.#key(session)));
  }
  interrupt(session: string): void {
    this.#host.interrupt(this.#key(session));
  }
  drop(session: string): void {
    this.#sessions.delete(session);
    this.#host.drop(this.#key(session));
  }
  crash(): void {
    for (const session of [...this.#sessions]) {
      this.interrupt(session);
      this.drop(session);
    }
    this.#lives += 1;
    this.#die(new RepriseError('UNAVAILABLE', 'the session is not in this kernel'));
    this.#live();
  }
  stats(): ReturnType<KernelHost['stats']> {
    return { ...this.#host.stats(), sessions: this.#sessions.size, parked: 0, parkedBytes: 0 };
  }
  async close(): Promise<void> {
    this.crash();
  }
}
