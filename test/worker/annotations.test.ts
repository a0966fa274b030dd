/** Annotations and snapshots in a whole system: who takes over keeps them, forks inherit them, no replay sees them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seqOf } from '../../bus/chain.ts';
import type { RepriseError } from '../../bus/errors.ts';
import { until } from '../kit/until.ts';
import { startWorld, type World } from './world.ts';

const labels = async (world: World, session: string) =>
  (await world.client.annotations(session)).map(({ checkpointSeq, label }) => [checkpointSeq, label]);

/** Nobody owns a session any more, and another worker is there. */
async function takeOver(world: World): Promise<void> {
  for (const { worker } of [...world.workers]) await world.kill(worker);
  await world.addWorker();
}

test('annotations are kept by whoever takes over, with and without a checkpoint, and no replay sees them', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let n = 1; const began = Date.now()');
  const first = await client.annotate('s', { label: 'one', description: 'the first', tags: ['a', 'b'] });
  assert.deepEqual([first.action, first.annotation.checkpointSeq], ['add', 2]);
  await client.execute('s', 'n = 2; Math.random()');
  await client.annotate('s', { label: 'zero', at: 0 });
  await takeOver(world);
  assert.deepEqual(await labels(world, 's'), [
    [2, 'one'],
    [0, 'zero'],
  ]);
  await client.forceSave('s');
  await client.annotate('s', { label: 'one', tags: ['c'], at: 2 });
  await client.annotate('s', { label: 'zero', remove: true });
  await takeOver(world);
  const [only, ...none] = await client.annotations('s');
  assert.deepEqual(none, []);
  assert.deepEqual(only, { ...first.annotation, tags: ['c'] });
  assert.equal((await client.execute('s', 'n')).output, '2');
  for (const schedule of [undefined, 'any']) {
    const { verified, divergence, tails } = await client.verify('s', { schedule });
    assert.deepEqual([verified, divergence, tails], [true, undefined, 1]);
  }
  assert.equal((await client.replay('s')).verified, true);
  const at = await client.at('s', 3, { code: 'n' });
  assert.deepEqual(
    [at.seq, at.evaluated?.output],
    [3, '1'],
    'the moment of an annotation is the one before it',
  );
});

test('an annotation between a cell and its answer, and one between timers, change nothing of what comes', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let ticks = 0; const timer = setInterval(() => { ticks += 1 }, 20)');
  const answer = client.execute(
    's',
    'await llm({ prompt: "slow", delayMs: 200 }); clearInterval(timer); ticks',
  );
  await until(async () => world.calls.length === 1);
  for (let i = 0; i < 5; i++) await client.annotate('s', { label: `n${i}` });
  const { output, error } = await answer;
  assert.equal(error, null);
  const types = (await world.events('s')).map(({ type }) => type);
  assert.ok(types.lastIndexOf('annotation') < types.lastIndexOf('llm_resp'));
  assert.equal((await client.replay('s')).verified, true);
  await takeOver(world);
  assert.equal((await client.execute('s', 'ticks')).output, output);
  assert.equal((await client.verify('s', { schedule: 'x' })).verified, true);
});

test('a fork inherits what was said before its event, and says its own; an edit keeps what it shares', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let n = 1');
  await client.annotate('s', { label: 'early' });
  await client.execute('s', 'n = 2');
  const { seq } = await client.annotate('s', { label: 'late' });
  await client.execute('s', 'n += 5');
  await client.fork('s', 'f', seq - 1);
  assert.deepEqual(await labels(world, 'f'), [[2, 'early']]);
  await client.annotate('f', { label: 'early', remove: true });
  await client.annotate('f', { label: 'own' });
  assert.deepEqual(await labels(world, 's'), [
    [2, 'early'],
    [5, 'late'],
  ]);
  assert.deepEqual(await labels(world, 'f'), [[seq, 'own']]);
  await client.edit('s', 'e', 4, { code: 'n = 10' });
  assert.deepEqual(await labels(world, 'e'), [[2, 'early']]);
  assert.equal((await client.execute('e', 'n')).output, '15');
  for (const name of ['s', 'f', 'e']) assert.equal((await client.replay(name)).verified, true, name);
});

