/** SIGSTOP that has taken effect. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { until } from './until.ts';

/**
 * Stops a process and resolves when none of its threads runs any more: the signal alone returns earlier, and
 * the process may still answer a request or two.
 */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until(() => states(pid).every((state) => state === 'T'));
}

/** State letters of a process's threads (where there is no /proc: of the process). */
function states(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) {
    return [
      execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' })
        .trim()
        .charAt(0),
    ];
  }
  // "<pid> (<name>) <state> …", and the name may contain anything
  return readdirSync(tasks).map((task) =>
    readFileSync(`${tasks}/${task}/stat`, 'utf8').split(') ').pop()!.charAt(0),
  );
}
