/** The skip list of checkpoints: any of them is reached from any later one in few steps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { climbed, ladderFault, type Rung, rungTowards } from '../../bus/ladder.ts';

/** Checkpoints 1 to `count` with growing gaps, each with the ladder it would name. */
function checkpoints(gaps: readonly number[]): { rung: Rung; ladder: Rung[] }[] {
  const all: { rung: Rung; ladder: Rung[] }[] = [];
  let [seq, position] = [0, 0];
  for (const [index, gap] of gaps.entries()) {
    seq += gap;
    position += 2 * gap + 1;
    const before = all.at(-1);
    const ladder = before ? climbed(before.ladder, before.rung) : [];
    all.push({ rung: { number: index + 1, seq, position }, ladder });
  }
  return all;
}

test('the newest checkpoint at or before any seq is found in a logarithmic number of steps', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 600 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (gaps, where) => {
        const all = checkpoints(gaps);
        const byNumber = new Map(all.map((one) => [one.rung.number, one]));
        const seq = Math.floor(where * all.at(-1)!.rung.seq);
        let at: Rung | undefined = all.at(-1)!.rung;
        let steps = 0;
        while (at && at.seq > seq) {
          at = rungTowards(byNumber.get(at.number)!.ladder, seq);
          steps += 1;
        }
        const expected = all.findLast(({ rung }) => rung.seq <= seq)?.rung;
        assert.deepEqual(at, expected);
        assert.ok(steps <= 2 * Math.log2(gaps.length + 1) + 2, `${steps} steps over ${gaps.length}`);
      },
    ),
  );
});

test('a ladder is as long as the logarithm of its number, newest first, and has no fault', () => {
  for (const { rung, ladder } of checkpoints(new Array(2_000).fill(1))) {
    assert.equal(ladderFault(ladder), null);
    assert.equal(ladder[0]?.number, rung.number > 1 ? rung.number - 1 : undefined);
    assert.ok(ladder.length <= Math.log2(rung.number) + 1);
  }
});

test('rungs out of order are a fault', () => {
  const { ladder } = checkpoints(new Array(20).fill(1)).at(-1)!;
  assert.ok(ladder.length > 2);
  assert.notEqual(ladderFault([...ladder].reverse()), null);
  assert.notEqual(ladderFault([ladder[0]!, ladder[0]!]), null);
});
