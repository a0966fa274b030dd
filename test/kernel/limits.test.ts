import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { KernelSession } from '../kit/kernel-session.ts';

let host: KernelHost;
let session: KernelSession;
const FUEL = 3000;

before(async () => {
  host = await makeKernelHost({ threads: 1, maxThreads: 2, limits: { fuel: FUEL, outputBytes: 10_000 } });
});
beforeEach(async () => {
  session = await KernelSession.open(host, 's');
  await session.run('let kept = 1');
});
after(() => host.close());

async function assertUsable(): Promise<void> {
  assert.equal(await session.value('kept + 1'), '2');
}

test('an endless loop ends by fuel, at a point that does not depend on time', async () => {
  const turn = await session.run('for (;;);');
  assert.equal(turn.error?.name, 'FuelLimitError');
  assert.match(turn.error!.message, /3000 x 10,000 steps/);
  assert.equal(turn.fuel, FUEL);
  assert.equal(turn.struck, undefined);
  assert.equal(await session.value('_error.name'), "'FuelLimitError'");
  await assertUsable();
});

test('a strike cannot be caught, and nothing of the cell runs on', async () => {
  const turn = await session.run(`
    globalThis.seen = [];
    const spin = async () => { try { for (;;) await null } catch { seen.push('catch') } finally { seen.push('finally') } };
    for (let i = 0; i < 5; i++) spin().catch(() => seen.push('rejected')).finally(() => seen.push('settled'));
    queueMicrotask(() => seen.push('microtask'));
    try { new Promise(() => { for (;;); }); seen.push('swallowed'); for (;;); } catch { seen.push('caught') } finally { seen.push('done') }
  `);
  assert.equal(turn.error?.name, 'FuelLimitError');
  assert.equal(await session.value('seen.join()'), "''");
  await assertUsable();
});

test('jobs that queue jobs for ever end by fuel', async () => {
  const turn = await session.run(
    'var n = 0; const again = () => { n++; queueMicrotask(again) }; again(); 1',
    {
      timeoutMs: 120_000,
    },
  );
  assert.equal(turn.error?.name, 'FuelLimitError');
  const count = await session.value('n');
  assert.equal(await session.value('n'), count);
  await assertUsable();
});

test('the wall clock strikes and says at which count', async () => {
  const turn = await session.run('for (;;);', { timeoutMs: 50 });
  assert.equal(turn.error?.name, 'TimeoutError');
  assert.equal(turn.struck?.reason, 'timeout');
  assert.equal(turn.struck?.fuel, turn.fuel);
  await assertUsable();
});

const recursions: Record<string, string> = {
  'a function': '(function f(n) { return f(n + 1) + 1 })(0)',
  toString: 'var o = { toString() { return "" + o } }; o + ""',
  'JSON.parse': 'JSON.parse("[".repeat(5e5) + "]".repeat(5e5))',
  'JSON.stringify': 'JSON.stringify({ toJSON() { return JSON.stringify(this) } })',
  'a sort in a sort': '(function s() { [1, 2].sort(s) })()',
  'parentheses in eval': 'eval("(".repeat(1e5) + ")".repeat(1e5))',
  'brackets in eval': 'eval("[".repeat(1e5) + "]".repeat(1e5))',
  'a proxy chain': 'var p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x',
  'a generator': '(() => { function* g() { yield* g() } return [...g()] })()',
  'a constructor': 'new (class A { constructor() { new A() } })()',
  flat: 'var l = []; for (let i = 0; i < 5e4; i++) l = [l]; l.flat(Infinity)',
  'a replacer': '(function r() { return "a".replace(/a/, r) })()',
  'groups in a regular expression': 'new RegExp("(?:".repeat(1e5) + ")".repeat(1e5))',
};
for (const [what, code] of Object.entries(recursions)) {
  test(`too deep recursion through ${what} is an error that the guest can catch`, async () => {
    const caught = await session.run(
      `try { ${code.replace(/^\(?function\* /, 'function* ')}; 'no error' } catch (e) { e.name }`,
    );
    assert.equal(caught.error, undefined);
    assert.match(caught.result!.text, /^'(RangeError|InternalError|SyntaxError)'$/);
    await assertUsable();
  });
}

