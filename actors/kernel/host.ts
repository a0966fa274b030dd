/**
 * The kernel host: many sessions on a few kernel threads. A session stays on the thread where it was opened, until
 * that thread is busy with a long turn of another session when it is needed; then it moves.
 *
 * At least one thread is kept that runs no long turn, up to `maxThreads`. When all of those run long turns, others
 * wait. A thread stuck in one endless built-in function cannot give its other sessions away: calls for them are
 * rejected with UNAVAILABLE after `graceMs`, and the thread is ended once the turn's budget is spent.
 */

import { createHash } from 'node:crypto';
import { RepriseError } from '../../bus/errors.ts';
import type { Evaluated } from '../../bus/operations/looks.ts';
import { compilerVersion } from './compiler/compile.ts';
import { DEFAULT_LIMITS, type KernelLimits } from './limits.ts';
import type {
  EffectCall,
  EvaluationStep,
  HeapImage,
  InspectReport,
  KernelHost,
  KernelStep,
  OpenFrom,
  Printed,
  Turn,
} from './port.ts';
import { preludeSource } from './prelude/source.ts';
import { type Call, ThreadLink } from './thread-link.ts';
import type { SharedPristine, ThreadRequest } from './thread-port.ts';
import { type KernelWasm, loadKernelWasm } from './wasm.ts';

export interface KernelHostOptions {
  /** Limits that decide outcomes; others make another kernel version. */
  limits?: Partial<KernelLimits>;
  /** What cells may ask for beside timers and models; others make another kernel version. */
  calls?: readonly EffectCall[];
  /** Threads to start with. */
  threads?: number;
  maxThreads?: number;
  /** Instances over all the threads to start with; sessions beyond are swapped. */
  instances?: number;
  /** Threads compile what they need while they are idle, which costs each half a second of CPU; default false. */
  warmUp?: boolean;
  /** How long a thread may stand still, past its turn's budget, before it is ended, ms. */
  graceMs?: number;
  /** Told when a thread was ended: `culprit` is the session whose turn hung, `sessions` all that were lost. */
  onKilled?(lost: { culprit: string; sessions: string[] }): void;
}

const DEFAULT_THREADS = 2;
const DEFAULT_MAX_THREADS = 16;
const DEFAULT_INSTANCES = 64;
const DEFAULT_GRACE_MS = 2_000;
const WATCH_MS = 200;
/** Threads that run no long turn: one to serve, one to serve when that one becomes slow. */
const RESERVE = 2;
/** A thread is started as a reserve when it has been missing for this long: most slow turns end sooner, ms. */
const RESERVE_AFTER_MS = 100;
/** Threads that fail to start in a row before no more are tried. */
const MAX_FAILED_STARTS = 3;

type Unsent = ThreadRequest extends infer R ? (R extends ThreadRequest ? Omit<R, 'id'> : never) : never;

