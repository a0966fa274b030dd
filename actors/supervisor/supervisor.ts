/** The supervisor: keeps a nats-server, the storage actor, the LLM actor and some workers running in a home. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { connectBus } from '../../bus/nats.ts';
import type { Bus } from '../../bus/port.ts';
import { systemClock } from '../../bus/port.ts';
import { announce, gatherPresence } from '../../bus/presence.ts';
import { makeSubjects, processId } from '../../bus/subjects.ts';
import { Child } from './child.ts';
import { type ControlRequest, type ControlServer, serveControl } from './control.ts';
import { provideCredentials, readCredentials } from './credentials.ts';
import { Fleet } from './fleet.ts';
import { cacheFolder, ensureHome, type Home } from './home.ts';
import { type Lock, tryLock } from './lock.ts';
import type { Durability } from './nats-server/config.ts';
import { LocalServer } from './nats-server/local.ts';
import { provideNatsServer } from './nats-server/provide.ts';
import { identifySelf, isRunning, terminate } from './process-identity.ts';
import { type Connections, roleCommand, usersOf } from './roles.ts';
import {
  type Role,
  readState,
  removeState,
  type SystemState,
  serverConflict,
  writeState,
} from './system-state.ts';

export interface SupervisorOptions {
  home: Home;
  env: NodeJS.ProcessEnv;
  workers?: number;
  durability?: Durability;
  log: (line: string) => void;
  /** How role processes are started. */
  command?: (role: Role) => { file: string; args: string[] };
}

