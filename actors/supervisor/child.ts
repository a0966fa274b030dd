/** One supervised process: starts it in the background, watches it, restarts it, ends it. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { type Actor, createActor } from 'xstate';
import { ERROR_CODES, RepriseError } from '../../bus/errors.ts';
import { logSize, openLog, readableLine } from './append-log.ts';
import { backoffMs, childMachine } from './child-machine.ts';
import { identify, isRunning, type ProcessRecord, signal } from './process-identity.ts';

export interface LaunchPlan {
  file: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
}

export interface ChildOptions {
  /** Called at every start: it may give a new environment. @throws when the process cannot be started now */
  plan: () => LaunchPlan | Promise<LaunchPlan>;
  logFile: string;
  /** How long the process may take to end after SIGTERM, ms. */
  graceMs: number;
  /** Whether the process is ready; default: it printed a line `{"ready":true,…}`. */
  isReady?: (output: string) => boolean | Promise<boolean>;
  /** The longest wait before a restart, unless `restartDelayMs` wants more, ms; default 5,000. */
  backoffMaxMs?: number;
  /** The shortest wait before a restart at this moment, ms; default 0. */
  restartDelayMs?: () => number;
  /** Called when the process, its readiness or its failures changed. */
  onChange: () => void;
}

const WATCH_MS = 200;
const READY_POLL_MS = 10;