/** The version of a kernel with these limits: what decides how cells behave. */
export function kernelVersion(
  wasm: KernelWasm,
  limits: KernelLimits,
  calls: readonly EffectCall[] = [],
): string {
  const parts: unknown[] = [wasm.digest, preludeSource, compilerVersion, Object.entries(limits).sort()];
  if (calls.length > 0) parts.push(calls.map(({ name, kind }) => [name, kind]));
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Starts a host; resolves when its first thread serves. Close it to end its threads. */
export async function makeKernelHost(options: KernelHostOptions = {}): Promise<KernelHost> {
  const wasm = await loadKernelWasm();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const host = new ThreadedHost(wasm, limits, options);
  await host.start();
  return host;
}

class ThreadedHost implements KernelHost {
  readonly version: string;
  readonly #wasm: KernelWasm;
  readonly #limits: KernelLimits;
  readonly #options: KernelHostOptions;
  readonly #baseThreads: number;
  readonly #maxThreads: number;
  #pristine: SharedPristine | undefined;
  readonly #links: ThreadLink[] = [];
  readonly #sessions = new Map<string, ThreadLink>();
  /** Calls for which no thread is free, with their sessions. */
  #waiting: Call[] = [];
  #lastId = 0;
  #closed = false;
  #failedStarts = 0;
  #watch: NodeJS.Timeout | undefined;
  #reserving: NodeJS.Timeout | undefined;

  constructor(wasm: KernelWasm, limits: KernelLimits, options: KernelHostOptions) {
    this.#wasm = wasm;
    this.#limits = limits;
    this.#options = options;
    this.#baseThreads = options.threads ?? DEFAULT_THREADS;
    this.#maxThreads = Math.max(options.maxThreads ?? DEFAULT_MAX_THREADS, this.#baseThreads);
    this.version = kernelVersion(wasm, limits, options.calls);
  }

  async start(): Promise<void> {
    this.#pristine = await this.#spawn().ready;
    this.#replenish();
  }

  async open(session: string, from: OpenFrom): Promise<void> {
    this.drop(session);
    const link = this.#pick();
    if (link !== undefined) this.#settle(session, link);
    await this.#call({ op: 'open', session, from }, link);
  }

  apply(session: string, step: KernelStep, hear?: (printed: Printed) => void): Promise<Turn> {
    const request = { op: 'apply', session, step, heard: hear !== undefined } as const;
    return this.#call(request, this.#sessions.get(session), hear) as Promise<Turn>;
  }

  applyAll(session: string, steps: readonly KernelStep[]): Promise<Turn[]> {
    return this.#call({ op: 'applyAll', session, steps }) as Promise<Turn[]>;
  }

  capture(session: string): Promise<HeapImage> {
    return this.#call({ op: 'capture', session }) as Promise<HeapImage>;
  }

  inspect(session: string): Promise<InspectReport> {
    return this.#call({ op: 'inspect', session }) as Promise<InspectReport>;
  }

  evaluate(session: string, step: EvaluationStep): Promise<Evaluated> {
    return this.#call({ op: 'evaluate', session, step }) as Promise<Evaluated>;
  }

  complete(session: string, code: string, cursor: number): Promise<{ completions: string[]; from: number }> {
    return this.#call({ op: 'complete', session, code, cursor }) as Promise<{
      completions: string[];
      from: number;
    }>;
  }

  async park(session: string): Promise<void> {
    await this.#call({ op: 'park', session });
  }

  interrupt(session: string): void {
    for (const call of this.#waiting) if (call.request.session === session) call.interrupted = true;
    const link = this.#sessions.get(session);
    for (const call of link?.calls.values() ?? []) {
      if (call.request.session === session && call.request.op === 'apply') link!.interrupt(call);
    }
  }

  drop(session: string): void {
    for (const call of this.#waiting.filter((one) => one.request.session === session)) {
      this.#waiting.splice(this.#waiting.indexOf(call), 1);
      call.reject(new RepriseError('UNAVAILABLE', 'the session was dropped'));
    }
    const link = this.#sessions.get(session);
    if (link === undefined) return;
    this.#unsettle(session);
    const request: ThreadRequest = { op: 'drop', session, id: ++this.#lastId };
    link.send({ request, resolve: () => undefined, reject: () => undefined, interrupted: false });
  }

  stats(): ReturnType<KernelHost['stats']> {
    const total = {
      sessions: this.#sessions.size,
      parked: 0,
      parkedBytes: 0,
      instances: 0,
      threads: this.#links.length,
    };
    for (const { counts } of this.#links) {
      total.parked += counts.parked;
      total.parkedBytes += counts.parkedBytes;
      total.instances += counts.instances;
    }
    return total;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    clearTimeout(this.#reserving);
    const error = new RepriseError('CLOSED', 'the kernel host is closed');
    this.#sessions.clear();
    for (const call of this.#waiting.splice(0)) call.reject(error);
    await Promise.all(this.#links.splice(0).map((link) => link.terminate(error)));
  }

  // ── Calls ─────────────────────────────────────────────────────────────────────────────────────────────

  #call(
    unsent: Unsent,
    link = this.#sessions.get(unsent.session),
    hear?: (printed: Printed) => void,
  ): Promise<unknown> {
    if (this.#closed) return Promise.reject(new RepriseError('CLOSED', 'the kernel host is closed'));
    if (link === undefined && unsent.op !== 'open') {
      return Promise.reject(
        new RepriseError('UNAVAILABLE', 'the session is not in this kernel', {
          hint: 'open it again from its log',
        }),
      );
    }
    this.#lastId = (this.#lastId + 1) & 0x7fff_ffff || 1;
    const request = { ...unsent, id: this.#lastId } as ThreadRequest;
    return new Promise((resolve, reject) => {
      const call = { request, resolve, reject, hear, interrupted: false };
      if (link === undefined) this.#waiting.push(call);
      else link.send(call);
      this.#startWatch();
    });
  }

  /** The thread for a session that has none: not slow, started, fewest calls, then fewest sessions. */
  #pick(): ThreadLink | undefined {
    const load = (link: ThreadLink): number =>
      (link.started ? 0 : 1e12) + link.calls.size * 1e6 + link.sessions.size;
    let best: ThreadLink | undefined;
    for (const link of this.#links) {
      if (!link.slow && (best === undefined || load(link) < load(best))) best = link;
    }
    return best;
  }

  #settle(session: string, link: ThreadLink): void {
    this.#unsettle(session);
    this.#sessions.set(session, link);
    link.sessions.add(session);
  }

  #unsettle(session: string): void {
    this.#sessions.get(session)?.sessions.delete(session);
    this.#sessions.delete(session);
  }

  /** Sends on what has waited for a thread, as far as there is one; keeps a thread in reserve. */
  #place(): void {
    if (this.#closed) return;
    this.#replenish();
    for (const call of this.#waiting.splice(0)) {
      const link = this.#pick();
      if (link === undefined && this.#links.length === 0) {
        call.reject(new RepriseError('UNAVAILABLE', 'no kernel thread can be started'));
        continue;
      }
      if (link === undefined) {
        this.#waiting.push(call);
        continue;
      }
      this.#settle(call.request.session, link);
      link.send(call);
    }
  }

  // ── Threads ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Instances of one thread. Sessions do not spread evenly, and one that has to be swapped at every turn costs twice:
   * so two threads may hold all of them. Instances that are not needed are let go.
   */
  get #capacity(): number {
    const instances = this.#options.instances ?? DEFAULT_INSTANCES;
    return Math.ceil((instances / this.#baseThreads) * Math.min(this.#baseThreads, 2));
  }

  #spawn(): ThreadLink {
    const setup = {
      wasm: this.#wasm,
      limits: this.#limits,
      calls: this.#options.calls,
      kernel: this.version,
      prelude: this.#pristine === undefined ? preludeSource : '',
      pristine: this.#pristine,
      capacity: this.#capacity,
      warmUp: this.#options.warmUp ?? false,
    };
    const link: ThreadLink = new ThreadLink(setup, {
      gone: (session) => {
        if (this.#sessions.get(session) === link) this.#unsettle(session);
      },
      bounced: (call) => {
        this.#waiting.push(call);
        this.#place();
      },
      paced: () => this.#place(),
      died: () => this.#forget(link),
    });
    this.#links.push(link);
    link.ready.then(
      () => {
        this.#failedStarts = 0;
      },
      () => {
        this.#failedStarts++;
      },
    );
    return link;
  }

  /** Starts the threads that are missing: the first ones, one when none is free, and soon one in reserve. */
  #replenish(): void {
    while (this.#links.length < this.#baseThreads || this.#freeThreads === 0) {
      if (!this.#maySpawn) return;
      this.#spawn();
    }
    if (this.#freeThreads >= RESERVE || this.#reserving !== undefined) return;
    this.#reserving = setTimeout(() => {
      this.#reserving = undefined;
      if (!this.#closed && this.#freeThreads < RESERVE && this.#maySpawn) this.#spawn();
    }, RESERVE_AFTER_MS).unref();
  }

  get #freeThreads(): number {
    return this.#links.filter((link) => !link.slow).length;
  }

  get #maySpawn(): boolean {
    return this.#failedStarts < MAX_FAILED_STARTS && this.#links.length < this.#maxThreads;
  }

  /** Takes a thread out; returns the sessions that were on it. */
  #forget(link: ThreadLink): string[] {
    const at = this.#links.indexOf(link);
    if (at >= 0) this.#links.splice(at, 1);
    const lost = [...link.sessions];
    for (const session of lost) this.#unsettle(session);
    if (!this.#closed && this.#links.length < this.#baseThreads && this.#pristine !== undefined)
      this.#spawn();
    this.#place();
    return lost;
  }

  /** Watches the threads for as long as calls are under way. */
  #startWatch(): void {
    if (this.#watch !== undefined) return;
    this.#watch = setInterval(() => {
      const busy = this.#links.filter((link) => link.calls.size > 0);
      for (const link of busy) this.#check(link);
      if (busy.length > 0 || this.#waiting.length > 0) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
    }, WATCH_MS);
    this.#watch.unref();
  }

  #check(link: ThreadLink): void {
    const { stranded, hung } = link.watch(WATCH_MS, this.#options.graceMs ?? DEFAULT_GRACE_MS);
    for (const call of stranded) {
      const { session } = call.request;
      link.abandon(call);
      if (this.#sessions.get(session) === link) this.drop(session);
      call.reject(
        new RepriseError('UNAVAILABLE', 'the kernel thread of the session is stuck in another session', {
          hint: 'open it again from its log',
        }),
      );
    }
    if (hung === undefined) return;
    const lost = this.#forget(link);
    const error = new RepriseError(
      'UNAVAILABLE',
      'the turn hung in a built-in function; its thread was ended',
      {
        retryable: false,
        hint: 'open the session again and apply the step with `failed`',
      },
    );
    void link.terminate(error);
    this.#options.onKilled?.({ culprit: hung.request.session, sessions: lost });
  }
}
