/** Where two moments differ: of one session, of a session and its forks and edits, of strangers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seqOf } from '../../bus/chain.ts';
import type { DiffReply } from '../../bus/client/diff/diff.ts';
import { until } from '../kit/until.ts';
import { startWorld, type World } from './world.ts';

/** The budget is far from what a walk takes; a walk that never ends is given less. */
const diff = (world: World, a: string, b: string, atA?: number, atB?: number, timeoutMs = 60_000) =>
  world.client.diff({ session: a, seq: atA }, { session: b, seq: atB }, { timeoutMs });

const lines = ({ variables }: DiffReply) =>
  variables.map(({ path, a, b }) => `${path}: ${a ?? '∅'} ⇒ ${b ?? '∅'}`);
const printed = ({ outputs }: DiffReply) => [
  outputs.a.map(({ text }) => text),
  outputs.b.map(({ text }) => text),
];

const CELLS = [
  'let n = 1; const list = [1, { deep: "x" }]; console.log("one")',
  'const answer = await llm("two"); n = 2; answer',
  'console.log("a\\nb"); n = 3; list.push(n); n',
];

async function tell(world: World, session = 's', cells = CELLS): Promise<void> {
  for (const cell of cells) await world.client.execute(session, cell);
}

test('two moments of a session part at the older one', async () => {
  await using world = await startWorld();
  await tell(world);
  const events = await world.events('s');
  const [newest, first] = [events.length - 1, events.findIndex(({ type }) => type === 'llm_req') - 1];
  const reply = await diff(world, 's', 's', first);
  assert.deepEqual(
    [reply.a, reply.b],
    [
      { session: 's', seq: first },
      { session: 's', seq: newest },
    ],
  );
  assert.equal(reply.parted, first);
  assert.deepEqual(lines(reply), [
    'n: 1 ⇒ 3',
    'list: Array(2) ⇒ Array(3)',
    'list[2]: ∅ ⇒ 3',
    'answer: <not readable> ⇒ "echo: two"'.replace('<not readable>', '<throws ReferenceError>'),
  ]);
  assert.deepEqual(printed(reply), [[], ["'echo: two'", 'a', 'b', '3']]);
  assert.deepEqual(
    reply.calls.map(({ kind, request, a, b }) => [kind, request, a, b?.answer]),
    [['llm', { prompt: 'two' }, undefined, 'echo: two']],
  );
  const none = await diff(world, 's', 's');
  assert.deepEqual([none.same, none.variables, none.parted], [true, [], newest]);
  await assert.rejects(diff(world, 's', 's', 999), { code: 'NOT_FOUND' });
  await assert.rejects(diff(world, 's', 'nobody'), { code: 'NOT_FOUND' });
});

test('forks part where they left, at whatever event, however alike they go on', async () => {
  await using world = await startWorld();
  await tell(world);
  await world.client.forceSave('s');
  const events = await world.events('s');
  for (const seq of [0, 3, 5, events.length - 2, events.length - 1]) {
    await world.client.fork('s', `f${seq}`, seq);
    await world.client.fork(`f${seq}`, `g${seq}`, seq);
    assert.equal((await diff(world, 's', `f${seq}`)).parted, seq);
    assert.equal((await diff(world, `g${seq}`, 's')).parted, seq);
    // What comes behind may be the same event for event: it is not what they share.
    assert.equal((await diff(world, `f${seq}`, `g${seq}`)).parted, seq);
  }
  await world.client.execute('f3', 'n = 30; list[1].deep = "y"; const more = { p: [1] }');
  const reply = await diff(world, 'f3', 'g3');
  assert.deepEqual(lines(reply), ['n: 30 ⇒ 1', 'list[1].deep: "y" ⇒ "x"', 'more: { p: [ 1 ] } ⇒ ∅']);
  assert.deepEqual(await world.events('s'), events, 'nothing was touched');
});

test('an edit that changes nothing does not differ; another answer of a model is told with its request', async () => {
  await using world = await startWorld();
  await tell(world);
  await world.client.forceSave('s');
  await world.client.execute('s', 'n += 1');
  const events = await world.events('s');
  const [input] = events.filter(({ type }) => type === 'input');
  await world.client.edit('s', 'same', seqOf(input!), { code: CELLS[0]! });
  const same = await diff(world, 's', 'same');
  assert.deepEqual([same.same, same.parted], [true, 0]);
  const answer = events.find(({ type }) => type === 'llm_resp')!;
  await world.client.edit('s', 'other', seqOf(answer), { answer: { value: 'no' } });
  const other = await diff(world, 's', 'other');
  assert.equal(other.parted, seqOf(answer) - 1);
  assert.deepEqual(lines(other), ['answer: "echo: two" ⇒ "no"']);
  assert.deepEqual(printed(other), [["'echo: two'"], ["'no'"]]);
  assert.deepEqual(
    other.calls.map(({ request, a, b }) => [request, a?.answer, b?.answer]),
    [[{ prompt: 'two' }, 'echo: two', 'no']],
  );
  await world.client.closeSession('other');
  assert.deepEqual(lines(await diff(world, 's', 'other')), lines(other));
});

