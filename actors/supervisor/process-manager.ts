/** The local system as its users handle it: up, down, status. Light to import: `exec` asks it at every call. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import path from 'node:path';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { IProcessManager } from '../../bus/types.ts';
import { openLog } from './append-log.ts';
import { askControl } from './control.ts';
import { readCredentials } from './credentials.ts';
import { tryExternalServer, withPlainServer } from './external-server.ts';
import { ensureHome, findHome, folderUnusable, type Home } from './home.ts';
import { tryLock } from './lock.ts';
import type { Durability } from './nats-server/config.ts';
import { isRunning, signal, terminate, waitForExit } from './process-identity.ts';
import { roleCommand } from './roles.ts';
import type { FinalNews, StartNews } from './run.ts';
import { type SystemStatus, systemStatus } from './status.ts';
import { readState, readySystem, removeState, type SystemState, serverConflict } from './system-state.ts';

export interface ProcessManagerOptions {
  env: NodeJS.ProcessEnv;
  home?: Home;
  /** How the supervisor process is started. */
  command?: { file: string; args: string[] };
}

export interface UpOptions {
  /** Default: as many as run, or two. */
  workers?: number;
  durability?: Durability;
  /** Ctrl-C: what this call started is ended again. */
  signal?: AbortSignal;
  /** Hears what takes long: downloads. */
  onProgress?: (line: string) => void;
}

/** Where clients connect. */
export interface Connection {
  url: string;
  user?: string;
  password?: string;
  prefix: string;
}

const UP_MS = 240_000;
const DOWN_MS = 60_000;
const RETRY_MS = 50;
const WORKERS_MAX = 1_000;

export class ProcessManager implements IProcessManager {
  readonly home: Home;
  /** The environment; the user's server without secrets in its URL. */
  readonly env: NodeJS.ProcessEnv;
  readonly #command: { file: string; args: string[] } | undefined;

  constructor(options: ProcessManagerOptions) {
    this.env = withPlainServer(options.env);
    this.home = options.home ?? findHome(options.env);
    this.#command = options.command;
  }

