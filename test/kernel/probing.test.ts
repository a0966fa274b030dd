/** Looks that are put into a cell: they see what is there, and the cell gives what it gives without them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import { expressionsIn, looksAt, placesOf } from '../../actors/kernel/compiler/probing.ts';
import { parseCell } from '../../actors/kernel/compiler/source.ts';
import { visibleIn } from '../../actors/kernel/compiler/visible.ts';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost, Probing, Turn } from '../../actors/kernel/port.ts';
import { KernelSession } from '../kit/kernel-session.ts';

let host: KernelHost;
before(async () => {
  host = await makeKernelHost({ threads: 1 });
});
after(() => host.close());

/** Declared before each cell. */
const BEFORE = 'let old = 1; const fixed = [1, 2, 3]; var loose = {}; function named() { return old }';

const CELLS = [
  '5; let x = 1',
  'let x = 1\nif (x) 7; else 8',
  'if (old > 1) old = 2\nelse if (old)\n  old = 3\nelse old = 4\nold',
  'for (const one of fixed) console.log(one)\nfor (const key in { a: 1 })\n  console.warn(key)',
  'for (let i = 0; i < 3; i++)\n  for (let j = 0; j < 2; j++)\n    old += i * j\nold',
  'do old++\nwhile (old < 5)\nold',
  'outer: for (const a of fixed) {\n  for (const b of fixed) {\n    if (b === 2) continue outer\n    if (a === 3) break outer\n    console.log(a, b)\n  }\n}',
  'switch (old) {\n  case 1: console.log("one")\n  case 2:\n    let inner = 3\n    console.log(inner)\n    break\n  default: throw 1\n}',
  '"use strict"\nfunction f() { "use strict"; return this }\nf()',
  'const f = () => ({ a: 1 }), g = x => (x + 1), h = async (x) => await x\nconsole.log(f(), g(1))\nawait h(g(2))',
  'fixed.map((x) =>\n  x * 2).filter(x => x > 2)',
  'function* count(n) {\n  for (let i = 0; i < n; i++) yield i\n  return "end"\n}\n[...count(3)]',
  'async function* slow() { yield 1; await null; yield 2 }\nfor await (const x of slow()) console.log(x)',
  'class A {\n  static n = 1;\n  #p = 2\n  static { A.n += 1; this.m = 5 }\n  constructor() { this.q = () => this.#p }\n  get p() { return this.#p }\n}\nclass B extends A {\n  constructor() {\n    console.log("before")\n    super()\n    this.r = super.p\n  }\n}\nnew B().r + A.n',
  'try {\n  missing()\n} catch ({ name }) {\n  console.log(name)\n} finally { old = 9 }\nold',
  'const fs = []\nfor (let i = 0; i < 3; i++) fs.push(() => i)\nfs.map((f) => f())',
  '{ a: 1, b: old }',
  '{\n  let a = 2\n  a\n}',
  '#!/usr/bin/env node\nold = 2',
  'enum Colour { Red, Green }\ninterface Shape { a: number }\nlet shape: Shape = { a: Colour.Green }\nfunction id<T>(x: T): T {\n  return x\n}\nid<number>(shape.a)',
  'let old = 5\nconst fixed = old\nvar loose = 3\nfunction named() {\n  return 2\n}\nnamed() + fixed',
  'fixed = 3',
  'hoisted()\nfunction hoisted() { console.log(typeof later); var later = 1 }',
  'let tdz = (() => tdz)()',
  'setTimeout(() => {\n  console.log("late")\n}, 1)\nawait new Promise((done) => setTimeout(done, 5))\nconsole.log("end")',
  'const answer = await llm("question")\nanswer.length',
  'new Promise((_, no) => { no(new Error("lost")) })\n1',
  'function deep(n) { return n === 0 ? 0 : 1 + deep(n - 1) }\ndeep(200)',
  'with ({ w: 1 })\n  console.log(w)',
  'x = 1; y = 2; x + y',
  'var a = 1; /* a */ // b\n;[1].map(x => x)',
  'throw new TypeError("no")',
  'exit()',
  'const big = "x".repeat(2_000_000); console.log(big); console.log(2)',
  'for (let i = 0; i < 3e4; i++)\n  if (i % 9999 === 0) console.log(i)',
  'null.x',
  'let { p = old, ...others } = { q: 1 }\nothers',
  '',
];

const EXPRESSIONS = [
  'old',
  'this',
  'x, i, a',
  'missing.thing',
  'named()',
  '[fixed, loose]',
  '(() => { throw new Error("mine") })()',
  'console.log("a look prints nothing")',
];

const told = ({ outputs, requests, cancelled, status, result, error, exit }: Turn) => ({
  ...{ outputs, requests, cancelled, status, result, exit },
  error: error && { name: error.name, message: error.message },
});

