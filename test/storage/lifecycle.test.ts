/** The life of a role process, of storage above all, and the small map that forgets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeLifecycle } from '../../actors/role/lifecycle.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { makeMemoryBus } from '../../bus/memory.ts';
import type { ListReply } from '../../bus/operations/catalogue.ts';
import { Lru } from '../../storage/lru.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { ask, startStorage, type World } from './world.ts';

describe('lifecycle', () => {
  it('runs while connected, drains, and stops', () => {
    const life = makeLifecycle({ role: 'storage', process: 'p' });
    const seen: string[] = [life.state];
    life.onChange((state) => seen.push(state));
    for (const type of ['CONNECTED', 'DISCONNECTED', 'CONNECTED', 'DRAIN', 'STOPPED'] as const) {
      life.send({ type });
    }
    assert.deepEqual(seen, ['connecting', 'running', 'connecting', 'running', 'draining', 'stopped']);
    assert.equal(life.error, null);
  });

  it('keeps the reason of a failure, and stays stopped', () => {
    const life = makeLifecycle({ role: 'storage', process: 'p' });
    const error = new Error('no stream');
    life.send({ type: 'FAILED', error });
    life.send({ type: 'CONNECTED' });
    assert.equal(life.state, 'stopped');
    assert.equal(life.error, error);
  });

  it('does not go back to work while it drains', () => {
    const life = makeLifecycle({ role: 'storage', process: 'p' });
    for (const type of ['CONNECTED', 'DRAIN', 'DISCONNECTED', 'CONNECTED'] as const) life.send({ type });
    assert.equal(life.state, 'draining');
  });
});

describe('storage that comes back to a store which does not answer', () => {
  it('says UNAVAILABLE meanwhile, and serves once the store has been looked at', async () => {
    const hub = makeMemoryBus();
    const [client, bus] = [hub.connect('client'), hub.connect('storage')];
    let open = () => {};
    let looked = Promise.resolve();
    const world = {
      stores: async () => ({ bus, log: new MemoryLog(), blobs: new MemoryBlobs() }),
    } as unknown as World;
    const actor = await startStorage(world, { verify: () => looked });
    looked = new Promise((resolve) => {
      open = resolve;
    });
    bus.disconnect();
    bus.reconnect();
    await assert.rejects(ask(client, 'list', {}), { code: 'UNAVAILABLE', retryable: true });
    assert.equal(actor.lifecycle.state, 'connecting');
    const waiting = ask<ListReply>(client, 'list', {});
    open();
    assert.deepEqual((await waiting).sessions, []);
    assert.equal(actor.lifecycle.state, 'running');
    await actor.stop();
  });

  it('stops when the store cannot be trusted any more', async () => {
    const hub = makeMemoryBus();
    const [client, bus] = [hub.connect('client'), hub.connect('storage')];
    let broken = false;
    const verify = async () => {
      if (broken) throw new RepriseError('CORRUPT', 'the end is gone');
    };
    const world = {
      stores: async () => ({ bus, log: new MemoryLog(), blobs: new MemoryBlobs() }),
    } as unknown as World;
    const actor = await startStorage(world, { verify });
    broken = true;
    bus.disconnect();
    bus.reconnect();
    await assert.rejects(ask(client, 'list', {}), { code: 'CORRUPT' });
    assert.equal(actor.lifecycle.state, 'stopped');
    assert.ok(hasCode(actor.lifecycle.error, 'CORRUPT'));
  });
});

describe('the map of recent entries', () => {
  it('forgets the entry that was not used for longest', () => {
    const map = new Lru<number>(2);
    map.set('a', 1);
    map.set('b', 2);
    assert.equal(map.get('a'), 1);
    map.set('c', 3);
    assert.deepEqual([map.get('a'), map.get('b'), map.get('c'), map.size], [1, undefined, 3, 2]);
    map.delete('a');
    map.clear();
    assert.equal(map.size, 0);
  });
});
