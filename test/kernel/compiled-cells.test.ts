import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import { compileOnce } from '../../actors/kernel/compiled-cells.ts';
import {
  type CompilerState,
  compileCell,
  initialCompilerState,
} from '../../actors/kernel/compiler/compile.ts';

const cell = fc.constantFrom(
  'x = x + 1',
  'let x = 1',
  'const x = 2',
  'var y = x',
  'function z() {}',
  'class x {}',
  'x =',
  'if (1) { function q() {} }',
);

test('a remembered cell is what compiling it again would give', () => {
  fc.assert(
    fc.property(fc.array(cell, { maxLength: 30 }), (cells) => {
      let plain: CompilerState = initialCompilerState;
      let state: CompilerState = initialCompilerState;
      for (const [index, code] of cells.entries()) {
        const expected = compileCell(code, plain, index);
        const actual = compileOnce(code, state, index, BEHAVIOUR_VERSION);
        assert.deepEqual(actual, expected);
        if (expected.ok && actual.ok) {
          plain = expected.next;
          state = actual.next;
        }
        assert.equal(JSON.stringify(state), JSON.stringify(plain));
      }
    }),
  );
});

test('a cell that declares nothing keeps the state as it is', () => {
  const state: CompilerState = { lexicals: { x: 'let' }, globals: {} };
  const first = compileOnce('x + 1', state, 1, BEHAVIOUR_VERSION);
  assert.ok(first.ok && first.next === state);
  assert.equal(compileOnce('x + 1', state, 2, BEHAVIOUR_VERSION), first);
});