  /**
   * Has the system up: starts what is missing, in the background, and returns when everything answers. Calls at
   * the same time, also from several processes, end up with one system.
   * @throws RepriseError UNAVAILABLE, BAD_REQUEST (another durability or server is running), TIMEOUT, DRAINING
   * (given up by `signal`)
   */
  async up(options: UpOptions = {}): Promise<SystemState> {
    const { workers, durability = durabilityOf(this.env), signal: abort, onProgress } = options;
    if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= WORKERS_MAX)) {
      throw new RepriseError('BAD_REQUEST', `number of workers must be 1 to ${WORKERS_MAX}`);
    }
    const deadline = performance.now() + UP_MS;
    for (;;) {
      if (abort?.aborted) throw givenUp();
      const state = readState(this.home);
      if (state && isRunning(state.supervisor)) {
        const url = this.env.REPRISE_NATS_URL;
        signal(state.supervisor, 'SIGCONT'); // a frozen one hears nothing
        try {
          await askControl(state.supervisor, { op: 'ensure', workers, durability, url }, UP_MS);
          return readState(this.home) ?? state;
        } catch (error) {
          // It is starting, stopping, or just ended: look again.
          if (!hasCode(error, 'DRAINING', 'DISCONNECTED')) throw error;
        }
      } else if (await this.#startSupervisor({ workers, durability }, abort, onProgress)) {
        const started = readySystem(this.home);
        if (started) return started;
      }
      if (performance.now() > deadline) {
        throw new RepriseError('TIMEOUT', `the system was not up after ${UP_MS / 1000} s`);
      }
      await pause(RETRY_MS);
    }
  }

  /** The running system at once, or `up()`. */
  async ensure(options: UpOptions = {}): Promise<SystemState> {
    return readySystem(this.home) ?? this.up(options);
  }

  /** Ends everything that `up` started, also when its supervisor is dead or hangs. Returns false when nothing ran. */
  async down(): Promise<boolean> {
    let ran = false;
    for (;;) {
      const state = readState(this.home);
      if (state && isRunning(state.supervisor)) {
        ran = true;
        const { supervisor } = state;
        signal(supervisor, 'SIGCONT'); // a frozen one hears nothing
        const answered = await askControl(supervisor, { op: 'down' }, DOWN_MS).then(
          () => true,
          (error) => hasCode(error, 'DISCONNECTED'),
        );
        if (!(await waitForExit(supervisor, answered ? 5_000 : 0))) {
          signal(supervisor, 'SIGKILL');
          await waitForExit(supervisor, 5_000);
        }
        continue;
      }
      if (!existsSync(this.home.run)) return ran;
      const taken = tryLock(this.home.run, 'supervisor');
      if ('holder' in taken) {
        await pause(RETRY_MS); // a supervisor that is just starting or ending: it writes its state at once
        continue;
      }
      try {
        const left = readState(this.home);
        if (left && !isRunning(left.supervisor)) {
          ran = (await endRecorded(left)) || ran;
          removeState(this.home);
        }
        return ran;
      } finally {
        taken.lock.release();
      }
    }
  }

  /** What runs, from the record and from everybody's answers on the bus. Never fails. */
  status(): Promise<SystemStatus> {
    const state = readState(this.home);
    return systemStatus(state, this.#connectionOf(state));
  }

  /** True when no local system is up or coming back: somebody stopped it. */
  get isStopped(): boolean {
    return !this.env.REPRISE_NATS_URL && readState(this.home) === null;
  }

  /**
   * Where to connect: the server that the user configured, or the local one.
   * @throws RepriseError UNAVAILABLE when nothing runs, BAD_REQUEST when what runs uses another server
   */
  connection(): Connection {
    const state = readState(this.home);
    const conflict =
      state && isRunning(state.supervisor) && serverConflict(state, this.env.REPRISE_NATS_URL || null);
    if (conflict) throw conflict;
    const connection = this.#connectionOf(state);
    if (connection) return connection;
    throw new RepriseError('UNAVAILABLE', 'nothing is running', { hint: 'start it with `reprise up`' });
  }

  // ── IProcessManager ──────────────────────────────────────────────────────────────────────────────────

  async startServer(options: UpOptions & Record<string, unknown> = {}): Promise<number | undefined> {
    return (await this.up(options)).supervisor.pid;
  }

  async stopServer(): Promise<void> {
    await this.down();
  }

  async isServerRunning(): Promise<boolean> {
    return readySystem(this.home) !== null;
  }

  async getServerPid(): Promise<number | null> {
    const state = readState(this.home);
    return state && isRunning(state.supervisor) ? state.supervisor.pid : null;
  }

  /** Where the system that runs is; when none does, where it would be. */
  #connectionOf(state: SystemState | null): Connection | null {
    const { env } = this;
    const prefix = env.REPRISE_PREFIX || state?.prefix || 'reprise';
    const running = state && isRunning(state.supervisor) ? state : null;
    const url = running ? !running.nats.local && running.nats.url : env.REPRISE_NATS_URL;
    if (url) {
      return { url, user: env.REPRISE_NATS_USER, password: env.REPRISE_NATS_PASSWORD, prefix };
    }
    if (!state?.nats.local || state.nats.url === '') return null;
    const client = readCredentials(this.home)?.client;
    return client ? { url: state.nats.url, ...client, prefix: state.prefix } : null;
  }

  /** Starts a supervisor process. True: it has everything up; false: another one was there first. */
  async #startSupervisor(
    options: object,
    abort: AbortSignal | undefined,
    onProgress: UpOptions['onProgress'],
  ): Promise<boolean> {
    ensureHome(this.home);
    if (this.env.REPRISE_NATS_URL) await tryExternalServer(this.env);
    const { file, args } = this.#command ?? roleCommand('supervisor');
    const log = this.#openLog('supervisor.log');
    const child = spawn(file, [...args, JSON.stringify(options)], {
      cwd: this.home.root,
      env: { ...this.env, REPRISE_HOME: this.home.root },
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    const giveUp = () => void child.kill('SIGTERM');
    abort?.addEventListener('abort', giveUp);
    try {
      const news = await newsOf(child, onProgress);
      if ('failed' in news) {
        // It has ended all it had started; when this throws, its own process is gone, too.
        if (child.pid && child.exitCode === null) await waitForExit({ pid: child.pid, start: '' }, 5_000);
        throw abort?.aborted ? givenUp() : RepriseError.fromWire(news.failed);
      }
      return 'started' in news;
    } finally {
      abort?.removeEventListener('abort', giveUp);
      if (child.connected) child.disconnect();
      child.unref();
    }
  }

  #openLog(name: string): number {
    const file = path.join(this.home.logs, name);
    try {
      return openLog(file);
    } catch (cause) {
      throw folderUnusable(file, cause);
    }
  }
}

function newsOf(child: ChildProcess, onProgress: UpOptions['onProgress']): Promise<FinalNews> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(new RepriseError('UNAVAILABLE', `the supervisor ${why}`, { hint: 'see logs/supervisor.log' }));
    child.on('message', (message) => {
      const news = message as StartNews;
      if ('progress' in news) onProgress?.(news.progress);
      else resolve(news);
    });
    child.once('error', (error) => fail(`cannot be started: ${error.message}`));
    child.once('exit', (code, by) => fail(`ended at once (${by ?? `exit code ${code}`})`));
  });
}

/** Ends the processes of a supervisor that is gone: workers, LLM actor, storage, and nats-server last. */
async function endRecorded(state: SystemState): Promise<boolean> {
  let ran = false;
  const end = async (records: SystemState['children'], graceMs: number) => {
    const running = records.filter(isRunning);
    ran ||= running.length > 0;
    await Promise.all(running.map((record) => terminate(record, graceMs)));
  };
  for (const role of ['worker', 'llm', 'storage'] as const) {
    await end(
      state.children.filter((child) => child.role === role),
      role === 'worker' ? 10_000 : 8_000,
    );
  }
  const server = state.nats.process;
  if (server && isRunning(server)) {
    ran = true;
    await terminate(server, 10_000);
  }
  return ran;
}

function durabilityOf(env: NodeJS.ProcessEnv): Durability | undefined {
  const value = env.REPRISE_DURABILITY;
  if (!value) return undefined;
  if (value === 'process' || value === 'power') return value;
  throw new RepriseError('BAD_REQUEST', `REPRISE_DURABILITY is "${value}"`, {
    hint: 'use "process" or "power"',
  });
}

function givenUp(): RepriseError {
  return new RepriseError('DRAINING', 'given up');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
