/** A kind of effect is one file: here is one, which nothing else in the system has heard of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { plainKind } from '../../actors/effects/kind.ts';
import { KINDS } from '../../actors/effects/kinds.ts';
import type { Schema } from '../../bus/schema.ts';
import type { Json } from '../../bus/types.ts';
import { until } from '../kit/until.ts';
import { startWorld, type World } from './world.ts';

/** Throws dice; waits for ever when there are none, and says when it is given up. */
function dice() {
  const facts = { thrown: 0, waiting: 0, givenUp: 0 };
  const kind = plainKind('dice', {
    call: 'dice',
    request: v.object({ count: v.pipe(v.number(), v.minValue(0)) }) as unknown as Schema<Json>,
    reply: v.array(v.number()) as unknown as Schema<Json>,
    detail: (payload) => `${(payload as { count: number }).count} dice`,
    perform(_ports, { payload }, answer, signal) {
      const { count } = payload as { count: number };
      if (count > 6) throw new Error('there are six dice');
      if (count === 6) return answer({ value: 'six' });
      if (count > 0) {
        facts.thrown += 1;
        return answer({ value: Array.from({ length: count }, (_, index) => index + 1) });
      }
      facts.waiting += 1;
      signal.addEventListener('abort', () => {
        facts.givenUp += 1;
      });
    },
  });
  return { kind, facts };
}

async function diceWorld(): Promise<{ world: World; facts: ReturnType<typeof dice>['facts'] }> {
  const { kind, facts } = dice();
  return { world: await startWorld({ kinds: [...KINDS, kind] }), facts };
}

test('cells ask for an effect of a new kind, its log says so, and another worker replays it without asking again', async () => {
  const { kind, facts } = dice();
  const kinds = [...KINDS, kind];
  await using world = await startWorld({ kinds });
  const { output } = await world.client.execute('s', 'let threw = await dice({ count: 3 }); threw');
  assert.equal(output, '[ 1, 2, 3 ]');
  const events = await world.events('s');
  const asked = events.find((event) => event.type === 'effect_req')!;
  assert.deepEqual([asked.kind, asked.payload], ['dice', { count: 3 }]);
  const answered = events.find((event) => event.type === 'effect_resp')!;
  assert.deepEqual([answered.kind, answered.effect, answered.value], ['dice', asked.effect, [1, 2, 3]]);
  await world.kill(world.workers[0]!.worker);
  await world.addWorker({ kinds });
  assert.equal((await world.client.execute('s', 'threw.length')).output, '3');
  assert.equal(facts.thrown, 1);
  assert.equal((await world.client.replay('s')).divergence, undefined);
});

test('what a kind does not take or give, and what it throws, are errors that the cell catches', async () => {
  const { world } = await diceWorld();
  await using _ = world;
  const caught = async (argument: string) =>
    (await world.client.execute('s', `try { await dice(${argument}) } catch (error) { error.message }`))
      .output;
  assert.match(await caught("{ count: 'x' }"), /^'dice: .*count/);
  assert.match(await caught(''), /^'dice: /);
  assert.match(await caught('{ count: 6 }'), /^'dice answered: /);
  assert.match(await caught('{ count: 7 }'), /there are six dice/);
  assert.match(await caught('() => 1'), /dice/);
});

test('one that nobody waits for any more is told so, and readers see which ones are waited for', async () => {
  const { world, facts } = await diceWorld();
  await using _ = world;
  const cell = world.client.execute('s', 'await dice({ count: 0 })');
  await until(async () => facts.waiting === 1);
  const { state } = await world.client.inspect('s');
  assert.deepEqual(
    state.pending.map(({ kind, detail }) => [kind, detail]),
    [['dice', '0 dice']],
  );
  await world.client.interrupt('s');
  assert.equal((await cell).error?.name, 'InterruptedError');
  await until(async () => facts.givenUp === 1);
});

test('a worker that does not know a kind says so to the cell', async () => {
  const { kind } = dice();
  await using world = await startWorld({ kernel: { calls: [{ name: 'dice', kind: kind.kind }] } });
  const { error } = await world.client.execute('s', 'await dice({ count: 1 })');
  assert.match(error!.message, /does not know effects of kind "dice"/);
});
