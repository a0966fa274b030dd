/** The host's end of one kernel thread: requests out, answers in, and whether the thread still moves. */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { RepriseError } from '../../bus/errors.ts';
import { startThread } from '../role/thread-start.ts';
import { DEFAULT_TIMEOUT_MS, THREAD_STACK_MB, THREAD_YOUNG_MB } from './limits.ts';
import type { KernelStep, Printed } from './port.ts';
import {
  FLAG,
  FLAG_WORDS,
  type SharedPristine,
  STRIKE_SLOTS,
  type ThreadMessage,
  type ThreadRequest,
  type ThreadSetup,
} from './thread-port.ts';

/** A request and whoever waits for its answer. */
export interface Call {
  request: ThreadRequest;
  resolve(value: unknown): void;
  reject(error: RepriseError): void;
  /** Told what the turn prints while it runs. */
  hear?: (printed: Printed) => void;
  /** A user wants the turn to stop. */
  interrupted: boolean;
}

export interface LinkEvents {
  /** The session has left the thread together with an answer. */
  gone(session: string): void;
  bounced(call: Call): void;
  /** Slow or no longer slow. */
  paced(): void;
  /** The thread ended by itself; its calls have been rejected. */
  died(): void;
}

export type LinkSetup = Omit<ThreadSetup, 'flags'>;

export class ThreadLink {
  /** Resolves with the pristine heap once the thread serves; rejects when it could not start. */
  readonly ready: Promise<SharedPristine>;
  readonly calls = new Map<number, Call>();
  /** Sessions that live on the thread. */
  readonly sessions = new Set<string>();
  slow = false;
  started = false;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #flags: Int32Array;
  readonly #events: LinkEvents;
  #ended = false;
  /** Progress as last seen, and for how long it has not moved, ms. */
  #progress = 0;
  #stillMs = 0;
  #current = 0;
  /** For how long the current request has been served, and since its interruption, ms. */
  #servedMs = 0;
  #interruptedMs = 0;

  constructor(setup: LinkSetup, events: LinkEvents) {
    this.#events = events;
    const flags = new SharedArrayBuffer(FLAG_WORDS * 4);
    this.#flags = new Int32Array(flags);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = startWorker({ setup: { ...setup, flags } satisfies ThreadSetup, port: port2 }, [port2]);
    this.ready = new Promise((resolve, reject) => {
      this.#port.on('message', (message: ThreadMessage) => {
        if (message.type !== 'ready') return this.#receive(message);
        this.started = true;
        resolve(message.pristine);
        if (this.calls.size === 0) this.#port.unref();
      });
      this.#worker.on('error', (cause) => {
        const error = new RepriseError('UNAVAILABLE', `a kernel thread failed: ${String(cause)}`, { cause });
        reject(error);
        this.#end(error);
      });
      this.#worker.on('exit', () => {
        const error = new RepriseError('UNAVAILABLE', 'a kernel thread ended', {
          hint: 'open the session again from its log',
        });
        reject(error);
        this.#end(error);
      });
    });
    this.ready.catch(() => undefined);
    // Idle threads do not keep a process alive; starting ones and pending calls do.
    this.#worker.unref();
  }

  send(call: Call): void {
    if (this.calls.size === 0) this.#port.ref();
    this.calls.set(call.request.id, call);
    const { luggage } = call.request;
    this.#port.postMessage(call.request, luggage ? [luggage.pages.bytes.buffer as ArrayBuffer] : []);
    if (call.interrupted) this.interrupt(call);
  }

  interrupt(call: Call): void {
    call.interrupted = true;
    const { id } = call.request;
    Atomics.store(this.#flags, FLAG.strikes + (id % STRIKE_SLOTS), id);
  }

  get counts(): { parked: number; parkedBytes: number; instances: number } {
    return {
      parked: Atomics.load(this.#flags, FLAG.parked),
      parkedBytes: Atomics.load(this.#flags, FLAG.parkedKilobytes) * 1024,
      instances: Atomics.load(this.#flags, FLAG.instances),
    };
  }

  /**
   * Watches: to be called every `elapsedMs`. Calls that wait behind a thread which does not move are `stranded`;
   * a thread that is past its budget and moves no more is `hung`, with the call that hung it.
   */
  watch(elapsedMs: number, graceMs: number): { stranded: Call[]; hung: Call | undefined } {
    const progress = Atomics.load(this.#flags, FLAG.progress);
    const current = Atomics.load(this.#flags, FLAG.current);
    const moved = progress !== this.#progress || current !== this.#current;
    this.#servedMs = current === this.#current ? this.#servedMs + elapsedMs : 0;
    this.#stillMs = moved ? 0 : this.#stillMs + elapsedMs;
    this.#progress = progress;
    this.#current = current;
    const call = current === 0 ? undefined : this.calls.get(current);
    this.#interruptedMs = call?.interrupted ? this.#interruptedMs + elapsedMs : 0;
    if (current === 0 || this.#stillMs < graceMs) return { stranded: [], hung: undefined };
    const stranded = [...this.calls.values()].filter((other) => other.request.id !== current);
    const hung = this.#servedMs > budgetOf(call) + graceMs || this.#interruptedMs > graceMs;
    return { stranded, hung: hung ? call : undefined };
  }

  /** Gives up a call without an answer. */
  abandon(call: Call): void {
    this.calls.delete(call.request.id);
    if (this.calls.size === 0) this.#port.unref();
  }

  /** Ends the thread now; calls are rejected with `error`. */
  async terminate(error: RepriseError): Promise<void> {
    this.#end(error);
    this.#port.close();
    await this.#worker.terminate();
  }

  #receive(message: Exclude<ThreadMessage, { type: 'ready' }>): void {
    if (message.type === 'slow') {
      this.slow = message.slow;
      this.#events.paced();
      return;
    }
    if (message.type === 'printed') {
      this.calls.get(message.id)?.hear?.(message.printed);
      return;
    }
    const call = this.calls.get(message.type === 'done' ? message.id : message.request.id);
    if (call === undefined) return;
    this.abandon(call);
    if (message.type === 'bounced') {
      call.request = message.request;
      this.#events.bounced(call);
      return;
    }
    if (message.gone && call.request.op !== 'drop') this.#events.gone(call.request.session);
    if (message.error === undefined) call.resolve(message.value);
    else call.reject(RepriseError.fromWire(message.error));
  }

  #end(error: RepriseError): void {
    if (this.#ended) return;
    this.#ended = true;
    const calls = [...this.calls.values()];
    this.calls.clear();
    this.#events.died();
    for (const call of calls) call.reject(error);
  }
}

/** Wall-clock budget of a call, ms. */
function budgetOf(call: Call | undefined): number {
  const request = call?.request;
  if (request?.op === 'apply') return budgetOfStep(request.step);
  if (request?.op === 'applyAll') return Math.max(DEFAULT_TIMEOUT_MS, ...request.steps.map(budgetOfStep));
  // Anything else is our own work; on a full heap under load it takes seconds.
  return DEFAULT_TIMEOUT_MS;
}

function budgetOfStep(step: KernelStep): number {
  return (step.type === 'abandon' ? undefined : step.timeoutMs) ?? DEFAULT_TIMEOUT_MS;
}

function startWorker(workerData: unknown, transferList: MessagePort[]): Worker {
  return startThread('kernel-thread', 'actors/kernel/thread.ts', {
    workerData,
    transferList,
    resourceLimits: { stackSizeMb: THREAD_STACK_MB, maxYoungGenerationSizeMb: THREAD_YOUNG_MB },
    execArgv: [],
  });
}
