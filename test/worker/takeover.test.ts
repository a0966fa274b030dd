/** What the next owner makes of what the last one left behind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decode, encode } from '../../bus/codec.ts';
import { until } from '../kit/until.ts';
import { startWorld, subjects } from './world.ts';

describe('a session that changes hands', () => {
  it('continues from its log alone, whatever was in the heap', async () => {
    await using world = await startWorld();
    const first = world.workers[0]!.worker;
    await world.client.execute(
      's',
      'class Box { #v = 1; bump() { return ++this.#v } }; const box = new Box(); const gen = (function* () { yield 1; yield 2 })()',
    );
    await world.client.execute('s', '[box.bump(), gen.next().value, Math.random(), crypto.randomUUID()]');
    const next = await world.client.execute('s', 'Math.random()');
    await world.kill(first);
    await world.addWorker();
    assert.equal((await world.client.execute('s', '[box.bump(), gen.next().value]')).output, '[ 3, 2 ]');
    assert.equal((await world.client.replay('s')).verified, true);
    assert.notEqual((await world.client.execute('s', 'Math.random()')).output, next.output);
  });

  it('starts from the newest checkpoint and replays only what came after', async () => {
    await using world = await startWorld();
    for (let count = 0; count < 5; count++)
      await world.client.execute('s', 'globalThis.n = (globalThis.n ?? 0) + 1');
    await world.client.forceSave('s');
    await world.client.execute('s', 'n += 10');
    await world.kill(world.workers[0]!.worker);
    // Without the commits before the checkpoint it still activates: they are not read.
    await world.addWorker();
    assert.equal((await world.client.execute('s', 'n')).output, '15');
  });

  it('replays the whole log when the checkpoint image is lost or damaged', async () => {
    for (const harm of ['lost', 'damaged'] as const) {
      await using world = await startWorld();
      await world.client.execute('s', 'let n = 41');
      await world.client.forceSave('s');
      await world.kill(world.workers[0]!.worker);
      const { stateId } = (await world.log.last('s'))!.commit.head.checkpoint!;
      const image = await world.blobs.get('ckpt', stateId);
      assert.ok(image, 'the image is stored under its stateId');
      await world.blobs.remove('ckpt', [stateId]);
      if (harm === 'damaged')
        await world.blobs.put(
          'ckpt',
          stateId,
          image.map((byte, index) => (index > image.length / 2 ? byte ^ 1 : byte)),
        );
      await world.addWorker();
      assert.equal((await world.client.execute('s', 'n + 1')).output, '42', harm);
    }
  });

  it('finishes a cell whose owner died after its input was durable', async () => {
    await using world = await startWorld({ settings: { earlyCommitMs: 1 } });
    await world.client.execute('s', 'let n = 1');
    const answer = world.client.execute('s', 'for (let i = 0; i < 2e6; i++); ++n', { commandId: 'long' });
    await until(async () => (await world.events('s')).length === 4);
    await world.kill(world.workers[0]!.worker);
    await world.addWorker();
    const { output, repeated } = await answer;
    assert.deepEqual(
      [output, repeated],
      ['2', true],
      'the new owner ran it to its end before it saw the retry',
    );
    assert.equal((await world.client.execute('s', 'n')).output, '2');
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('asks again for an answer that had not arrived, under the same receipt key', async () => {
    await using world = await startWorld();
    const answer = world.client.execute('s', "await llm({prompt: 'p', delayMs: 200})", { commandId: 'ask' });
    await until(async () => world.calls.length === 1);
    await world.addWorker();
    await world.kill(world.workers[0]!.worker);
    assert.match((await answer).output, /p/);
    assert.equal(new Set(world.calls).size, 1);
  });

  it('keeps sleeping timers across owners', async () => {
    await using world = await startWorld();
    const answer = world.client.execute(
      's',
      "await new Promise((done) => setTimeout(() => done('up'), 400))",
      { commandId: 'nap' },
    );
    await until(async () =>
      (await world.events('s').catch(() => [])).some(({ type }) => type === 'effect_req'),
    );
    await world.addWorker();
    await world.kill(world.workers[0]!.worker);
    assert.equal((await answer).output, "'up'");
  });

  it('fences the owner that lost, and every command still runs once', async () => {
    await using world = await startWorld();
    await world.addWorker();
    await world.client.execute('s', 'let n = 0');
    const seen = new Set<string>();
    for (let round = 0; round < 10; round++) {
      for (const { worker } of world.workers) {
        const { process: id } = worker.presence();
        const bus = world.hub.connect(`force-${round}-${id}`);
        const bytes = await bus.request(subjects.activateAt(id), encode({ session: 's' }), {
          timeoutMs: 5_000,
        });
        assert.equal((decode(bytes) as { ok: unknown }).ok !== false, true);
        await bus.close();
      }
      for (const { output, error } of await Promise.all(
        [1, 2, 3].map(() => world.client.execute('s', '++n')),
      )) {
        assert.equal(error, null);
        seen.add(output);
      }
    }
    assert.equal(seen.size, 30);
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('refuses a session whose log was altered, and changes nothing', async () => {
    await using world = await startWorld();
    await world.client.execute('s', 'let n = 1');
    await world.client.execute('s', 'n + 1');
    await world.kill(world.workers[0]!.worker);
    const at = world.log.at.bind(world.log);
    world.log.at = async (token, positions) => {
      const commits = await at(token, positions);
      const [output] = commits.flatMap(({ commit }) => commit.events).filter(({ type }) => type === 'output');
      if (output?.type === 'output') output.value = 'another';
      return commits;
    };
    await world.addWorker();
    const replay = await world.client.replay('s');
    assert.deepEqual([replay.verified, replay.divergence?.kind], [false, 'chain']);
    await assert.rejects(world.client.execute('s', 'n'), { code: 'CHAIN_BROKEN' });
  });

  it('hands its sessions over when its worker is told to stop', async () => {
    await using world = await startWorld();
    await world.client.execute('s', 'let n = 1');
    await world.addWorker();
    await world.workers[0]!.worker.stop();
    assert.ok((await world.log.last('s'))!.commit.events.some(({ type }) => type === 'checkpoint'));
    const { output, worker } = await world.client.execute('s', '++n');
    assert.deepEqual([output, worker], ['2', 'worker-2']);
  });
});
