/** The life of a role process, and the small map that forgets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeLifecycle } from '../../actors/lifecycle.ts';
import { Lru } from '../../storage/lru.ts';

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