export const WORKERS_DEFAULT = 2;
const START_MS = 60_000;
const WHO = { limitMs: 500, quietMs: 500 };
/** Without the server nothing works, and a start costs little (some 50 ms): so it is tried again soon. */
const SERVER_BACKOFF_MAX_MS = 500;
const SERVER_GRACE_MS = 10_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #fleet: Fleet;
  readonly #id = processId('supervisor', randomBytes(3).toString('hex'));
  readonly #changes = new Set<() => void>();
  #state!: SystemState;
  #lock: Lock | undefined;
  #control: ControlServer | undefined;
  #local: LocalServer | undefined;
  #server: Child | undefined;
  #bus: Bus | undefined;
  #busAddress = '';
  /** Where the processes are connected. */
  #address = '';
  /** The processes of the supervisor before us are unknown to the server. */
  #hasNewUsers = false;
  #stopping: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#fleet = new Fleet({
      home: options.home,
      env: options.env,
      prefix: options.env.REPRISE_PREFIX || 'reprise',
      durability: () => this.#state.durability,
      connections: () => this.#connections(),
      command: options.command ?? roleCommand,
      onChange: () => this.#changed(),
    });
  }

  /**
   * Takes the home and has everything running in it. Returns false when another supervisor holds the home.
   * @throws RepriseError UNAVAILABLE, BAD_REQUEST…: then all that was started is ended again
   */
  async start(): Promise<boolean> {
    const { home } = this.#options;
    ensureHome(home);
    const taken = tryLock(home.run, 'supervisor');
    if ('holder' in taken) return false;
    this.#lock = taken.lock;
    try {
      const old = readState(home);
      await this.#open(old);
      await this.#startServer(old);
      this.#fleet.adopt(await this.#adoptable(old));
      await this.#ensure(this.#state.workers);
      return true;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends everything, the server last, and frees the home. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #open(old: SystemState | null): Promise<void> {
    const { env, workers, durability } = this.#options;
    const token = randomBytes(24).toString('base64url');
    this.#control = await serveControl(token, (request) => this.#handle(request));
    const external = env.REPRISE_NATS_URL;
    const alive = old?.children.some(isRunning) || isRunning(old?.nats.process);
    this.#state = {
      version: 1,
      started: new Date().toISOString(),
      phase: 'starting',
      prefix: env.REPRISE_PREFIX || 'reprise',
      durability: durability ?? old?.durability ?? 'process',
      supervisor: { ...identifySelf(), port: this.#control.port, token },
      nats: {
        local: !external,
        url: external ?? old?.nats.url ?? '',
        version: '',
        process: external ? null : (old?.nats.process ?? null),
      },
      workers: workers ?? (alive ? old?.workers : undefined) ?? WORKERS_DEFAULT,
      children: old?.children ?? [],
    };
    const conflict = alive ? conflictOf(old!, { durability, url: external ?? null }) : null;
    if (conflict) {
      this.#stopping = this.#release(); // what runs stays as it was
      throw conflict;
    }
    writeState(this.#options.home, this.#state);
  }

  /** Takes over the server that runs, or starts one; with an external server there is nothing to do. */
  async #startServer(old: SystemState | null): Promise<void> {
    const { home, env, log } = this.#options;
    if (env.REPRISE_NATS_URL) return;
    const running = old?.nats.process && isRunning(old.nats.process) ? old.nats.process : null;
    const provided = running
      ? { binary: running.binary, version: old!.nats.version }
      : await provideNatsServer({ env, cacheDir: cacheFolder(env, home), log });
    const { prefix, durability } = this.#state;
    const settings = {
      home,
      env,
      ...provided,
      prefix,
      durability,
      provideCredentials: () => provideCredentials(home),
    };
    const before = readCredentials(home);
    const credentials = running && before;
    const local = new LocalServer(settings, running && credentials ? { ...running, credentials } : undefined);
    this.#local = local;
    this.#state.nats.version = provided.version;
    this.#server = new Child({
      logFile: path.join(home.logs, 'nats-server.log'),
      graceMs: SERVER_GRACE_MS,
      backoffMaxMs: SERVER_BACKOFF_MAX_MS,
      plan: () => local.plan(),
      isReady: () => local.answers(),
      onChange: () => this.#changed(),
    });
    if (running && (await local.answers())) {
      this.#server.adopt(running, true);
    } else {
      if (running) await terminate(running, SERVER_GRACE_MS);
      await local.plan(); // says now what is wrong with the configuration
      this.#hasNewUsers = before?.worker.user !== local.credentials.worker.user;
      this.#server.start();
    }
    await this.#until(() => {
      if (this.#server!.ready) return true;
      if (this.#server!.failures < 3) return false;
      throw new RepriseError('UNAVAILABLE', `nats-server does not start: ${this.#server!.problem}`, {
        hint: `see ${path.join(home.logs, 'nats-server.log')}; ${provided.binary} is what was started`,
      });
    }, 'nats-server');
  }

  /** Processes of the supervisor before us that are connected where we are; others are ended. */
  async #adoptable(old: SystemState | null) {
    const alive = (old?.children ?? []).filter(isRunning);
    const isSame = old?.nats.url === this.#url && old.prefix === this.#state.prefix && !this.#hasNewUsers;
    if (alive.length === 0 || isSame) return alive;
    await Promise.all(alive.map((record) => terminate(record, 5_000)));
    return [];
  }

  async #ensure(workers: number): Promise<void> {
    this.#state.workers = workers;
    await this.#fleet.scale(workers);
    await this.#until(() => {
      this.#fleet.assertHope();
      return this.#fleet.allStarted;
    }, 'the system');
    await this.#connect();
    const subjects = makeSubjects(this.#state.prefix);
    const deadline = performance.now() + START_MS;
    for (;;) {
      const missing = (pids: Set<number>) => this.#fleet.records().filter(({ pid }) => !pids.has(pid));
      const answers = await gatherPresence(
        this.#bus!,
        subjects,
        systemClock,
        WHO,
        (all) => missing(pidsOf(all)).length === 0,
      ).catch((error) => {
        if (hasCode(error, 'DISCONNECTED')) return [];
        throw error;
      });
      this.#fleet.confirm(pidsOf(answers));
      this.#fleet.assertHope();
      const silent = missing(pidsOf(answers));
      if (silent.length === 0 && this.#fleet.allStarted) break;
      if (performance.now() > deadline) {
        const names = silent.map(({ slot }) => slot).join(', ');
        throw new RepriseError('UNAVAILABLE', `${names || 'the system'} does not answer on the bus`);
      }
    }
    this.#state.phase = 'ready';
    this.#changed();
  }

  async #handle(request: ControlRequest): Promise<void> {
    if (request.op === 'down') return this.stop();
    if (this.#stopping || this.#state.phase !== 'ready') {
      throw new RepriseError('DRAINING', `the system is ${this.#stopping ? 'stopping' : this.#state.phase}`);
    }
    const conflict = conflictOf(this.#state, { durability: request.durability, url: request.url ?? null });
    if (conflict) throw conflict;
    await this.#ensure(request.workers ?? this.#state.workers);
  }

  get #url(): string {
    return this.#local?.url ?? this.#options.env.REPRISE_NATS_URL ?? '';
  }

  #connections(): Connections {
    const { env } = this.#options;
    if (this.#local) return { url: this.#url, users: this.#local.credentials };
    return { url: this.#url, users: usersOf(env), storageUrl: env.REPRISE_STORAGE_NATS_URL };
  }

  async #connect(): Promise<void> {
    const { url, users } = this.#connections();
    const address = addressOf(url, users);
    if (this.#bus && this.#busAddress === address) return;
    await this.#bus?.close();
    const { user, password: pass } = users.supervisor;
    const bus = await connectBus({ url, user, pass, role: 'supervisor', name: this.#id });
    this.#bus = bus;
    this.#busAddress = address;
    this.#state.nats.version ||= bus.connection.info?.version ?? '';
    const subjects = makeSubjects(this.#state.prefix);
    announce(bus, subjects, () => ({
      role: 'supervisor',
      process: this.#id,
      pid: process.pid,
      state: this.#state.phase,
      version: '1',
    }));
  }

  /** Called whenever a process changed: writes it down, and follows a server that changed its port or users. */
  #changed(): void {
    if (!this.#state) return;
    const server = this.#server?.process;
    if (this.#local && server) {
      const { port, name, binary } = this.#local;
      this.#state.nats.process = { ...server, port, name, binary };
    } else if (this.#local && !this.#stopping) this.#state.nats.process = null;
    const address = this.#local ? addressOf(this.#url, this.#local.credentials) : '';
    if (this.#server?.ready && this.#address !== address) {
      const moved = this.#address !== '' && this.#state.phase === 'ready';
      this.#address = address;
      this.#state.nats.url = this.#url;
      if (moved) {
        this.#options.log(
          `nats-server at ${this.#url} has another port or users: starting all processes anew`,
        );
        this.#fleet.restartAll();
        this.#connect().catch((error) => this.#options.log(RepriseError.from(error).message));
      }
    }
    // Before the first ones are started, the record of the supervisor before us stays.
    if (this.#fleet.records().length > 0 || this.#state.phase !== 'starting') {
      this.#state.children = this.#fleet.records();
    }
    if (this.#lock) writeState(this.#options.home, this.#state);
    for (const wake of [...this.#changes]) wake();
  }

  /** Waits for a condition, looking at every change. @throws RepriseError TIMEOUT, DRAINING, what `done` throws */
  async #until(done: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + START_MS;
    while (!done()) {
      if (this.#stopping) throw new RepriseError('DRAINING', 'the system is being stopped');
      const left = deadline - performance.now();
      if (left <= 0) throw new RepriseError('TIMEOUT', `${what} was not ready in ${START_MS / 1000} s`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#changes.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, Math.min(left, 500));
        this.#changes.add(wake);
      });
    }
  }

  async #end(): Promise<void> {
    // A start that failed half-way has not taken over what ran before: end that, too.
    const ours = new Set(this.#fleet.records().map(({ pid }) => pid));
    const strays = (this.#state?.children ?? []).filter((child) => !ours.has(child.pid) && isRunning(child));
    if (this.#state) this.#state.phase = 'stopping';
    this.#changed();
    await Promise.all(strays.map((record) => terminate(record, 5_000)));
    await this.#fleet.stop();
    await this.#bus?.close().catch(() => {});
    await this.#server?.stop();
    removeState(this.#options.home);
    await this.#release();
  }

  async #release(): Promise<void> {
    this.#control?.close();
    this.#lock?.release();
    this.#lock = undefined;
    for (const wake of [...this.#changes]) wake();
  }
}

/** Tells one server with its users from another. */
function addressOf(url: string, { worker }: Connections['users']): string {
  return `${worker.user ?? ''}@${url}`;
}

function pidsOf(answers: { pid: number }[]): Set<number> {
  return new Set(answers.map(({ pid }) => pid));
}

/** Why a running system cannot be what is asked for. `url`: null for a server of our own. */
function conflictOf(
  state: SystemState,
  asked: { durability?: Durability; url: string | null },
): RepriseError | null {
  if (asked.durability && asked.durability !== state.durability) {
    return new RepriseError('BAD_REQUEST', `the running system has durability "${state.durability}"`, {
      hint: 'stop the running system first: reprise down',
    });
  }
  return serverConflict(state, asked.url);
}