test('ten thousand nested calls are possible', async () => {
  assert.equal(await session.value('(function sum(n) { return n && n + sum(n - 1) })(10000)'), '50005000');
});

test('output beyond the limit is dropped, counted, and takes no memory', async () => {
  const before = (await session.run('0')).heapBytes;
  const turn = await session.run('for (let i = 0; i < 2000; i++) console.log("x".repeat(999)); "end"');
  const [kept, last] = turn.outputs;
  assert.equal(turn.outputs.length, 2);
  assert.equal(Buffer.byteLength(kept!.text), 9_999);
  assert.equal(last!.truncated, true);
  assert.equal(last!.text, '[1990000 bytes of output dropped: a turn may print 10000 bytes]');
  assert.equal(turn.result?.text, "'end'");
  assert.ok(turn.heapBytes - before < 1_000_000, `${turn.heapBytes - before} bytes`);
  await assertUsable();
});

test('truncated output splits no character', async () => {
  const turn = await session.run('console.log("é".repeat(8000))');
  assert.equal(turn.outputs[0]!.text, 'é'.repeat(4999));
  assert.equal(turn.outputs[0]!.truncated, true);
});

test('a cell of 5 MB is refused', async () => {
  const turn = await session.run(`"${'x'.repeat(5 * 1024 * 1024)}"`);
  assert.equal(turn.error?.name, 'CellTooLargeError');
  assert.match(turn.error!.message, /1 MiB/);
  await assertUsable();
});

test('a promise that nothing can settle ends its cell', async () => {
  const turn = await session.run('await new Promise(() => {})');
  assert.equal(turn.status, 'done');
  assert.equal(turn.error?.name, 'NeverSettledError');
  await assertUsable();
});

test('a cell that needs too much memory is poisoned, at the same point each time', async () => {
  const code = 'var hoard = []; for (;;) hoard.push(new Array(1000).fill(1))';
  const seen = [];
  for (let i = 0; i < 2; i++) {
    const greedy = await KernelSession.open(host, 'greedy');
    const turn = await greedy.run(code);
    assert.equal(turn.poisoned, true);
    assert.equal(turn.error?.name, 'MemoryLimitError');
    assert.match(turn.error!.message, /64 MiB/);
    seen.push([turn.fuel, turn.heapBytes]);
    await assert.rejects(greedy.run('1'), { code: 'UNAVAILABLE' });
  }
  assert.deepEqual(seen[0], seen[1]);
});

test('a poisoned step is repeated as failed, without running the cell', async () => {
  const greedy = await KernelSession.open(host, 'again');
  await greedy.run('let small = 7');
  const { bytes, stateId } = await host.capture('again');
  const turn = await greedy.run('small = 8; new Uint8Array(1e9)');
  assert.equal(turn.poisoned, true);
  await host.open('again', { image: bytes, stateId });
  const repeated = await host.apply('again', { ...greedy.steps.at(-1)!, failed: turn.error! });
  assert.equal(repeated.status, 'done');
  assert.deepEqual(repeated.error, turn.error);
  assert.equal(repeated.poisoned, undefined);
  assert.equal(await greedy.value('small'), '7');
  assert.equal(await greedy.value('_error.name'), "'MemoryLimitError'");
});

test('memory that is given back can be used again', async () => {
  // Two at a time: the value of the round before is the loop's value until the next one is there.
  const turn = await session.run('for (let i = 0; i < 30; i++) new Uint8Array(2.5e7).fill(1); "fine"');
  assert.equal(turn.result?.text, "'fine'");
});

test('a regular expression that backtracks for ever is struck', async () => {
  const turn = await session.run('/(a+)+b/.test("a".repeat(50))');
  assert.equal(turn.error?.name, 'FuelLimitError');
  await assertUsable();
});

test('looking at a session whose getter never ends fails and changes nothing', async () => {
  const trap = await KernelSession.open(host, 'trap');
  await trap.run(
    'Object.defineProperty(globalThis, "trap", { enumerable: true, configurable: true, get() { for (;;); } })',
  );
  const before = await trap.stateId();
  await host.inspect('trap').catch((error) => assert.equal(error.code, 'UNAVAILABLE'));
  await host.complete('trap', 'trap.', 5).catch((error) => assert.equal(error.code, 'UNAVAILABLE'));
  assert.equal(await trap.stateId(), before);
});
