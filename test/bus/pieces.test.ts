/** A stream of values in pieces: what comes out is what went in, wherever the cuts are. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inPieces, PieceReader } from '../../bus/pieces.ts';

test('values of any size come out whole and in order, from pieces that are no larger than they may be', async () => {
  const values = [0, 1, 5, 4_096, 0, 100_000, 7, 12_345].map((size) => new Uint8Array(randomBytes(size)));
  for (const pieceBytes of [1, 3, 1_000, 65_536, 10_000_000]) {
    async function* given() {
      yield* values;
    }
    const reader = new PieceReader();
    const found: Uint8Array[] = [];
    for await (const piece of inPieces(given(), pieceBytes)) {
      assert.ok(piece.byteLength <= pieceBytes);
      for (const value of reader.take(piece)) found.push(new Uint8Array(value));
    }
    assert.deepEqual(found, values);
    assert.equal(reader.isWhole, true);
  }
});

test('a length that no value has is refused at once, and a value that is cut off is known', () => {
  assert.throws(() => new PieceReader().take(Buffer.from([0xff, 0, 0, 0])), { code: 'TOO_LARGE' });
  const reader = new PieceReader();
  assert.deepEqual(reader.take(Buffer.from([0, 0, 0, 2, 1])), []);
  assert.equal(reader.isWhole, false);
});
