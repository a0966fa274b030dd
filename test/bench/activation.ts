/** Activation must not grow with history: the first command after all workers were killed. */
import type { TestSystem } from '../kit/system.ts';
import { median, ms, print, timed, times } from './measure.ts';

const SIZES = [100, 1_000, 10_000];
const SESSIONS = 3;
const ROUNDS = 9;
const REST_MS = 1_500;

export async function activation(system: TestSystem): Promise<void> {
  const client = await system.connect();
  const names = SIZES.flatMap((size) =>
    Array.from({ length: SESSIONS }, (_, index) => ({ size, name: `past-${size}-${index}` })),
  );
  await Promise.all(
    names.map(async ({ size, name }) => {
      await client.execute(name, 'let x = 0');
      for (let count = 1; count < size; count++) await client.execute(name, 'x = x + 1');
    }),
  );
  const samples = new Map<number, number[]>(SIZES.map((size) => [size, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const workers = system.state.children.filter(({ role }) => role === 'worker');
    for (const { pid } of workers) process.kill(pid, 'SIGKILL');
    await system.healthy(workers.at(-1)!.pid);
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    // The first activation of a fresh worker pays for its warm-up, not for history.
    for (let index = 0; index < 4; index++) await client.execute(`warm-${round}-${index}`, '1');
    // Each round begins with another one: whatever still warms up is nobody's history.
    for (const { size, name } of [...names.slice(round), ...names.slice(0, round)]) {
      let output = '';
      samples.get(size)!.push(await timed(async () => ({ output } = await client.execute(name, 'x'))));
      if (output !== String(size - 1)) throw new Error(`${name} has ${output} instead of ${size - 1}`);
    }
  }
  const first = median(samples.get(SIZES[0]!)!);
  print(
    'Activation: first command after kill -9 of all workers',
    SIZES.map((size) => {
      const sample = samples.get(size)!;
      return {
        what: `${size} past commands`,
        figure: ms(median(sample)),
        ratio: times(median(sample) / first),
        note: `worst ${ms(Math.max(...sample))}`,
      };
    }),
  );
}