test('strangers share nothing, and may be the same; timers of another time are the same calls', async () => {
  await using world = await startWorld();
  const cells = [
    'let x = { y: [1] }; console.log("hi"); await new Promise((done) => setTimeout(done, 3)); x.y',
  ];
  await tell(world, 's', cells);
  await tell(world, 't', cells);
  const alike = await diff(world, 's', 't');
  assert.deepEqual([alike.parted, alike.same, alike.calls], [null, true, []]);
  await world.client
    .execute('t', 'x.y = "z"; console.error("oh"); throw new TypeError("no")')
    .catch(() => {});
  const reply = await diff(world, 's', 't');
  assert.deepEqual(lines(reply), ['x.y: Array(1) { [0]: 1 } ⇒ "z"']);
  assert.deepEqual(
    reply.outputs.b.map(({ stream, text }) => [stream, text]),
    [
      ['stderr', 'oh'],
      ['error', 'TypeError: no'],
    ],
  );
});

test('a session that runs is compared as it was, and goes on', async () => {
  await using world = await startWorld();
  await tell(world);
  const running = world.client.execute('s', 'n = await llm({ prompt: "slow", delayMs: 400 }); n');
  await until(async () => (await world.events('s')).filter(({ type }) => type === 'llm_req').length === 2);
  const asked = (await world.events('s')).length - 1;
  await world.client.fork('s', 'f');
  const open = await diff(world, 's', 'f', asked, asked);
  assert.deepEqual([open.same, open.parted], [true, asked]);
  await world.client.execute('f', '1');
  assert.equal((await running).output, "'echo: slow'");
  const reply = await diff(world, 's', 'f', asked);
  assert.deepEqual(
    reply.calls.map(({ request, a, b }) => [(request as { prompt: string }).prompt, a, b?.answer]),
    [['slow', { seq: asked }, 'echo: slow']],
  );
});

const HOSTILE = `
  const weird = { minusZero: -0, nan: NaN, big: 2n ** 70n, sym: Symbol('q'), 'odd key': 1, [Symbol('k')]: 2 };
  const map = new Map([['k', { v: 1 }], [1, 2], ['1', 3], [{ key: 1 }, 4]]); const set = new Set(['v', 1, { m: 1 }]);
  const when = new Date(0), never = new Date(NaN), re = /a+/gi, bytes = new Uint8Array([1, 2]), many = new Uint8Array(9000);
  const failure = new RangeError('bad', { cause: 'why' }); class Point { #secret = 1; x = 1; get far() { throw 1 } }
  const point = new Point(), boxed = new Number(3), buffer = new ArrayBuffer(4), url = new URL('https://a.b/c');
  function add(a, b) { return a + b } const lone = '\\ud800', long = 'x'.repeat(5000), tab = '\\t"\\\\u0041';
  let got = 0; const lazy = { get now() { got++; return 1 }, shared: map }; lazy.self = lazy;
  const proxy = new Proxy({ a: 1 }, {}); const broken = new Proxy({}, { ownKeys() { throw new TypeError('no') } });
  const revoked = Proxy.revocable({}, {}); revoked.revoke(); const gone = revoked.proxy;
  const holes = [1, , 3]; holes.length = 4e9; const bare = Object.create(null); bare.x = 1; globalThis.if = 1;
  let deep = {}; { let at = deep; for (let i = 0; i < 5000; i++) at = at.in = {}; }
`;
const OTHER = `
  weird.minusZero = 0; weird.nan = undefined; weird.big += 1n; weird['odd key'] = '1';
  map.get('k').v = 2; map.set(1, 20); map.delete('1'); set.delete('v'); when.setTime(1); re.lastIndex = 3; bytes[1] = 7;
  many[8000] = 1; failure.message = 'worse'; point.x = [1]; add = function (a, b) { return a - b };
  holes[7] = 1; bare.x = 2; lazy.shared = 0; proxy.a = 2; globalThis.if = 2; void 0
`;

