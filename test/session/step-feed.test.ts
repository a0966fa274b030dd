import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { KernelStep, Turn } from '../../actors/kernel/port.ts';
import { StepFeed } from '../../actors/timeline/step-feed.ts';

const stepAt = (seq: number, code = 'x'): KernelStep => ({ type: 'input', seq, timeMs: 0, cell: seq, code });
const turnOf = (step: KernelStep) => ({ fuel: step.seq }) as Turn;

/** Answers with turns that tell their steps, and keeps what each call was given. */
function recorder(poisonedAt = -1) {
  const calls: number[][] = [];
  return {
    calls,
    async apply(step: KernelStep): Promise<Turn> {
      calls.push([step.seq]);
      return turnOf(step);
    },
    async applyAll(steps: readonly KernelStep[]): Promise<Turn[]> {
      const end = steps.findIndex(({ seq }) => seq === poisonedAt);
      const done = end < 0 ? steps : steps.slice(0, end + 1);
      calls.push(done.map(({ seq }) => seq));
      return done.map(turnOf);
    },
  };
}

describe('feeding a replay with turns', () => {
  it('gives every step its turn, once and in order, whatever lies between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), fc.boolean()), { maxLength: 150 }), async (shape) => {
        const kernel = recorder();
        const plan = shape.map(([hasStep], index) => (hasStep ? stepAt(index) : null));
        const feed = new StepFeed(kernel, plan, (index) => !shape[index]![0] && shape[index]![1]);
        for (const [index, step] of plan.entries()) {
          if (step) assert.equal((await feed.turnOf(index)).fuel, index);
        }
        const wanted = plan.flatMap((step, index) => (step ? [index] : []));
        assert.deepEqual(kernel.calls.flat(), wanted);
        for (const call of kernel.calls) {
          const ends = shape.findIndex(([hasStep, stops], at) => at > call[0]! && !hasStep && stops);
          assert.ok(ends < 0 || call.every((at) => at < ends), 'a call goes beyond what ends its run');
        }
      }),
    );
  });

  it('asks the kernel once for many small steps, and alone for the last event of the log', async () => {
    const kernel = recorder();
    const plan = Array.from({ length: 10 }, (_, index) => stepAt(index));
    const feed = new StepFeed(kernel, plan, () => false);
    for (let index = 0; index < plan.length; index++) await feed.turnOf(index);
    assert.deepEqual(kernel.calls, [[0, 1, 2, 3, 4, 5, 6, 7, 8], [9]]);
  });

  it('puts large cells into calls of their own', async () => {
    const kernel = recorder();
    const plan = Array.from({ length: 4 }, (_, index) => stepAt(index, 'y'.repeat(200_000)));
    const feed = new StepFeed(kernel, plan, () => false);
    for (let index = 0; index < plan.length; index++) await feed.turnOf(index);
    assert.deepEqual(kernel.calls, [[0], [1], [2], [3]]);
  });

  it('asks again for what a poisoned turn has cut off', async () => {
    const kernel = recorder(2);
    const plan = Array.from({ length: 6 }, (_, index) => stepAt(index));
    const feed = new StepFeed(kernel, plan, () => false);
    for (let index = 0; index < plan.length; index++) await feed.turnOf(index);
    assert.deepEqual(kernel.calls, [[0, 1, 2], [3, 4], [5]]);
  });
});