export class Child {
  readonly #options: ChildOptions;
  readonly #actor: Actor<typeof childMachine>;
  #process: ProcessRecord | null = null;
  #watch: NodeJS.Timeout | undefined;
  #logStart = 0;
  #launches = 0;
  #lastProblem: string | undefined;
  #lastExit: number | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#actor = createActor(
      childMachine.provide({
        actions: {
          spawn: () => void this.#spawn(),
          terminate: () => this.#end('SIGTERM'),
          kill: () => this.#end('SIGKILL'),
        },
        delays: {
          backoff: ({ context: { failures } }) =>
            Math.max(backoffMs(failures, options.backoffMaxMs), options.restartDelayMs?.() ?? 0),
        },
      }),
      { input: { graceMs: options.graceMs } },
    );
    this.#actor.start();
    this.#actor.subscribe(() => options.onChange());
  }

  /** The process that runs now. */
  get process(): ProcessRecord | null {
    return this.#process;
  }

  get ready(): boolean {
    return this.#actor.getSnapshot().value === 'running';
  }

  /** Taken over while it was still starting: nobody has said yet that it is ready. */
  get adopted(): boolean {
    return this.#actor.getSnapshot().value === 'adopted';
  }

  /** Ends in a row without being healthy in between. */
  get failures(): number {
    return this.#actor.getSnapshot().context.failures;
  }

  /** It ended because of its settings, or of what the store holds: the same again ends the same. */
  get verdict(): 'BAD_REQUEST' | 'CORRUPT' | null {
    const codes = ['BAD_REQUEST', 'CORRUPT'] as const;
    return codes.find((code) => this.#lastExit === ERROR_CODES[code].exit) ?? null;
  }

  /** Why it ended last, with the end of what it printed since its last start. */
  get problem(): string {
    const output = this.#output().trim().split('\n').slice(-8).map(readableLine).join('\n');
    return [this.#lastProblem, output].filter(Boolean).join('\n');
  }

  start(): void {
    this.#actor.send({ type: 'RESTART' });
  }

  /** Watches a process that runs already instead of starting one. */
  adopt(record: ProcessRecord, ready: boolean): void {
    this.#process = { pid: record.pid, start: record.start };
    this.#logStart = logSize(this.#options.logFile);
    this.#watchProcess(this.#process);
    this.#actor.send({ type: 'ADOPT', ready });
  }

  /** Says that an adopted process is ready. */
  confirm(): void {
    this.#actor.send({ type: 'READY' });
  }

  /** Ends it and starts it anew, with a new plan. */
  restart(): void {
    this.#actor.send({ type: 'RESTART' });
  }

  /** Ends it for good: SIGTERM, after the grace time SIGKILL. Resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#actor.send({ type: 'STOP' });
    if (this.#actor.getSnapshot().status === 'done') return this.#release();
    await new Promise<void>((resolve) => this.#actor.subscribe({ complete: resolve }));
    this.#release();
  }

  /** Stops watching; the process runs on. */
  #release(): void {
    clearTimeout(this.#watch);
    this.#actor.stop();
  }

  async #spawn(): Promise<void> {
    const launch = ++this.#launches;
    this.#process = null;
    let plan: LaunchPlan;
    try {
      plan = await this.#options.plan();
    } catch (error) {
      return this.#exited(RepriseError.from(error).message);
    }
    if (launch !== this.#launches) return;
    // STOP came while the plan was made.
    if (this.#actor.getSnapshot().value !== 'starting') return this.#exited('stopped before it started');
    const log = openLog(this.#options.logFile);
    this.#logStart = logSize(this.#options.logFile);
    try {
      // Its own process group and no pipe to us: it outlives a supervisor that dies.
      const child = spawn(plan.file, plan.args, {
        cwd: plan.cwd,
        env: plan.env,
        detached: true,
        windowsHide: true,
        stdio: ['ignore', log, log],
      });
      child.unref();
      child.once('error', (error) => this.#exited(error.message));
      if (child.pid === undefined) return;
      const record = identify(child.pid) ?? { pid: child.pid, start: '' };
      this.#process = record;
      child.once('exit', (code, by) => {
        if (this.#process !== record) return;
        this.#lastExit = code ?? undefined;
        this.#exited(by ? `ended by ${by}` : `ended with exit code ${code}`);
      });
      this.#options.onChange();
      void this.#awaitReady(record);
    } catch (error) {
      this.#exited(RepriseError.from(error).message);
    } finally {
      closeSync(log);
    }
  }

  async #awaitReady(record: ProcessRecord): Promise<void> {
    const isReady = this.#options.isReady ?? saysReady;
    while (this.#process === record && this.#actor.getSnapshot().value === 'starting') {
      if (await Promise.resolve(isReady(this.#output())).catch(() => false)) {
        if (this.#process === record) this.#actor.send({ type: 'READY' });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
  }

  /** A process that is not our child ends without an event. */
  #watchProcess(record: ProcessRecord): void {
    const look = () => {
      if (this.#process !== record) return;
      if (!isRunning(record)) return this.#exited('ended');
      this.#watch = setTimeout(look, WATCH_MS);
    };
    this.#watch = setTimeout(look, WATCH_MS);
  }

  #exited(why: string): void {
    this.#process = null;
    this.#lastProblem = why;
    this.#actor.send({ type: 'EXITED' });
  }

  #end(name: NodeJS.Signals): void {
    if (this.#process) {
      signal(this.#process, name);
      if (name === 'SIGTERM') signal(this.#process, 'SIGCONT'); // a frozen process hears nothing
      return;
    }
    // Between processes: nothing to end. (While a plan is being made, #spawn notices.)
    if (this.#launches === 0) queueMicrotask(() => this.#exited('was not running'));
  }

  /** What the process printed since its start. */
  #output(): string {
    const size = logSize(this.#options.logFile) - this.#logStart;
    if (size <= 0) return '';
    const bytes = Buffer.alloc(Math.min(size, 65_536));
    let log: number | undefined;
    try {
      log = openSync(this.#options.logFile, 'r');
      const read = readSync(log, bytes, 0, bytes.length, this.#logStart + Math.max(0, size - bytes.length));
      return bytes.toString('utf8', 0, read);
    } catch {
      return '';
    } finally {
      if (log !== undefined) closeSync(log);
    }
  }
}

function saysReady(output: string): boolean {
  return output.split('\n').some((line) => {
    if (!line.includes('"ready"')) return false;
    try {
      return (JSON.parse(line) as { ready?: unknown }).ready === true;
    } catch {
      return false;
    }
  });
}
