import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { facts, KernelSession } from '../kit/kernel-session.ts';

let one: KernelHost;
let two: KernelHost;
let names = 0;

before(async () => {
  one = await makeKernelHost({ threads: 1, maxThreads: 2 });
  two = await makeKernelHost({ threads: 1, maxThreads: 2 });
});
after(async () => {
  await one.close();
  await two.close();
});

const name = fc.constantFrom('a', 'b', 'c');
const value = fc.oneof(
  fc.integer().map(String),
  fc.double().map((n) => (Object.is(n, -0) ? '-0' : String(n))),
  fc.string({ maxLength: 20 }).map((text) => JSON.stringify(text)),
  fc.constantFrom(
    'Math.random()',
    'Date.now()',
    'new Map([[1, {x: 2}]])',
    'crypto.randomUUID()',
    '[1,[2,[3]]]',
  ),
  fc.constantFrom('() => { throw new Error("no") }', 'class { #p = 1; get p() { return this.#p } }'),
  name.map((other) => `(typeof ${other} === 'undefined' ? 0 : ${other})`),
);
/** Statements that touch most parts of the engine: the heap's bytes must follow from them alone. */
const statement = fc.oneof(
  fc
    .tuple(fc.constantFrom('let', 'const', 'var'), name, value)
    .map(([kind, id, v]) => `${kind} ${id} = ${v}`),
  fc.tuple(name, value).map(([id, v]) => `globalThis.g_${id} = ${v}`),
  value.map((v) => `console.log(${v})`),
  value.map((v) => `throw ${v}`),
  fc
    .integer({ min: 1, max: 20_000 })
    .map((n) => `{ let s = ''; for (let i = 0; i < ${n}; i++) s += i; s.length }`),
  fc
    .integer({ min: 1, max: 3000 })
    .map((n) => `Array.from({length: ${n}}, (_, i) => ({i, s: 'v' + i})).length`),
  value.map((v) => `await Promise.resolve(${v})`),
  fc.constant('await new Promise(() => {})'),
  fc.constant('globalThis.gen ??= (function*() { let n = 0; for (;;) yield n++ })(); gen.next().value'),
  fc.constant(
    '(globalThis.kept ??= []).push(new WeakRef({}), Symbol("s"), new Set([1]), /x(.)/g.exec("xy"))',
  ),
  fc.constant('(function f(n) { return n ? f(n - 1) : 0 })(3000)'),
  fc.constant('not valid ('),
);
const program = fc.array(statement, { minLength: 1, maxLength: 12 });

test('two hosts that apply the same steps have the same turns and the same heaps', async () => {
  await fc.assert(
    fc.asyncProperty(program, fc.string({ maxLength: 5 }), async (cells, seed) => {
      const id = `s${names++}`;
      const [left, right] = await Promise.all([
        KernelSession.open(one, id, seed),
        KernelSession.open(two, id, seed),
      ]);
      for (const code of cells) {
        const [a, b] = await Promise.all([left.run(code), right.run(code)]);
        assert.deepEqual(facts(a), facts(b), code);
      }
      assert.equal(await left.stateId(), await right.stateId());
      one.drop(id);
      two.drop(id);
    }),
    { numRuns: 40 },
  );
});

test('a heap that is captured and restored elsewhere continues as if nothing had happened', async () => {
  await fc.assert(
    fc.asyncProperty(program, fc.nat(), async (cells, where) => {
      const id = `s${names++}`;
      const left = await KernelSession.open(one, id);
      let right: KernelSession | undefined;
      const at = where % cells.length;
      for (const [index, code] of cells.entries()) {
        if (index === at) {
          const image = await one.capture(id);
          await two.open(id, { image: image.bytes, stateId: image.stateId });
          right = new KernelSession(two, id);
          right.seq = left.seq;
          right.cell = left.cell;
        }
        const a = await left.run(code);
        if (right) assert.deepEqual(facts(await right.run(code)), facts(a), code);
      }
      assert.equal(await left.stateId(), await right!.stateId());
      one.drop(id);
      two.drop(id);
    }),
    { numRuns: 40 },
  );
});

test('a memory that another session made larger changes nothing', async () => {
  const big = await KernelSession.open(one, 'big');
  await big.run('var x = []; for (let i = 0; i < 5; i++) x.push(new Uint8Array(1e6).fill(1)); 0');
  one.drop('big');
  const [left, right] = [await KernelSession.open(one, 'after'), await KernelSession.open(two, 'after')];
  for (const session of [left, right]) {
    await session.run('let l = Array.from({length: 20000}, (_, i) => ({i}))');
    await session.run('l = l.map(({i}) => [i, String(i)])');
  }
  assert.equal(await left.stateId(), await right.stateId());
});

test('hundreds of cells, with garbage collections between, keep two kernels equal', async () => {
  const [left, right] = [await KernelSession.open(one, 'long'), await KernelSession.open(two, 'long')];
  for (let i = 0; i < 400; i++) {
    const code = `var t = [${i}].map((n) => ({n, f: () => n})); t.self = t; t[0].f()`;
    const [a, b] = await Promise.all([left.run(code), right.run(code)]);
    assert.equal(a.result?.text, b.result?.text);
  }
  assert.equal(await left.stateId(), await right.stateId());
});

test('sessions of one host do not share randomness, and time is that of the step', async () => {
  const [left, right] = [await KernelSession.open(one, 'r1', 'x'), await KernelSession.open(one, 'r2', 'y')];
  assert.notEqual(await left.value('Math.random()'), await right.value('Math.random()'));
  assert.equal(await left.value('Date.now()'), '1700000002000');
  assert.equal(await left.value('new Date().getTimezoneOffset()'), '0');
});
