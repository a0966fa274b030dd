import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeDelta, deltaByPage, encodeDelta } from '../../actors/kernel/delta.ts';
import type { Pristine } from '../../actors/kernel/guest.ts';
import { PAGE } from '../../actors/kernel/pages.ts';

const pristine = {
  bytes: Buffer.from(Uint8Array.from({ length: 3 * PAGE }, (_, at) => (at * 7) & 255)),
} as Pristine;

/** Pages of the pristine heap, and beyond its end, with some bytes changed. */
const changed = fc
  .uniqueArray(fc.nat(5), { minLength: 1 })
  .chain((indices) =>
    fc.tuple(
      fc.constant(indices.sort()),
      fc.array(fc.tuple(fc.nat(indices.length * PAGE - 1), fc.nat(255)), { maxLength: 200 }),
    ),
  )
  .map(([indices, writes]) => {
    const bytes = Buffer.alloc(indices.length * PAGE);
    for (const [at, index] of indices.entries()) {
      if (index < 3) pristine.bytes.copy(bytes, at * PAGE, index * PAGE, (index + 1) * PAGE);
    }
    for (const [at, byte] of writes) bytes[at] = byte;
    return { indices, bytes };
  });

test('pages come back from their difference to the pristine heap', () => {
  fc.assert(
    fc.property(changed, (pages) => {
      const delta = encodeDelta(pages, pristine);
      assert.ok(delta.byteLength <= pages.indices.length * (PAGE + 8));
      assert.deepEqual(decodeDelta(pages.indices, delta, pristine), pages);
    }),
  );
});

test('a difference that is cut off or too long is none', () => {
  fc.assert(
    fc.property(changed, fc.nat(), (pages, where) => {
      const delta = encodeDelta(pages, pristine);
      assert.equal(decodeDelta(pages.indices, delta.slice(0, where % delta.length), pristine), null);
      assert.equal(decodeDelta(pages.indices, new Uint8Array([...delta, 0, 0, 0, 0]), pristine), null);
      assert.equal(deltaByPage(pages.indices, delta.slice(0, where % delta.length)), null);
    }),
  );
});

test('a difference falls into the parts of its pages', () => {
  fc.assert(
    fc.property(changed, (pages) => {
      const delta = encodeDelta(pages, pristine);
      const parts = deltaByPage(pages.indices, delta)!;
      assert.deepEqual([...parts.keys()], pages.indices);
      assert.deepEqual(Buffer.concat([...parts.values()]), Buffer.from(delta));
    }),
  );
});
