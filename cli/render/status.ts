/** What runs, as lines. Pure. */
import type { SystemStatus } from '../../actors/supervisor/status.ts';
import type { Palette } from './palette.ts';
import { count } from './text.ts';

interface Process {
  name: string;
  pid: number;
}

/** Every process of a status with its pid, in the order in which they start. */
export function processesOf(status: SystemStatus): Process[] {
  const { nats, supervisor, storage, llm, workers } = status;
  return [
    ...(nats?.pid ? [{ name: 'nats-server', pid: nats.pid }] : []),
    ...(supervisor ? [{ name: 'supervisor', pid: supervisor.pid }] : []),
    ...storage.map(({ pid }) => ({ name: 'storage', pid })),
    ...llm.map(({ pid }) => ({ name: 'llm', pid })),
    ...workers.map(({ id, pid }) => ({ name: `worker ${id}`, pid })),
  ];
}

const pids = (processes: { pid: number }[]) => processes.map(({ pid }) => `pid ${pid}`).join(', ');

/** Lines of `reprise status`. */
export function renderStatus(status: SystemStatus, palette: Palette): string {
  const { nats, storage, llm, workers, durability, problem, phase } = status;
  const paint = phase === 'ready' ? palette.green : palette.yellow;
  const isServed = phase === 'stopped' && storage.length > 0 && workers.length > 0;
  const lines = [['system', isServed ? palette.green('run by others') : paint(phase)]];
  if (durability !== null && phase !== 'stopped') lines.push(['durability', durability]);
  if (nats !== null) {
    const absent = problem === undefined ? 'not started by us' : 'does not answer';
    const where = nats.pid === null ? absent : `pid ${nats.pid}`;
    lines.push(['nats', `${nats.url}  ${nats.version || 'version unknown'}  ${palette.dim(where)}`]);
  }
  if (storage.length > 0) lines.push(['storage', palette.dim(pids(storage))]);
  if (llm.length > 0) lines.push(['llm', palette.dim(pids(llm))]);
  for (const { id, pid, sessions } of workers) {
    lines.push(['worker', `${id}  ${count(sessions, 'session')}  ${palette.dim(`pid ${pid}`)}`]);
  }
  if (problem !== undefined) lines.push(['problem', palette.red(problem)]);
  const text = lines.map(([name, value]) => `${palette.dim(name!.padEnd(11))}${value}\n`).join('');
  if (phase !== 'stopped' || isServed) return text;
  return `${text}${palette.dim('Nothing runs. Start it with `reprise up`, or just use a session.')}\n`;
}

/** What `reprise up` did: the processes that are there now and were not before, and the other way round. */
export function renderStarted(before: SystemStatus, after: SystemStatus, palette: Palette): string {
  const beyond = (these: SystemStatus, those: SystemStatus) => {
    const pids = new Set(processesOf(those).map(({ pid }) => pid));
    return processesOf(these).filter(({ pid }) => !pids.has(pid));
  };
  const lines = [
    ...beyond(before, after).map((process) => ['stopped', process] as const),
    ...beyond(after, before).map((process) => ['started', process] as const),
  ];
  if (lines.length === 0) return `already up: ${count(after.workers.length, 'worker')}\n`;
  return lines.map(([did, { name, pid }]) => `${did} ${name} ${palette.dim(`(pid ${pid})`)}\n`).join('');
}
