/** Timers cost what they are many, are bounded, and what goes on in the background is counted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { EFFECTS_MAX } from '../../bus/limits.ts';
import { OwnedSession } from '../kit/owned-session.ts';
import { startSystem } from '../kit/system.ts';
import { until } from '../kit/until.ts';

describe('a session with many timers', () => {
  it('arms as many as it may, refuses one more by an error that can be caught, and goes on', async () => {
    await using system = await startSystem({ workers: 1 });
    const client = await system.connect();
    const fill = `let made = 0, refused = null; try { for (;;) { setTimeout(() => { fired++ }, 20); made++ } }
      catch (error) { refused = error } globalThis.fired = 0; [made, refused.name]`;
    const reply = await client.execute('many', fill);
    assert.equal(reply.error, null);
    assert.equal(reply.output, `[ ${EFFECTS_MAX}, 'RangeError' ]`);
    await until(async () => (await client.execute('many', 'fired')).output === String(EFFECTS_MAX));
    assert.equal((await client.execute('many', 'clearTimeout(setTimeout(() => {}, 1)); 1')).output, '1');
    assert.equal((await client.replay('many')).divergence, undefined);
  });

  it('is without a bound when it was born before there was one', async () => {
    const host = await makeKernelHost({ threads: 1 });
    try {
      const code = `for (let i = 0; i <= ${EFFECTS_MAX}; i++) setTimeout(() => {}, 1000); 'all'`;
      const old = await OwnedSession.open(host, 'old', 1);
      assert.equal((await old.run(code)).result?.text, "'all'");
      const young = await OwnedSession.open(host, 'young');
      assert.equal((await young.run(code)).error?.name, 'RangeError');
      assert.equal((await old.replay()).divergence, null);
    } finally {
      await host.close();
    }
  });

  it('keeps an interval that fires while all places are taken', async () => {
    const host = await makeKernelHost({ threads: 1 });
    try {
      const session = await OwnedSession.open(host, 's');
      await session.run('let ticks = 0; setInterval(() => { ticks++ }, 5)');
      const interval = [...session.fold.effects][0]!;
      await session.run('try { for (;;) setTimeout(() => {}, 1000) } catch {}');
      await session.answer(interval);
      const again = [...session.fold.effects].find(
        ({ payload }) => (payload as { delayMs: number }).delayMs === 5,
      );
      await session.answer(again!);
      assert.equal((await session.run('ticks')).result?.text, '2');
    } finally {
      await host.close();
    }
  });
});

describe('the background of a session', () => {
  it('pauses when its turns are used up, says so, and goes on with the next command', async () => {
    await using system = await startSystem({ workers: 2, env: { REPRISE_BACKGROUND_TURNS: '20' } });
    const client = await system.connect();
    const loop = 'globalThis.n = 0; (function again() { n++; setTimeout(again, 1) })()';
    const { worker } = await client.execute('loop', loop);
    const paused = async () => (await client.inspect('loop')).state.background;
    await until(async () => (await paused())?.paused === true);
    assert.deepEqual(await paused(), { turns: 20, limit: 20, paused: true });
    // Not the count of events: a machine that is slow takes a checkpoint meanwhile.
    const turns = async () => (await client.inspect('loop')).state.variables.find(({ name }) => name === 'n');
    const before = await turns();
    assert.equal(before?.preview, '21');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(await turns(), before, 'nothing runs while it is paused');
    // Its next owner lets it rest, too.
    system.kill(worker);
    assert.deepEqual(await paused(), { turns: 20, limit: 20, paused: true });
    assert.equal((await client.execute('loop', 'n')).output, '21');
    await until(async () => (await paused())?.paused === true);
    const events = [];
    for await (const event of client.events('loop')) events.push(event);
    assert.deepEqual(
      events.filter(({ type }) => type === 'paused').map((event) => ({ ...event, seq: 0, timestamp: '' })),
      Array(2).fill({ type: 'paused', seq: 0, timestamp: '', turns: 20, limit: 20 }),
    );
    assert.equal((await client.replay('loop')).divergence, undefined);
  });
});
