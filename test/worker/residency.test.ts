/** Residency and the contract's server-side ports, on the real thing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SessionPool } from '../../actors/worker/session-pool.ts';
import type {
  IPersistenceManager,
  ISessionInstance,
  ISessionManager,
  ISessionPool,
} from '../../bus/types.ts';
import { until } from '../kit/until.ts';
import { startWorld } from './world.ts';

describe('residency', () => {
  it('parks quiet sessions with a checkpoint and brings them back', async () => {
    await using world = await startWorld({ residency: { parkAfterMs: 1 } });
    await world.client.execute('s', 'let n = 1');
    const { kernel } = world.workers[0]!;
    await until(() => kernel.stats().parked === 1);
    assert.equal((await world.log.last('s'))!.commit.head.checkpointCount, 1);
    assert.equal((await world.client.execute('s', '++n')).output, '2');
  });

  it('parks a session again that a timer of its own brought back', async () => {
    await using world = await startWorld({ residency: { parkAfterMs: 1 } });
    await world.client.execute('s', 'let n = 1; setTimeout(() => n++, 1_500)');
    const { kernel } = world.workers[0]!;
    await until(() => kernel.stats().parked === 1);
    await until(async () => (await world.events('s')).some(({ type }) => type === 'effect_resp'));
    // It is saved whenever it is parked.
    await until(async () => (await world.log.last('s'))!.commit.head.checkpointCount === 2);
  });

  it('keeps no more sessions than it may, and none is lost', async () => {
    await using world = await startWorld({ residency: { maxSessions: 3 } });
    const { sessions } = world.workers[0]!.worker;
    const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
    for (const name of names) await world.client.execute(name, `let me = '${name}'`);
    await until(() => sessions.pool.size() <= 3);
    for (const name of names) assert.equal((await world.client.execute(name, 'me')).output, `'${name}'`);
  });

  it('lets go of a session that was only asked for', async () => {
    await using world = await startWorld();
    const { sessions } = world.workers[0]!.worker;
    await assert.rejects(world.client.inspect('nobody'), { code: 'NOT_FOUND' });
    await until(() => sessions.pool.size() === 0);
  });

  it('swaps more sessions than there are kernel instances', async () => {
    await using world = await startWorld({ kernel: { instances: 4 } });
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    await Promise.all(
      names.map((name) => world.client.execute(name, 'let n = 0; const add = (by) => (n += by)')),
    );
    for (let round = 1; round <= 3; round++) {
      const replies = await Promise.all(names.map((name) => world.client.execute(name, 'add(2)')));
      assert.ok(replies.every(({ output }) => output === String(2 * round)));
    }
  });
});

describe("the contract's server-side ports", () => {
  it('ISessionManager creates, executes, lists and saves', async () => {
    await using world = await startWorld();
    const manager: ISessionManager = world.workers[0]!.worker.sessions;
    assert.deepEqual(await manager.executeCommand('m', '6 * 7'), { output: '42', shouldExit: false });
    const instance = await manager.getSession('m');
    assert.equal(instance.isDirty(), true);
    assert.deepEqual(
      instance.getChangesSinceLastSave().map(({ type }) => type),
      ['session', 'input', 'output'],
    );
    assert.deepEqual(
      manager.listSessions().map(({ name, eventCount }) => [name, eventCount]),
      [['m', 3]],
    );
    await manager.saveDirtySessions();
    assert.deepEqual([instance.isDirty(), instance.getChangesSinceLastSave()], [false, []]);
    assert.equal(instance.getMetadata().checkpointCount, 1);
    assert.ok(instance.getMetadata().size > 0);
    await manager.shutdown();
    assert.deepEqual(manager.listSessions(), []);
    await assert.rejects(manager.executeCommand('m', '1'), { code: 'DRAINING' });
  });

  it('ISessionInstance tells its state and when it was used', async () => {
    await using world = await startWorld();
    const before = Date.now();
    const instance = await world.workers[0]!.worker.sessions.getSession('i');
    assert.deepEqual(await instance.execute('let a = 1; a'), { output: '1', shouldExit: false });
    assert.ok(instance.getLastAccessTime() >= before);
    await instance.inspect();
    const { seq, cells, status, variables, pending, heapBytes } = instance.getState();
    assert.deepEqual([seq, cells, status, pending], [2, 1, 'ready', []]);
    assert.deepEqual(
      variables.map(({ name, type, kind }) => [name, type, kind]),
      [['a', 'number', 'let']],
    );
    assert.ok(heapBytes > 0);
    instance.markClean();
    assert.equal(instance.isDirty(), false);
    assert.equal(instance.getChangesSinceLastSave().length, 3, 'markClean keeps the changes');
    instance.updateSavePoint();
    assert.deepEqual(instance.getChangesSinceLastSave(), []);
  });

  it('ISessionPool keeps sessions by name, least recently used first', async () => {
    await using world = await startWorld();
    const { sessions } = world.workers[0]!.worker;
    const [a, b] = [await sessions.getSession('a'), await sessions.getSession('b')];
    await a.execute('1');
    const pool: ISessionPool = new SessionPool();
    pool.add('a', a as ISessionInstance);
    pool.add('b', b as ISessionInstance);
    assert.equal(pool.get('a'), a);
    assert.deepEqual(pool.getAll(), [b, a]);
    assert.deepEqual(pool.getDirty(), [a]);
    assert.equal(pool.getAllMetadata().length, 2);
    assert.deepEqual([pool.size(), pool.remove('a'), pool.remove('a'), pool.size()], [2, true, false, 1]);
    pool.clear();
    assert.deepEqual([pool.size(), pool.get('b')], [0, undefined]);
  });

  it('IPersistenceManager saves with checkpoints and loads from the log', async () => {
    await using world = await startWorld();
    const { worker } = world.workers[0]!;
    const persistence: IPersistenceManager = worker.persistence;
    assert.equal(await persistence.loadSession('p'), null);
    await world.client.execute('p', 'let n = 5');
    const session = (await persistence.loadSession('p'))!;
    assert.equal(session.getMetadata().name, 'p');
    await persistence.saveSession(session);
    assert.equal(session.getMetadata().checkpointCount, 1);
    await session.execute('++n');
    await persistence.saveDirtySessions();
    assert.equal(session.getMetadata().checkpointCount, 2);
    await persistence.forceSave();
    assert.equal(session.getMetadata().checkpointCount, 2, 'what is saved already is not saved again');
    await session.execute('++n');
    persistence.shutdown();
    await until(() => session.getMetadata().checkpointCount === 3);
  });
});