test('values of all kinds are compared by path; getters are not called, and what cannot be read is said', async () => {
  await using world = await startWorld();
  await tell(world, 's', [HOSTILE.replaceAll('\\\\', '\\')]);
  const at = (await world.events('s')).length - 1;
  await tell(world, 's', [OTHER]);
  const reply = await diff(world, 's', 's', at);
  const hashless = lines(reply).map((line) => line.replaceAll(/#[0-9a-f]+/g, '#'));
  assert.deepEqual(hashless, [
    'weird.big: 1180591620717411303424n ⇒ 1180591620717411303425n',
    'weird.minusZero: -0 ⇒ 0',
    'weird.nan: NaN ⇒ undefined',
    'weird["odd key"]: 1 ⇒ "1"',
    'map: Map(4) ⇒ Map(3)',
    'map.get("k").v: 1 ⇒ 2',
    'map.get(1): 2 ⇒ 20',
    'map.get("1"): 3 ⇒ ∅',
    'set: Set(3) ⇒ Set(2)',
    'set.has("v"): true ⇒ ∅',
    'when: 1970-01-01T00:00:00.000Z ⇒ 1970-01-01T00:00:00.001Z',
    're.lastIndex: ∅ ⇒ 3',
    'bytes: Uint8Array(2) # ⇒ Uint8Array(2) #',
    'bytes[1]: 2 ⇒ 7',
    'many: Uint8Array(9000) # ⇒ Uint8Array(9000) #',
    'failure.message: "bad" ⇒ "worse"',
    'point.x: 1 ⇒ Array(1) { [0]: 1 }',
    'lazy.shared: → map ⇒ 0',
    'proxy.a: 1 ⇒ 2',
    'holes[7]: ∅ ⇒ 1',
    'bare.x: 1 ⇒ 2',
    'add: function add # ⇒ function add #',
    'if: 1 ⇒ 2',
  ]);
  assert.deepEqual(reply.bounds, ['values', 'unseen']);
  // Each as it is shown, once: against a session that has none of them.
  await world.client.execute('empty', '0');
  const { variables } = await diff(world, 's', 'empty', at);
  assert.equal(variables.length, (await world.client.at('s', at)).state.variables.length);
  assert.ok(variables.every(({ a, b }) => a !== undefined && b === undefined));
});

test('what is beyond the bounds is not told, but whether it differs', async () => {
  await using world = await startWorld();
  await tell(world, 's', [
    'const all = Array.from({ length: 10000 }, (_, i) => ({ i })); let text = "x".repeat(9000)',
  ]);
  const at = (await world.events('s')).length - 1;
  await tell(world, 's', ['all[9000].i = -1; text = "x".repeat(8999) + "y"; 0']);
  const reply = await diff(world, 's', 's', at);
  const [rest, text, ...more] = lines(reply);
  assert.match(rest!, /^all\.…: (\d+) more #\w+ ⇒ \1 more #\w+$/);
  assert.match(text!, /^text: "x{200}"… \(9000 characters, #\w+\) ⇒ /);
  assert.deepEqual([more, reply.bounds], [[], ['values']]);
});

test('builtins that the session has overwritten do not matter; where they must be sound, previews are compared', async () => {
  await using world = await startWorld();
  const start = 'let x = { a: 1, list: [1] }; const m = new Map([["k", { v: 1 }]]); const Map2 = Map';
  const overwritten = [
    'JSON = null; let Reflect = 1, Object = 2; Array.prototype.push = Array.prototype.map = null; String.prototype.concat2 = 0',
    'for (const key of ["get", "set", "value", "length", "0"]) this.Object.prototype[key] = () => 7',
    'Array.prototype[Symbol.iterator] = Array.prototype.join = Array.prototype.map = null; RegExp.prototype.exec = () => 1',
    'Map.prototype.get = Map.prototype.has = Set.prototype.add = null; console.log = null; class String {}; let Symbol = 3',
  ];
  for (const [index, cell] of overwritten.entries()) {
    const name = `s${index}`;
    await tell(world, name, [start, cell]);
    const at = (await world.events(name)).length - 1;
    const { error } = await world.client.execute(
      name,
      'x.a = 2; Map2.prototype.forEach.call(m, (o) => { o.v = 2 }); 0',
    );
    assert.equal(error, null, cell);
    const reply = await diff(world, name, name, at);
    assert.deepEqual([lines(reply), reply.bounds], [['x.a: 1 ⇒ 2', 'm.get("k").v: 1 ⇒ 2'], []], cell);
  }
  const beyond = [
    'delete globalThis.Reflect',
    'Map.prototype.forEach = () => {}',
    'String.prototype.charCodeAt = () => 1',
    'this.Object.prototype.hasOwnProperty = () => true',
    'const stuck = new Proxy({}, { ownKeys() { for (;;); } })',
  ];
  for (const [index, cell] of beyond.entries()) {
    const name = `t${index}`;
    await tell(world, name, [start, cell]);
    const at = (await world.events(name)).length - 1;
    await tell(world, name, ['x.a = 2; 0']);
    const reply = await diff(world, name, name, at, undefined, cell.includes('stuck') ? 500 : undefined);
    assert.deepEqual(
      [lines(reply), reply.bounds],
      [['x: { a: 1, list: [ 1 ] } ⇒ { a: 2, list: [ 1 ] }'], ['previews']],
      cell,
    );
  }
});
