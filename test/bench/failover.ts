/** kill -9 of a session's owner, to the first correct answer from another worker. */
import type { TestSystem } from '../kit/system.ts';
import { until } from '../kit/until.ts';
import { median, ms, percentile, print } from './measure.ts';

const ROUNDS = 20;
const REST_MS = 1_500;

export async function failover(system: TestSystem): Promise<void> {
  // Restarts back off under so many kills: with four workers two are ready at any time. One death is measured,
  // not how well a machine starts processes meanwhile: the others have come to rest.
  await system.processes.up({ workers: 4 });
  const others = async (pid: number) => {
    await until(
      () =>
        system.state.children.filter((child) => child.role === 'worker' && child.ready && child.pid !== pid)
          .length >= 2,
    );
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
  };
  const client = await system.connect();
  let { worker } = await client.execute('failover', 'let x = 0');
  let expected = 0;
  const idle: number[] = [];
  const inCell: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let count = 0; count < 20; count++) {
      ({ worker } = await client.execute('failover', 'x = x + 1'));
      expected++;
    }
    const pid = system.pidOf(worker);
    const started = performance.now();
    process.kill(pid, 'SIGKILL');
    const { output, worker: next } = await client.execute('failover', 'x');
    idle.push(performance.now() - started);
    if (output !== String(expected)) throw new Error(`x is ${output} instead of ${expected}`);
    if (next === worker) throw new Error('the dead worker answered');
    await others(pid);
  }
  for (let round = 0; round < ROUNDS; round++) {
    ({ worker } = await client.execute('failover', 'x'));
    const pid = system.pidOf(worker);
    const answer = client.execute('failover', 'for (let i = 0; i < 1e6; i++); ++x');
    await new Promise((resolve) => setTimeout(resolve, 15));
    const started = performance.now();
    process.kill(pid, 'SIGKILL');
    const { output } = await answer;
    inCell.push(performance.now() - started);
    if (output !== String(++expected)) throw new Error(`x is ${output} instead of ${expected}`);
    await others(pid);
  }
  const row = (what: string, sample: number[]) => ({
    what,
    figure: ms(median(sample)),
    note: `worst of ${ROUNDS}: ${ms(percentile(sample, 100))}`,
  });
  print('kill -9 of the owner to the first correct answer', [
    row('next command', idle),
    row('in the middle of a cell (its run time included)', inCell),
  ]);
}