/** A cell's turns, with every effect answered. */
async function turnsOf(code: string, probing?: Probing, extras = {}): Promise<Turn[]> {
  const session = await KernelSession.open(host, `s${Math.random()}`);
  await session.run(BEFORE);
  const turns = [await session.run(code, { probing, ...extras })];
  const waiting: number[] = [];
  for (;;) {
    for (const { effect } of turns.at(-1)!.requests) waiting.push(effect);
    const effect = waiting.shift();
    if (effect === undefined) break;
    turns.push(await session.answer(effect, 'answer', { probing }));
  }
  host.drop(session.name);
  return turns;
}

const probingOf = (code: string, list: string, wanted = (_: number) => true, exact = false): Probing => {
  const cell = parseCell(code, BEHAVIOUR_VERSION);
  const expressions = expressionsIn(list, 'it');
  const places = placesOf(cell).filter((_, number) => wanted(number));
  const looks = looksAt(
    cell,
    places.map((place) => ({ place, expressions })),
    { atEnd: expressions, exact },
  );
  return { looks, conditional: false, brief: false, limit: 100 };
};

test('a cell that is looked at gives what it gives, wherever and whatever is looked at', async () => {
  const plain = await Promise.all(CELLS.map((code) => turnsOf(code)));
  for (const [index, code] of CELLS.entries()) {
    const probing = probingOf(code, EXPRESSIONS.join());
    const probed = await turnsOf(code, probing);
    assert.deepEqual(probed.map(told), plain[index]!.map(told), code);
  }
  const any = fc.record({
    index: fc.nat(CELLS.length - 1),
    list: fc.constantFrom(...EXPRESSIONS),
    mask: fc.nat(0xffff),
    exact: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(any, async ({ index, list, mask, exact }) => {
      const probing = probingOf(CELLS[index]!, list, (number) => ((mask >> (number % 16)) & 1) === 1, exact);
      const probed = await turnsOf(CELLS[index]!, probing);
      assert.deepEqual(probed.map(told), plain[index]!.map(told));
      if (exact)
        assert.deepEqual(
          probed.map(({ fuel }) => fuel),
          plain[index]!.map(({ fuel }) => fuel),
        );
    }),
    { numRuns: 60 },
  );
});

test('a cell whose statements are traced gives what it gives', async () => {
  for (const code of CELLS) {
    const cell = parseCell(code, BEHAVIOUR_VERSION);
    const namesAt = visibleIn(cell);
    const looks = looksAt(
      cell,
      placesOf(cell).map((place) => ({ place, expressions: namesAt(place).map(({ name }) => name) })),
    );
    const probed = await turnsOf(code, { looks, conditional: false, brief: true, limit: 100 });
    assert.deepEqual(probed.map(told), (await turnsOf(code)).map(told), code);
  }
});

test('a strike falls where it fell, and all that was looked at before it is told', async () => {
  const code = 'let n = 0\nfor (;;) {\n  n++\n  if (n % 100 === 0) console.log(n)\n}';
  const [plain] = await turnsOf(code, undefined, { timeoutMs: 30 });
  const [probed] = await turnsOf(code, probingOf(code, 'n', undefined, true), { strike: plain!.struck });
  assert.deepEqual(told(probed!), told(plain!));
  assert.equal(probed!.fuel, plain!.fuel);
  assert.equal(probed!.probed!.hits.length, 100);
  assert.ok(probed!.probed!.more > 0);
});

test('an expression that never ends is ended itself, and the cell goes on', async () => {
  const code = 'let x = 1\nx';
  const list = '(() => { for (;;); })(), (() => { try { for (;;); } catch {} finally { return 1 } })(), x';
  const [probed] = await turnsOf(code, probingOf(code, list));
  assert.equal(probed!.result?.text, '1');
  const [endless, stubborn, x] = probed!.probed!.hits[1]!.values;
  for (const value of [endless, stubborn]) assert.match(JSON.stringify(value), /takes too long/);
  assert.deepEqual(x, { value: '1' });
});

test('what is no list of expressions on one line is refused before anything runs', () => {
  assert.deepEqual(expressionsIn(' x, y.length , (1, 2), {a: 1}, f(a, b) // z', 'it'), [
    ...['x', 'y.length', '1, 2', '{a: 1}', 'f(a, b)'],
  ]);
  const wrong = ['', 'x,,y', '...x', 'x]; [y', 'for (;;);', 'x +', 'x\n.y', 'await x', 'yield', 'let x = 1'];
  for (const list of wrong) assert.throws(() => expressionsIn(list, 'it'), { code: 'BAD_REQUEST' }, list);
});
