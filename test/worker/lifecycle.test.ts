/** The life of a worker, as everybody sees it who asks. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../kit/until.ts';
import { startWorld } from './world.ts';

describe('a worker', () => {
  it('runs, looks for its connection when that is lost, and runs again', async () => {
    await using world = await startWorld();
    const { worker, bus } = world.workers[0]!;
    assert.equal(worker.presence().state, 'running');
    bus.disconnect();
    assert.equal(worker.presence().state, 'connecting');
    bus.reconnect();
    assert.equal(worker.presence().state, 'running');
    assert.equal((await world.client.execute('s', '1')).output, '1');
  });

  it('drains before it stops, and does not come back from that', async () => {
    await using world = await startWorld();
    const { worker, bus } = world.workers[0]!;
    const cell = world.client.execute('s', 'for (let i = 0; i < 1e6; i++);');
    cell.catch(() => {});
    await until(() => worker.sessions.pool.size() === 1);
    const stopped = worker.stop();
    const who = await world.client.who();
    assert.equal(who.find(({ role }) => role === 'worker')?.state, 'draining');
    await stopped;
    bus.disconnect();
    bus.reconnect();
    assert.equal(worker.presence().state, 'stopped');
    await world.addWorker();
    assert.equal((await cell).error, null);
  });
});
