/** The hot path: one command of a warm session, and 64 sessions at once. */
import type { TestSystem } from '../kit/system.ts';
import type { Floors } from './floors.ts';
import { median, ms, percentile, print, series, times } from './measure.ts';

const COUNT = 3_000;
const SESSIONS = 64;
const EACH = 150;
const WARM_UP = 50;

export async function exec(system: TestSystem, floors: Floors): Promise<void> {
  const client = await system.connect();
  await client.execute('hot', 'let x = 0');
  const sample = await series(COUNT, () => client.execute('hot', 'x = x + 1'), 500);
  const sum = 2 * floors.roundTripMs + floors.publishMs;
  const sum99 = 2 * percentile(floors.roundTripsMs, 99) + percentile(floors.publishesMs, 99);

  const firsts = await series(100, (index) => client.execute(`new-${index}`, '1 + 1'), 5);

  const names = Array.from({ length: SESSIONS }, (_, index) => `many-${index}`);
  await Promise.all(names.map((name) => client.execute(name, 'let x = 0')));
  const all = (rounds: number) =>
    Promise.all(
      names.map(async (name) => {
        for (let round = 0; round < rounds; round++) await client.execute(name, 'x = x + 1');
      }),
    );
  await all(WARM_UP);
  const started = performance.now();
  await all(EACH);
  const perS = (SESSIONS * EACH * 1000) / (performance.now() - started);
  const counts = await Promise.all(names.map((name) => client.execute(name, 'x')));
  if (counts.some(({ output }) => output !== String(WARM_UP + EACH)))
    throw new Error('a command was lost or repeated');

  print('One command, `x = x + 1`, durable before it is answered', [
    {
      what: 'p50',
      figure: ms(median(sample)),
      ratio: times(median(sample) / sum),
      note: `of two bare round trips + one bare publish (${ms(sum)})`,
    },
    {
      what: 'p99',
      figure: ms(percentile(sample, 99)),
      ratio: times(percentile(sample, 99) / sum99),
      note: `of the sum of their p99 (${ms(sum99)})`,
    },
    {
      what: 'first command of a new session',
      figure: ms(median(firsts)),
      ratio: times(median(firsts) / sum),
      note: `p99 ${ms(percentile(firsts, 99))}`,
    },
    {
      what: `${SESSIONS} sessions at once`,
      figure: `${Math.round(perS)}/s`,
      ratio: times(perS / floors.publishesPerS),
      note: `of bare publishes from one process (${Math.round(floors.publishesPerS)}/s)`,
    },
  ]);
}
