/** The role processes of a home: one storage actor, one LLM actor, N workers. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { RepriseError } from '../../bus/errors.ts';
import { processId } from '../../bus/subjects.ts';
import { Child } from './child.ts';
import type { Home } from './home.ts';
import type { Durability } from './nats-server/config.ts';
import { isRunning } from './process-identity.ts';
import { type Connections, roleEnvironment } from './roles.ts';
import type { ChildRecord, Role } from './system-state.ts';

export interface FleetOptions {
  home: Home;
  env: NodeJS.ProcessEnv;
  prefix: string;
  durability: () => Durability;
  connections: () => Connections;
  command: (role: Role) => { file: string; args: string[] };
  onChange: () => void;
}

/** How long a role may take to end after SIGTERM: workers save what their sessions hold. */
const GRACE_MS: Record<Role, number> = { worker: 10_000, llm: 8_000, storage: 8_000 };
/**
 * A worker that died is replaced a little later when others are there: they take its sessions over at this moment,
 * and the start of a process costs them a core.
 */
const REPLACE_AFTER_MS = 300;
/** A process that ended this often without ever being ready has a fault that waiting does not heal. */
const HOPELESS = 3;

interface Member {
  role: Role;
  slot: string;
  id: string;
  child: Child;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #members = new Map<string, Member>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Takes over what a supervisor before us left running. */
  adopt(records: ChildRecord[]): void {
    for (const record of records) {
      if (isRunning(record)) this.#add(record.role, record.slot, record.id).child.adopt(record, record.ready);
    }
  }

  /** Starts what is missing and ends workers beyond `workers`; resolves when those are gone. */
  async scale(workers: number): Promise<void> {
    const wanted: [Role, string][] = [
      ['storage', 'storage'],
      ['llm', 'llm'],
    ];
    for (let index = 1; index <= workers; index += 1) wanted.push(['worker', `worker-${index}`]);
    for (const [role, slot] of wanted) {
      if (!this.#members.has(slot)) this.#add(role, slot, '').child.start();
    }
    const slots = new Set(wanted.map(([, slot]) => slot));
    await this.#stop((member) => !slots.has(member.slot));
  }

  restartAll(): void {
    for (const { child } of this.#members.values()) child.restart();
  }

  /** Ends all: workers, which still need the others to save, then the LLM actor, then storage. */
  async stop(): Promise<void> {
    for (const role of ['worker', 'llm', 'storage'] as const)
      await this.#stop((member) => member.role === role);
  }

  records(): ChildRecord[] {
    return [...this.#members.values()].flatMap(({ role, slot, id, child }) =>
      child.process ? [{ ...child.process, role, slot, id, ready: child.ready }] : [],
    );
  }

  /** True when every process has started up; those that were taken over while they started still must answer. */
  get allStarted(): boolean {
    return [...this.#members.values()].every(({ child }) => child.ready || child.adopted);
  }

  /** Says that these processes answer on the bus. */
  confirm(pids: ReadonlySet<number>): void {
    for (const { child } of this.#members.values()) {
      if (child.process && pids.has(child.process.pid)) child.confirm();
    }
  }

  /**
   * @throws RepriseError UNAVAILABLE when a process ends again and again without ever being ready, BAD_REQUEST when it
   * says that its settings are wrong, CORRUPT when what the store holds is
   */
  assertHope(): void {
    for (const { slot, child } of this.#members.values()) {
      if (child.failures < HOPELESS || child.ready) continue;
      const log = this.#logFile(slot);
      const next = {
        BAD_REQUEST: `correct the setting, then try again; ${log} has all that it said`,
        CORRUPT: `do what it says; ${log} has all that it said`,
        UNAVAILABLE: `see ${log}`,
      };
      const code = child.verdict ?? 'UNAVAILABLE';
      throw new RepriseError(code, `${slot} does not start: ${child.problem}`, { hint: next[code] });
    }
  }

  async #stop(which: (member: Member) => boolean): Promise<void> {
    const members = [...this.#members.values()].filter(which);
    await Promise.all(
      members.map(async ({ slot, child }) => {
        await child.stop();
        this.#members.delete(slot);
      }),
    );
    if (members.length > 0) this.#options.onChange();
  }

  #add(role: Role, slot: string, id: string): Member {
    const { home, env, prefix, command, onChange } = this.#options;
    const child = new Child({
      logFile: this.#logFile(slot),
      graceMs: GRACE_MS[role],
      onChange,
      restartDelayMs: () => (role === 'worker' && this.#hasReadyWorker ? REPLACE_AFTER_MS : 0),
      plan: () => {
        // A new process is somebody else on the bus.
        member.id = processId(slot, randomBytes(3).toString('hex'));
        const facts = {
          connections: this.#options.connections(),
          home: home.root,
          prefix,
          id: member.id,
          durability: this.#options.durability(),
        };
        return { ...command(role), cwd: home.root, env: roleEnvironment(role, env, facts) };
      },
    });
    const member: Member = { role, slot, id, child };
    this.#members.set(slot, member);
    return member;
  }

  get #hasReadyWorker(): boolean {
    return [...this.#members.values()].some(({ role, child }) => role === 'worker' && child.ready);
  }

  #logFile(slot: string): string {
    return path.join(this.#options.home.logs, `${slot}.log`);
  }
}
