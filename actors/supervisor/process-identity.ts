/** Which process a pid means: a pid is reused, so it is remembered together with when its process started. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessRecord {
  pid: number;
  /** When the process started, in the platform's own terms; '' where the platform does not tell. */
  start: string;
}

/** The process that has this pid now, or null when there is none (a zombie is none: it has ended). */
export function identify(pid: number): ProcessRecord | null {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return null;
  }
  if (process.platform === 'linux') return identifyByProc(pid);
  if (process.platform === 'darwin') {
    try {
      const start = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
      return start === '' ? null : { pid, start };
    } catch {
      return null;
    }
  }
  return { pid, start: '' };
}

function identifyByProc(pid: number): ProcessRecord | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The command may contain spaces and brackets; what follows its last ')' starts with the state (field 3).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A leader can be a zombie while its other threads still end and hold ports and files: then it is not over yet.
  const threads = Number(fields[17]);
  if (fields[0] === 'X' || (fields[0] === 'Z' && threads <= 1)) return null;
  return { pid, start: `${bootId()}:${fields[19]}` };
}

let boot: string | undefined;
function bootId(): string {
  if (boot !== undefined) return boot;
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    boot = '';
  }
  return boot;
}

/** True when the recorded process still runs (the same one, not another that got its pid). */
export function isRunning(record: ProcessRecord | null | undefined): boolean {
  if (!record) return false;
  const now = identify(record.pid);
  return now !== null && (record.start === '' || now.start === record.start);
}

/** Sends a signal to the recorded process, if it still runs; returns whether it did. */
export function signal(record: ProcessRecord, name: NodeJS.Signals): boolean {
  if (!isRunning(record)) return false;
  try {
    process.kill(record.pid, name);
    return true;
  } catch {
    return false;
  }
}

/** This process. */
export function identifySelf(): ProcessRecord {
  return identify(process.pid) ?? { pid: process.pid, start: '' };
}

/** Resolves once the recorded process is gone, or with false after `timeoutMs`. */
export async function waitForExit(record: ProcessRecord, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isRunning(record)) {
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** SIGTERM, then SIGKILL after `graceMs`; resolves once the process is gone. */
export async function terminate(record: ProcessRecord, graceMs: number): Promise<void> {
  signal(record, 'SIGTERM');
  signal(record, 'SIGCONT'); // a frozen process hears nothing
  if (await waitForExit(record, graceMs)) return;
  signal(record, 'SIGKILL');
  await waitForExit(record, 5_000);
}
