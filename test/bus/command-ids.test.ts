import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commandIdAt, timeOfCommandId } from '../../bus/command-ids.ts';

test('a command id tells its time, is a UUID of version 7, and sorts as time does', () => {
  const ms = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  const random = fc.uint8Array({ minLength: 10, maxLength: 10 });
  fc.assert(
    fc.property(ms, ms, random, (one, other, bytes) => {
      const id = commandIdAt(one, bytes);
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(timeOfCommandId(id), one);
      if (one < other) assert.ok(id < commandIdAt(other, bytes));
    }),
  );
});

test('other ids tell no time', () => {
  for (const id of [
    '',
    'order-17',
    '018f3c1e-aaaa-4bbb-8ccc-0123456789ab',
    '018F3C1E-AAAA-7BBB-8CCC-0123456789AB',
  ]) {
    assert.equal(timeOfCommandId(id), null, id);
  }
});
