/**
 * The whole system under random faults, on virtual time. A seed that fails fails again:
 * `npx tsx test/simulation/run.ts <seed> 1 trace`. REPRISE_SIMULATIONS sets how many seeds run. Of the slower profile, on
 * the real kernel, one short run is here; more of it by hand.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { realKernels } from './kernels.ts';
import { simulate } from './simulation.ts';

const SEEDS = Number(process.env.REPRISE_SIMULATIONS) || 10;
const CALM_SEEDS = Math.ceil(SEEDS / 2);

describe('a simulated system', () => {
  it(`keeps its promises under the faults of ${SEEDS} seeds`, async () => {
    let acknowledged = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        // A long past is most of what a seed costs: one of them has it.
        const { executions } = await simulate(seed === 1 ? { seed } : { seed, pastMost: 1_000 });
        acknowledged += executions.filter(({ reply }) => reply).length;
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    assert.ok(acknowledged > SEEDS, 'commands were acknowledged');
  });

  it(`answers every command once, in its time, when nothing fails, under ${CALM_SEEDS} seeds`, async () => {
    for (let seed = 1; seed <= CALM_SEEDS; seed++) {
      const { executions } = await simulate({ seed, calm: true, pastMost: 200 });
      for (const { session, commandId, reply, error } of executions) {
        if (session === 'ancient' && !reply && !error) continue; // of its past
        const isAnswered = reply !== undefined || error?.code === 'CLOSED' || session.startsWith('brief');
        assert.ok(isAnswered, `seed ${seed}: ${commandId} of ${session} was told ${error?.code}`);
      }
    }
  });

  it('keeps them on the real kernel', async () => {
    const kernels = await realKernels();
    try {
      const { executions } = await simulate({ seed: 1, chaosMs: 1_000, pastMost: 200, kernels });
      assert.ok(executions.some(({ reply }) => reply));
    } finally {
      await kernels.close();
    }
  });

  it('gives the same run for the same seed', async () => {
    const trace = async () => {
      const lines: string[] = [];
      await simulate({ seed: 7, chaosMs: 1_500, trace: (line) => lines.push(line) });
      return lines;
    };
    assert.deepEqual(await trace(), await trace());
  });
});
