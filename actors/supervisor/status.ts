/** What runs, as `reprise status --json` prints it. */
import { RepriseError } from '../../bus/errors.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import { isRunning } from './process-identity.ts';
import type { SystemState } from './system-state.ts';

export interface SystemStatus {
  running: boolean;
  phase: SystemState['phase'] | 'stopped' | 'unwatched';
  durability: SystemState['durability'] | null;
  /** null: no server is known. */
  nats: { url: string; version: string; pid: number | null } | null;
  supervisor: { pid: number } | null;
  storage: { pid: number }[];
  llm: { pid: number }[];
  workers: { id: string; pid: number; sessions: number }[];
  /** Why the bus could not be asked; the rest is then from the record alone. */
  problem?: string;
}

interface Address {
  url: string;
  user?: string;
  password?: string;
  prefix: string;
}

const CONNECT_MS = 1_500;
const ANSWER_MS = 400;

/** Record and bus together. Never fails: what cannot be asked is said in `problem`. */
export async function systemStatus(state: SystemState | null, known: Address | null): Promise<SystemStatus> {
  const recorded = (state?.children ?? []).filter(isRunning);
  const watched = isRunning(state?.supervisor);
  const server = state?.nats.process && isRunning(state.nats.process) ? state.nats.process : null;
  const pids = (role: string) => recorded.filter((child) => child.role === role).map(({ pid }) => ({ pid }));
  const phase = watched ? state!.phase : recorded.length > 0 || server ? 'unwatched' : 'stopped';
  // The record of a local server that is gone, with all the rest, tells nothing about now.
  const address = phase === 'stopped' && state?.nats.local && known?.url === state.nats.url ? null : known;
  const status: SystemStatus = {
    running: watched && state!.phase === 'ready',
    phase,
    durability: state?.durability ?? null,
    nats: address && { url: address.url, version: state?.nats.version ?? '', pid: server?.pid ?? null },
    supervisor: watched ? { pid: state!.supervisor.pid } : null,
    storage: pids('storage'),
    llm: pids('llm'),
    workers: recorded
      .filter((child) => child.role === 'worker')
      .map(({ id, pid }) => ({ id, pid, sessions: 0 })),
  };
  if (!address) return status;
  try {
    const { version, answers } = await ask(address, new Set(recorded.map(({ pid }) => pid)));
    status.nats!.version = version;
    merge(status, answers);
  } catch (error) {
    status.problem = RepriseError.from(error).message;
  }
  return status;
}

/** Only now is the client library needed. */
async function ask(address: Address, expected: Set<number>) {
  const [{ connectBus }, { makeSubjects }, { gatherPresence }, { systemClock }] = await Promise.all([
    import('../../bus/nats.ts'),
    import('../../bus/subjects.ts'),
    import('../../bus/presence.ts'),
    import('../../bus/port.ts'),
  ]);
  const { url, user, password: pass, prefix } = address;
  const bus = await connectBus({
    url,
    user,
    pass,
    role: 'client',
    name: 'status',
    connectTimeoutMs: CONNECT_MS,
  });
  try {
    const enough = (answers: PresenceReply[]) => {
      const heard = new Set(answers.map(({ pid }) => pid));
      return expected.size > 0 && [...expected].every((pid) => heard.has(pid));
    };
    const timing = { limitMs: ANSWER_MS, quietMs: ANSWER_MS };
    const answers = await gatherPresence(bus, makeSubjects(prefix), systemClock, timing, enough);
    return { version: bus.connection.info?.version ?? '', answers };
  } finally {
    await bus.close();
  }
}

/** Adds what answered but is in no record (processes started by others), and the workers' sessions. */
function merge(status: SystemStatus, answers: PresenceReply[]): void {
  for (const { role, pid, process: id, sessions = 0 } of answers) {
    if (role === 'supervisor') continue;
    if (role === 'worker') {
      const known = status.workers.find((worker) => worker.pid === pid);
      if (known) Object.assign(known, { id, sessions });
      else status.workers.push({ id, pid, sessions });
    } else if (!status[role].some((other) => other.pid === pid)) status[role].push({ pid });
  }
}