test('a closed session keeps its annotations and takes no more; its fork does', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', '1');
  await client.annotate('s', { label: 'kept' });
  await client.closeSession('s');
  const isClosed = (error: RepriseError) => error.code === 'CLOSED' && /reprise fork/.test(error.hint!);
  await assert.rejects(client.annotate('s', { label: 'no' }), isClosed);
  await assert.rejects(client.checkpoint('s'), isClosed);
  await assert.rejects(client.snapshots.create('s'), isClosed);
  assert.deepEqual(await labels(world, 's'), [[2, 'kept']]);
  await client.fork('s', 'f');
  await client.annotate('f', { label: 'more', at: 1 });
  assert.deepEqual(await labels(world, 'f'), [
    [2, 'kept'],
    [1, 'more'],
  ]);
  await assert.rejects(client.annotate('nobody', { label: 'x' }), { code: 'NOT_FOUND' });
  await assert.rejects(client.annotations('nobody'), { code: 'NOT_FOUND' });
});

test('a snapshot is a checkpoint that is found by its id, and restored as a session of its own', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let n = 1');
  const one = await client.snapshots.create('s', { description: 'the first', tags: ['a'] });
  const two = await client.snapshots.create('s');
  const event = (await world.events('s')).find((each) => seqOf(each) === one.checkpointSeq);
  assert.equal(event?.type, 'checkpoint');
  assert.deepEqual(
    [one.id, one.sessionName, one.description, one.tags],
    [`s@${one.checkpointSeq}`, 's', 'the first', ['a']],
  );
  assert.notEqual(one.id, two.id);
  await client.execute('s', 'n = 2');
  await takeOver(world);
  assert.deepEqual(await client.snapshots.list('s'), [one, two]);
  assert.deepEqual(await client.snapshots.list('s', { tags: ['a'] }), [one]);
  assert.deepEqual(await client.snapshots.get(one.id), one);
  const { parent } = await client.snapshots.restore(one.id, 'r');
  assert.deepEqual(parent, { session: 's', seq: one.checkpointSeq });
  assert.equal((await client.execute('r', 'n')).output, '1');
  await client.snapshots.remove(one.id);
  await assert.rejects(client.snapshots.get(one.id), { code: 'NOT_FOUND' });
  await assert.rejects(client.snapshots.restore(one.id, 'q'), { code: 'NOT_FOUND' });
  await assert.rejects(client.snapshots.get('s'), { code: 'BAD_REQUEST' });
  assert.deepEqual(await client.snapshots.list('s'), [two]);
  for (const name of ['s', 'r']) assert.equal((await client.verify(name)).verified, true, name);
});

test('as many annotations as a session may have are read in pages, and found by tag and words', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', '1');
  for (let i = 0; i < 40; i++) {
    const description = i === 7 ? 'The NEEDLE of it' : 'x'.repeat(3_000);
    await client.annotate('s', { at: 1, label: `l${i}`, description, tags: [`t${i % 2}`] });
  }
  assert.equal((await client.annotations('s')).length, 40);
  assert.equal((await client.annotations('s', { tags: ['t1'] })).length, 20);
  const found = await client.annotations('s', { text: 'needle L7 t1' });
  assert.deepEqual(
    found.map(({ label }) => label),
    ['l7'],
  );
});

test('checkpoint says which one it is, and takes none when nothing has happened', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let n = 1');
  const taken = await client.checkpoint('s');
  assert.deepEqual(await client.checkpoint('s'), taken);
  const event = (await world.events('s')).at(-1)!;
  assert.deepEqual(event.type === 'checkpoint' && [event.seq, event.stateId], [taken.seq, taken.stateId]);
});

test('an annotation of a parked session leaves it parked', async () => {
  await using world = await startWorld({ residency: { parkAfterMs: 1 } });
  const { client } = world;
  await client.execute('s', 'let n = 1');
  const instance = world.workers[0]!.worker.sessions.pool.get('s')!;
  await until(() => instance.parked);
  await client.annotate('s', { label: 'asleep' });
  assert.equal(instance.parked, true);
  assert.deepEqual(
    instance.getChangesSinceLastSave().map(({ type }) => type),
    ['annotation'],
  );
});
