/** What goes deep or round in circles: errors of stack overflows, lists that hold themselves, JSON of deep values. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { CREATED_MS, KernelSession } from '../kit/kernel-session.ts';

let host: KernelHost;
let session: KernelSession;
before(async () => {
  host = await makeKernelHost({ threads: 1 });
  session = await KernelSession.open(host, 's');
  await session.run(`
    const nested = (levels, wrap) => { let n = wrap(); for (let i = 1; i < levels; i++) n = wrap(n); return n }
    const list = (n) => (n ? [n] : []), object = (n) => ({ n })
    const tries = (make) => { try { return make() } catch (error) { return error } }`);
});
after(() => host.close());

/** Ways to run out of stack, and a frame that tells of it. */
const OVERFLOWS: Record<string, [code: string, frame: RegExp]> = {
  'a function': ['(function deep() { deep() })()', /at deep \(<cell \d+>:1:\d+\)/],
  'a method with many variables': [
    `({ deep(${Array.from({ length: 500 }, (_, at) => `v${at}`)}) { this.deep() } }).deep()`,
    /at deep \(<cell/,
  ],
  'a constructor': ['new (class Deep { constructor() { new Deep() } })()', /at Deep \(<cell/],
  'a getter': ['({ get deep() { return this.deep } }).deep', /at get deep \(<cell/],
  'a conversion': ['({ toString() { return "" + this } }) + ""', /at toString \(<cell/],
  'a callback of a builtin': ['(function deep() { [1].map(deep) })()', /at map \(native\)/],
  'a generator': ['(function* deep() { yield* deep() })().next()', /at deep \(<cell/],
  'lists in lists': ['String(nested(1e4, list))', /at toString \(native\)/],
};
for (const [what, [code, frame]] of Object.entries(OVERFLOWS)) {
  test(`the error of a stack overflow in ${what} has a stack, caught and not`, async () => {
    const { result } = await session.run(
      `let seen$; try { ${code} } catch ({ name, stack }) { seen$ = [name, stack] }; JSON.stringify(seen$)`.replaceAll(
        '$',
        `_${session.cell}`,
      ),
    );
    const [name, stack] = JSON.parse(result!.text.slice(1, -1).replaceAll('\\\\n', '\\n')) as string[];
    assert.equal(name, 'RangeError');
    assert.match(stack!, /^RangeError: Maximum call stack size exceeded\n {4}at /);
    assert.match(stack!, frame);
    const { error } = await session.run(code.replaceAll('$', `_${session.cell}`));
    assert.match(error!.stack, frame);
  });
}

test('a hook for stacks of the user’s has room to run when there is no stack left', async () => {
  await session.run('Error.prepareStackTrace = (error, sites) => [sites.length, sites[0].getFunctionName()]');
  assert.equal(await session.value('tries(function deep() { deep() }).stack'), "[ 10, 'deep' ]");
  await session.run('Error.prepareStackTrace = function endless() { endless() }');
  assert.equal(await session.value('tries(() => null.x).stack'), 'null');
  await session.run('Error.prepareStackTrace = undefined');
});

test('after all that there is as much stack as before', async () => {
  const depth = '(() => { let n = 0; tries(function deep() { n++; deep() }); return n })()';
  const before = await session.value(depth);
  await session.run('tries(() => JSON.stringify(nested(1e4, list)))');
  await session.run('String(nested(1e4, list))');
  assert.equal(await session.value(depth), before);
});

/** Text of lists that hold themselves, as V8 has it. */
const CIRCULAR: [code: string, shown: string][] = [
  ['const a = [1]; a.push(a, 2); [String(a), `${a}`, a + ""]', "[ '1,,2', '1,,2', '1,,2' ]"],
  ['a.join("-")', "'1--2'"],
  ['[1.5, a, 1e4].toLocaleString()', "'1.5,1,,2,10,000'"],
  ['a.toLocaleString()', "'1,,2'"],
  ['const b = [a]; a[0] = b; [String(a), String(b)]', "[ ',,2', ',,2' ]"],
  ['[a, a].join("|")', "',,2|,,2'"],
  ['String([[[]], [null, [undefined]]])', "',,'"],
  ['Array.prototype.join.call({ length: 2, 0: "x", 1: "y" }, "+")', "'x+y'"],
  ['Array.prototype.join.call("abc")', "'a,b,c'"],
  ['tries(() => [{ toString() { throw 1 } }].join())', '1'],
  ['[[1], [2, 3]].join(";")', "'1;2,3'"],
  ['tries(() => Array.prototype.join.call(null)).name', "'TypeError'"],
  ['[1234.5].toLocaleString("en-US", { style: "currency", currency: "USD" })', "'$1,234.50'"],
  [
    '[Array.prototype.join.length, [].join.name, [].toLocaleString.length, JSON.stringify.length]',
    "[ 1, 'join', 0, 3 ]",
  ],
  ['"prototype" in [].join', 'false'],
];
test('a list that holds itself is left out of its text', async () => {
  for (const [code, shown] of CIRCULAR) assert.equal(await session.value(code), shown, code);
});

test('what a strike left unwritten is written the next time', async () => {
  const turn = await session.run('const c = [1, { toString() { for (;;); } }]; String(c)', { timeoutMs: 50 });
  assert.equal(turn.error?.name, 'TimeoutError');
  await session.run('c.pop()');
  assert.equal(await session.value('String(c)'), "'1'");
});

test('JSON has the levels that it has in V8, and fails at once beyond', async () => {
  for (const wrap of ['list', 'object']) {
    const made = `JSON.stringify(nested(4100, ${wrap})).length`;
    assert.equal(await session.value(made), wrap === 'list' ? '8200' : `${4100 * 6 - 4}`);
    const turn = await session.run(`JSON.stringify(nested(1e5, ${wrap}))`);
    assert.equal(turn.error?.message, 'Maximum call stack size exceeded');
    assert.ok(turn.durationMs < 5_000, `${turn.durationMs} ms`);
  }
  assert.equal((await session.run('JSON.stringify(nested(4200, list))')).error?.name, 'RangeError');
});

test('JSON of what only looks deep is written, with all the stack there is', async () => {
  await session.run(`
    const chain = nested(1e5, (inner) => ({ inner, toJSON: () => 'short' }))
    const hidden = Object.defineProperty({}, 'deep', { value: nested(1e5, list) })
    const sum = (n) => n && 1 + sum(n - 1)
    const round = { children: [], toJSON() { return sum(9000) } }; round.children.push({ parent: round })`);
  assert.equal(
    await session.value('[chain, hidden, round].map((one) => JSON.stringify(one))'),
    "[ '\"short\"', '{}', '9000' ]",
  );
});

test('sessions of version 2 go on as they began', async () => {
  await host.open('old', { boot: { sessionId: 'old', createdMs: CREATED_MS, seed: 's', version: 2 } });
  const old = new KernelSession(host, 'old');
  await old.run('const tries = (make) => { try { return make() } catch (error) { return error } }');
  assert.equal(await old.value('tries(function deep() { deep() }).stack'), 'null');
  assert.equal(await old.value('const a = []; a.push(a); tries(() => String(a)).name'), "'RangeError'");
  assert.equal(
    await old.value('let n; for (let i = 0; i < 5000; i++) n = [n]; JSON.stringify(n).length'),
    '10004',
  );
});
