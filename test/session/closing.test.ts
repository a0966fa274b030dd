/** Closing a session: nothing in it waits any longer, everybody is answered once, and in their order. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RepriseError } from '../../bus/errors.ts';
import type { Op } from '../simulation/toy-heap.ts';
import { SessionWorld } from './session-world.ts';

const LONG: Op[] = [['inc'], ['sleep', 3_600_000], ['inc']];

const told = (work: Promise<{ output?: string; error?: { name: string } | null }>) =>
  work.then(
    ({ output, error }) => error?.name ?? output ?? 'closed',
    (thrown) => RepriseError.from(thrown).code,
  );

describe('a session that is closed', () => {
  it('gives up the cell that waits, and runs what was sent before the close', async () => {
    const world = new SessionWorld();
    const answers = [
      told(world.submit('a', LONG)),
      told(world.submit('b', [['inc']])),
      told(world.submit('c', LONG)),
      told(world.session.closeSession('done') as Promise<object>),
      told(world.submit('d', [['inc']])),
    ];
    assert.deepEqual(await world.settled(Promise.all(answers)), [
      'InterruptedError',
      '2',
      'InterruptedError',
      'closed',
      'CLOSED',
    ]);
  });

  it('does so wherever its cell is: before it begins, while it computes, while it is committed', async () => {
    for (let delayMs = 0; delayMs < 40; delayMs++) {
      const world = new SessionWorld();
      world.hopMs = 3;
      world.onAppend = () => new Promise<void>((done) => world.clock.setTimer(done, 5));
      const cell = told(world.submit('a', [['compute', 8], ...LONG]));
      await world.clock.advance(delayMs);
      const close = told(world.session.closeSession('done') as Promise<object>);
      assert.deepEqual(await world.settled(Promise.all([cell, close])), ['InterruptedError', 'closed']);
      const again = told(world.submit('a', [['compute', 8], ...LONG]));
      assert.equal(await world.settled(again), 'InterruptedError', 'the retry is told the same');
    }
  });

  it('is closed too when its worker is lost meanwhile, once it is asked again', async () => {
    const world = new SessionWorld();
    void told(world.submit('a', LONG));
    await world.clock.advance(20);
    world.kernel.crash();
    const close = told(world.session.closeSession('done') as Promise<object>);
    assert.equal(await world.settled(close), 'closed');
    assert.equal(world.session.state, 'closed');
  });

  it('strikes what computes for long: the cell that runs, and those before the close, too', async () => {
    const world = new SessionWorld();
    const cells = ['a', 'b'].map((id) => told(world.submit(id, [['compute', 3_600_000]])));
    await world.clock.advance(20);
    const close = told(world.session.closeSession('done') as Promise<object>);
    const answers = await world.settled(Promise.all([...cells, close]), 15_000);
    assert.deepEqual(answers, ['InterruptedError', 'InterruptedError', 'closed']);
  });
});

describe('a session that was removed', () => {
  for (const state of ['open', 'closed']) {
    it(`answers nothing more when it was ${state}: whoever asks is sent on`, async () => {
      const world = new SessionWorld();
      await world.run('a', [['inc']]);
      if (state === 'closed') await world.settled(world.session.closeSession('done'));
      world.removed = true;
      assert.equal(await world.settled(told(world.submit('a', [['inc']]))), 'FENCED');
      assert.equal(world.ended?.why, 'fenced');
    });
  }
});
