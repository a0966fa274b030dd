import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { OpenEffect } from '../../actors/effects/kind.ts';
import { EffectTable } from '../../actors/timeline/effect-table.ts';

const open = (effect: number, isTimer: boolean): OpenEffect => ({
  effect,
  kind: isTimer ? 'timer' : 'llm',
  seq: effect,
  payload: isTimer ? { dueMs: (effect * 7919) % 1_000 } : { prompt: 'p' },
});

it('a table of effects is what a map would be, and shares nothing that changes', () => {
  const change = fc.record({
    adds: fc.boolean(),
    isTimer: fc.boolean(),
    effect: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant(0)),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 600 }), fc.array(fc.nat(600)), (changes, marks) => {
      let table = EffectTable.empty;
      const map = new Map<number, OpenEffect>();
      const kept: { table: EffectTable; map: Map<number, OpenEffect> }[] = [{ table, map: new Map() }];
      let newest = 400;
      for (const [index, { adds, isTimer, effect }] of changes.entries()) {
        // Mostly they come in ascending order.
        const number = effect === 0 ? ++newest : effect;
        if (adds || effect === 0) {
          const one = open(number, isTimer);
          table = table.with(one);
          map.set(number, one);
        } else {
          table = table.without(number);
          map.delete(number);
        }
        if (marks.includes(index)) kept.push({ table, map: new Map(map) });
      }
      kept.push({ table, map });
      for (const { table: old, map: then } of kept) {
        const sorted = [...then.values()].sort((a, b) => a.effect - b.effect);
        assert.deepEqual([...old], sorted);
        assert.equal(old.size, then.size);
        assert.deepEqual([...EffectTable.from(then.values())], sorted);
        const due = sorted
          .filter(({ kind }) => kind === 'timer')
          .map(({ payload }) => (payload as { dueMs: number }).dueMs);
        assert.equal(old.wakeAt, due.length === 0 ? undefined : Math.min(...due));
        assert.equal(old.dueOnly, due.length === sorted.length);
        for (const effect of [1, 200, 400, newest]) assert.deepEqual(old.get(effect), then.get(effect));
        const { opened, gone } = table.changedSince(old);
        assert.deepEqual(
          opened.map(({ effect }) => effect),
          [...map.keys()].filter((key) => !then.has(key)).sort((a, b) => a - b),
        );
        assert.deepEqual(
          gone,
          [...then.keys()].filter((key) => !map.has(key)).sort((a, b) => a - b),
        );
      }
    }),
  );
});
