/**
 * Runs seeds by hand: `npx tsx test/simulation/run.ts <from> <count> [trace]`; with REPRISE_SIMULATION_KERNEL=real on the
 * real kernel, where a seed does not give quite the same run twice.
 */

import { realKernels, toyKernels } from './kernels.ts';
import { simulate } from './simulation.ts';

const [from = 1, count = 100] = process.argv.slice(2, 4).map(Number);
const trace = process.argv[4] === 'trace' ? (line: string) => console.log(line) : undefined;
const kernels = process.env.REPRISE_SIMULATION_KERNEL === 'real' ? await realKernels() : toyKernels();
let current = 0;
process.on('unhandledRejection', (error) => {
  console.log(`seed ${current}: unhandled`, error);
  process.exitCode = 1;
});
const failures: number[] = [];
for (let seed = from; seed < from + count; seed++) {
  current = seed;
  try {
    const started = performance.now();
    const { executions, repeats } = await simulate({ seed, trace, kernels });
    if (count === 1 || process.argv[4])
      console.log(
        seed,
        Math.round(performance.now() - started),
        executions.length,
        executions.filter(({ reply }) => reply).length,
        repeats.length,
      );
  } catch (error) {
    failures.push(seed);
    console.log(
      `seed ${seed}: ${error instanceof Error ? (count === 1 ? error.stack : error.message.slice(0, 300)) : error}`,
    );
  }
}
console.log(`${count} seeds, ${failures.length} failed`, failures.slice(0, 20).join(' '));
await kernels.close();
