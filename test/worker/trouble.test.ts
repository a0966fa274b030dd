/** A session that cannot be restored: it answers at once, burns nothing, is seen, and can be removed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commitHash, decode, encode } from '../../bus/codec.ts';
import type { Commit } from '../../bus/types.ts';
import { until } from '../kit/until.ts';
import { startWorld, type World } from './world.ts';

/** Changes what the newest cell gave, with hashes that are right. */
function falsify(world: World, session: string): void {
  world.log.tamper(session, (kept) => {
    const newest = kept.at(-1)!;
    const { hash: _, ...commit } = decode(newest.bytes!) as Commit;
    const events = commit.events.map((event) =>
      event.type === 'output' ? { ...event, value: 'no' } : event,
    );
    const content = { ...commit, events };
    return [...kept.slice(0, -1), { ...newest, bytes: encode({ ...content, hash: commitHash(content) }) }];
  });
}

test('a session that cannot be restored is replayed once, told of in the list, and gone with rm', async () => {
  await using world = await startWorld();
  await world.client.execute('s', 'let n = 1');
  await world.client.execute('s', 'n + 1');
  await world.kill(world.workers[0]!.worker);
  falsify(world, 's');
  const replays: string[] = [];
  const addWorker = async () => {
    await world.addWorker();
    const { kernel } = world.workers.at(-1)!;
    const { open } = kernel;
    kernel.open = (key, from) => {
      replays.push(key);
      return open.call(kernel, key, from);
    };
  };
  await addWorker();
  await assert.rejects(world.client.execute('s', 'n'), { code: 'DIVERGED', retryable: false });
  await until(async () => (await world.client.overview()).troubles.length === 1);
  assert.equal(replays.length, 1);
  // Whoever asks, also after everything but storage was started anew.
  await world.kill(world.workers[0]!.worker);
  await addWorker();
  for (const ask of [
    () => world.client.execute('s', 'n'),
    () => world.client.inspect('s'),
    () => world.client.complete('s', 'n', 1),
    () => world.client.interrupt('s'),
    () => world.client.closeSession('s'),
  ]) {
    await assert.rejects(ask(), { code: 'DIVERGED', retryable: false });
  }
  assert.equal(replays.length, 1);
  const [trouble] = (await world.client.overview()).troubles;
  assert.deepEqual([trouble!.session, trouble!.code, trouble!.tries], ['s', 'DIVERGED', 1]);
  assert.ok(trouble!.nextAt > Date.now());
  assert.equal((await world.events('s')).at(-1)?.type, 'output');
  assert.equal((await world.client.replay('s')).verified, false);
  assert.equal(await world.client.deleteSession('s'), true);
  assert.deepEqual((await world.client.overview()).troubles, []);
  assert.equal((await world.client.execute('s', '1')).output, '1');
});
