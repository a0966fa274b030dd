/** Memory of parked sessions, and what a checkpoint costs. */
import { readFileSync } from 'node:fs';
import type { SessionEvent } from '../../bus/types.ts';
import { startSystem, type TestSystem } from '../kit/system.ts';
import { until } from '../kit/until.ts';
import { median, ms, print, series } from './measure.ts';

const SESSIONS = 1_000;
/** A worker that has nothing to do gives memory back after a moment. */
const QUIET_MS = 3_000;

function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN);
}

export async function footprint(_system: TestSystem): Promise<void> {
  // One worker alone, which parks at once.
  await using system = await startSystem({
    workers: 1,
    env: { REPRISE_PARK_AFTER_MS: '100', REPRISE_MAX_SESSIONS: '5000' },
  });
  const client = await system.connect();
  await client.execute('checkpointed', 'let x = 0');
  const checkpoints = await series(
    200,
    async () => {
      await client.execute('checkpointed', 'x = x + 1');
      await client.forceSave('checkpointed');
    },
    20,
  );
  const plain = await series(200, () => client.execute('checkpointed', 'x = x + 1'), 20);
  const sizes: number[] = [];
  for await (const event of client.events('checkpointed') as AsyncIterable<SessionEvent>) {
    if (event.type === 'checkpoint') sizes.push(event.sizeBytes ?? 0);
  }

  for (let index = 0; index < 100; index++) await client.execute(`warm-${index}`, 'let a = 1');
  const pid = system.pidOf('worker');
  const parked = async () => {
    const listed = await client.listSessions();
    return listed.every(({ checkpointCount }) => checkpointCount > 0);
  };
  await until(parked, 60_000);
  const quiet = () => new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  await quiet();
  const before = residentKb(pid);
  for (let index = 0; index < SESSIONS; index++) {
    await client.execute(
      `parked-${index}`,
      'let user = {name: "n", items: [1, 2, 3]}; const f = (n) => n + 1; f(1)',
    );
  }
  await until(parked, 120_000);
  await quiet();
  const after = residentKb(pid);
  print('Footprint', [
    {
      what: 'checkpoint after a small cell',
      figure: `${Math.round(median(sizes) / 1024)} KB`,
      note: `${ms(median(checkpoints) - median(plain))} more than the cell alone`,
    },
    {
      what: `memory per parked session over ${SESSIONS}`,
      figure: `${((after - before) / SESSIONS).toFixed(0)} KB`,
      note: `worker before ${Math.round(before / 1024)} MB, after ${Math.round(after / 1024)} MB (RSS)`,
    },
  ]);
}
