import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeReclaim } from '../../actors/reclaim.ts';
import { until } from '../kit/until.ts';

const garbage = () => new WeakRef({ bytes: new Array(1_000).fill(0) });

test('what was let go is collected once the thread is quiet', async () => {
  let served = 0;
  const reclaim = makeReclaim({ served: () => served, worth: 2 });
  const busy = setInterval(() => served++, 5);
  const gone = garbage();
  reclaim(2);
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.ok(gone.deref(), 'a busy thread is left alone');
  clearInterval(busy);
  await until(() => gone.deref() === undefined);
});
