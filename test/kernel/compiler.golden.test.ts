/**
 * The compiler's output is part of the kernel's version: old logs replay only under the output they ran with. This
 * corpus fails when the output changes without a new `compilerVersion`. To accept a change: raise OUTPUT_VERSION
 * in compile.ts, then run this file with UPDATE_GOLDEN=1.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type CompilerState,
  compileCell,
  compilerVersion,
  initialCompilerState,
} from '../../actors/kernel/compiler/compile.ts';

const file = fileURLToPath(new URL('./compiler.golden.txt', import.meta.url));

/** Sessions of cells, compiled one after the other. */
const CORPUS: string[][] = [
  [
    'let a = 1, b',
    'const a = 2; a',
    'a = 3',
    'a++; [a] = [1]; ({ a } = {}); ({ a = 1 } = {})',
    'var a = 4',
    'for (a of [1]);',
  ],
  [
    'let f = 1',
    '1\nfunction f() { return 2 }\nf()',
    'async function* f() {}',
    '{ function f() {} }',
    'if (1) function f() {}',
  ],
  [
    'var v = 1; function g() {}',
    'let v = 2; class g {}',
    'const { v, w: [x] = [], ...rest } = {}',
    'var { v, y } = { v: 1 }',
  ],
  [
    'let i',
    'for (var i = 0, j = 1; i < 2; i++);',
    'for (var i of []);',
    'for (var { i } in {});',
    'for (var i;;) break',
    'if (1) var i = 2; else 3',
  ],
  [
    '{ a: 1 }',
    '{}',
    '{ a: 1 };',
    '{ let q = 1 }',
    '#!hi\n1',
    '"use strict"; let s = 1',
    '',
    '// c',
    '<!-- c\n1',
  ],
  [
    'class K { static m() { K = 1 } }',
    'await 1',
    'for await (const x of []) x',
    'label: { break label }',
    'with ({ a: 1 }) a',
  ],
  [
    'let n: number = 1',
    'interface I {}\nconst p = {} as I',
    'f<number>(1)',
    '{ a: n as any }',
    'class Q<T> { private v?: T }',
  ],
  [
    'enum E { A, B = 5 }\nE.A',
    'namespace N { export const a = 1 }',
    'class P { constructor(public x: number) {} }',
    '<number>1',
  ],
  [
    'return 1',
    'import "x"',
    'a b',
    '(',
    '`${',
    'let x; let x',
    'let undefined',
    'using z = 1',
    'export {}',
    'import.meta',
  ],
];

function compileCorpus(): unknown[] {
  return CORPUS.map((cells) => {
    let state: CompilerState = initialCompilerState;
    return cells.map((code, at) => {
      const compiled = compileCell(code, state, at + 1);
      if (compiled.ok) state = compiled.next;
      return compiled;
    });
  });
}

it('the compiler writes what its version says', () => {
  const output = { version: compilerVersion, cells: compileCorpus() };
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, `${JSON.stringify(output, null, 1)}\n`);
  const golden = JSON.parse(readFileSync(file, 'utf8')) as typeof output;
  assert.equal(output.version, golden.version, 'accept a new version with UPDATE_GOLDEN=1');
  assert.deepEqual(
    JSON.parse(JSON.stringify(output.cells)),
    golden.cells,
    'the output changed: raise OUTPUT_VERSION',
  );
});
