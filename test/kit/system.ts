/** A whole system of real processes in a home of its own, and every way to harm it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readCredentials } from '../../actors/supervisor/credentials.ts';
import { ProcessManager, type UpOptions } from '../../actors/supervisor/process-manager.ts';
import { readState, type SystemState } from '../../actors/supervisor/system-state.ts';
import { connectClient, type SessionClient } from '../../bus/client/client.ts';
import { connectBus, type NatsBus } from '../../bus/nats.ts';
import type { BusRole } from '../../bus/roles.ts';
import { until } from './until.ts';

export interface SystemOptions extends UpOptions {
  /** More environment for all processes. */
  env?: Record<string, string>;
}

/** `await using system = await startSystem()` ends it, whatever happens. */
export class TestSystem implements AsyncDisposable {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly processes: ProcessManager;
  readonly #clients: SessionClient[] = [];

  constructor(home: string, env: NodeJS.ProcessEnv) {
    this.home = home;
    this.env = env;
    this.processes = new ProcessManager({ env });
  }

  get state(): SystemState {
    const state = readState(this.processes.home);
    if (!state) throw new Error('nothing runs');
    return state;
  }

  async connect(): Promise<SessionClient> {
    const { url, user, password: pass, prefix } = this.processes.connection();
    const client = await connectClient({ url, user, pass, prefix });
    this.#clients.push(client);
    return client;
  }

  /** A connection with the rights of a role; it is the caller's to close. */
  enter(role: BusRole): Promise<NatsBus> {
    const { user, password: pass } = readCredentials(this.processes.home)![role];
    return connectBus({ url: this.state.nats.url, user, pass, role, name: `test-${role}` });
  }

  /** Process id of a worker by its id on the bus (`ExecuteReply.worker`), or of the first child of a role. */
  pidOf(idOrRole: string): number {
    const { children } = this.state;
    const child = children.find(({ id, role }) => id === idOrRole || role === idOrRole);
    if (!child) throw new Error(`no process ${idOrRole}`);
    return child.pid;
  }

  kill(idOrRole: string, signal: NodeJS.Signals = 'SIGKILL'): void {
    process.kill(this.pidOf(idOrRole), signal);
  }

  get natsPid(): number {
    return this.state.nats.process!.pid;
  }

  /** Resolves when every child is ready and none is the process `notPid`. */
  async healthy(notPid?: number): Promise<void> {
    await until(() => {
      const { children, nats, phase, workers } = this.state;
      // While a child waits for its restart it is not listed.
      const all = children.length === workers + 2;
      const whole = all && phase === 'ready' && nats.process !== null && nats.process.pid !== notPid;
      return whole && children.every(({ ready, pid }) => ready && pid !== notPid);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.disconnect().catch(() => {})));
    await this.processes.down();
    await rm(this.home, { recursive: true, force: true });
  }
}

/** Starts nats-server, storage, LLM actor and workers; resolves when all answer. */
export async function startSystem(options: SystemOptions = {}): Promise<TestSystem> {
  const { env: more, ...up } = options;
  const home = await mkdtemp(join(tmpdir(), 'reprise-system-'));
  const env: NodeJS.ProcessEnv = { ...process.env, REPRISE_HOME: home, REPRISE_LOG_LEVEL: 'warn', ...more };
  delete env.REPRISE_NATS_URL;
  // The suite has found one nats-server; everything in it uses that one.
  if (env.REPRISE_TEST_NATS) env.PATH = `${dirname(env.REPRISE_TEST_NATS)}:${env.PATH}`;
  const system = new TestSystem(home, env);
  try {
    await system.processes.up(up);
  } catch (error) {
    await system[Symbol.asyncDispose]();
    throw error;
  }
  return system;
}
