/** Fights for a lock: takes it, notes "in" and "out" in a file, releases it or dies holding it. */
import { appendFileSync } from 'node:fs';
import { register } from 'tsx/esm/api';

register();
const { lockWithin } = await import('../../actors/supervisor/lock.ts');
const [dir, rounds] = process.argv.slice(2);
for (let round = 0; round < Number(rounds); round += 1) {
  const lock = await lockWithin(dir, 'fight', 60_000);
  appendFileSync(`${dir}/journal`, `in ${process.pid}\n`);
  await new Promise((resolve) => setTimeout(resolve, 2));
  appendFileSync(`${dir}/journal`, `out ${process.pid}\n`);
  if (round === Number(rounds) - 1) process.kill(process.pid, 'SIGKILL'); // still holding it
  lock.release();
}
