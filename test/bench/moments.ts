/** Time travel: a look at any event of a session, near and far, and forks there, against a look at it as it is. */
import type { TestSystem } from '../kit/system.ts';
import type { Floors } from './floors.ts';
import { median, ms, percentile, print, series, times } from './measure.ts';

const SIZES = [100, 5_000];
const JUMPS = 200;

export async function moments(system: TestSystem, { roundTripMs }: Floors): Promise<void> {
  const client = await system.connect();
  const rows = [];
  for (const cells of SIZES) {
    const name = `moments-${cells}`;
    await client.execute(name, 'let x = 1');
    for (let cell = 2; cell <= cells; cell++) await client.execute(name, 'x = x + 1');
    const { metadata } = await client.inspect(name);
    let newest = metadata.eventCount - 1;
    const looks = await series(JUMPS, () => client.inspect(name), 20);
    const at = async (seq: number) => {
      const { state, seq: there } = await client.at(name, seq);
      const x = Number(state.variables.find((variable) => variable.name === 'x')?.preview ?? 0);
      // Two events a cell, a `session` before them, checkpoints between them.
      if (there !== seq || x > (seq + 1) / 2 + 1) throw new Error(`at ${seq} of ${name} x is ${x}`);
    };
    const jumps = await series(JUMPS, () => at(Math.floor(Math.random() * (newest + 1))), 20);
    const steps = await series(JUMPS, () => at(newest--));
    let bytes = 0;
    let forked = 0;
    const forks = await series(
      JUMPS,
      async () => {
        const seq = Math.floor(Math.random() * metadata.eventCount);
        const { parent, bytesWritten } = await client.fork(name, `${name}-${forked++}`, seq);
        if (parent.seq !== seq) throw new Error(`a fork at ${seq} is one at ${parent.seq}`);
        bytes = Math.max(bytes, bytesWritten);
      },
      20,
    );
    rows.push(
      { what: `look at a session of ${metadata.eventCount} events as it is`, figure: ms(median(looks)) },
      {
        what: `jump to any of its events (${metadata.checkpointCount} checkpoints)`,
        figure: ms(median(jumps)),
        ratio: times(median(jumps) / roundTripMs),
        note: `worst ${ms(percentile(jumps, 100))}`,
      },
      {
        what: 'fork at any of its events',
        figure: ms(median(forks)),
        ratio: times(median(forks) / roundTripMs),
        note: `worst ${ms(percentile(forks, 100))}, at most ${bytes} bytes`,
      },
      { what: 'step back', figure: ms(median(steps)), ratio: times(median(steps) / roundTripMs) },
    );
  }
  print('Moments (ratio: to a bare round trip)', rows);
  await client.disconnect();
}
