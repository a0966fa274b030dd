import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeReclaim } from '../../actors/kernel/reclaim.ts';
import { until } from '../kit/until.ts';

test('what was let go is collected when nothing else is done', async () => {
  const gone = new WeakRef({ bytes: new Array(1_000).fill(0) });
  makeReclaim({ served: () => 0, worth: 2 })(2);
  await until(() => gone.deref() === undefined);
});

test('a thread that serves is not held up by a collection, and a few things are not worth one', async () => {
  let served = 0;
  let collected = 0;
  const reclaim = makeReclaim({ served: () => served++, worth: 3, collect: () => collected++ });
  reclaim(2);
  reclaim(1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(collected, 0);
  const idle = makeReclaim({ served: () => 0, worth: 3, collect: () => collected++ });
  idle(2);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(collected, 0);
  idle(1);
  await until(() => collected === 1);
});
