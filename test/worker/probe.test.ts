/** Looks into cells of the past while they run once more: the session is not touched, and the log is what is compared with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeReply, TraceReply } from '../../bus/operations/probing.ts';
import { startWorld } from './world.ts';

const values = ({ hits }: ProbeReply) =>
  hits.map((hit) => hit.values.map(({ value, error }) => value ?? error));
const steps = ({ steps }: TraceReply) =>
  steps.map(({ line, changed }) => [line, ...changed.map(({ name, value }) => `${name} = ${value}`)]);

const LOOP = 'for (let i = 0; i < 3; i++) {\n  total += i\n  console.log(i)\n}\ntotal';

test('expressions are told each time a line runs, and the session is as it was', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let total = 0, name = "a"');
  await client.forceSave('s');
  await client.execute('s', LOOP);
  await client.execute('s', 'total = -1');
  const before = await world.events('s');
  const reply = await client.probe('s', { cell: 2, line: 2 }, 'i, total, name, missing.x');
  const error = 'ReferenceError: missing is not defined';
  assert.deepEqual(values(reply), [
    ['0', '0', "'a'", error],
    ['1', '0', "'a'", error],
    ['2', '1', "'a'", error],
  ]);
  assert.deepEqual([reply.more, reply.divergence, reply.unfinished], [0, undefined, undefined]);
  const some = await client.probe('s', { cell: 2, line: 2 }, 'i', { condition: 'total > 0' });
  assert.deepEqual(values(some), [['2']]);
  const few = await client.probe('s', { cell: 2, line: 2 }, 'i', { limit: 1 });
  assert.deepEqual([values(few), few.more], [[['0']], 2]);
  assert.match(
    (await client.probe('s', { cell: 2, line: 2 }, 'i', { condition: 'nothing' })).refused!,
    /nothing is not defined/,
  );
  assert.equal((await world.events('s')).length, before.length);
  assert.equal((await client.execute('s', 'total')).output, '-1');
  assert.equal((await client.replay('s')).verified, true);
});

test('what an expression changes is told as a difference from the log, with the hits so far', async () => {
  await using world = await startWorld();
  await world.client.execute('s', 'let total = 0');
  await world.client.execute('s', LOOP);
  const reply = await world.client.probe('s', { cell: 2, line: 2 }, 'total++');
  assert.equal(reply.hits.length, 3);
  assert.equal(reply.divergence?.kind, 'output');
});

test('answers come from the log, and what runs after them is seen, too', async () => {
  await using world = await startWorld();
  const cell =
    'const said = await llm("two")\nlet n = said.length\nawait new Promise((done) => setTimeout(done, 5))\nn += 1';
  await world.client.execute('s', cell);
  const reply = await world.client.probe('s', { cell: 1, line: 4 }, 'n, typeof said');
  const [[n, type] = []] = values(reply);
  assert.ok(Number(n) > 0);
  assert.deepEqual([type, reply.divergence], ["'string'", undefined]);
});

test('a session that computes, waits, is closed or is a fork is looked at all the same', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let n = 1\nn++');
  const waiting = client
    .execute('s', 'n = 3\nn\nawait new Promise((done) => setTimeout(done, 60_000))\nn = 4')
    .catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 200));
  const waits = await client.probe('s', { cell: 2, line: 2 }, 'n');
  assert.deepEqual([values(waits), waits.unfinished, waits.divergence], [[['3']], true, undefined]);
  await client.fork('s', 'fork', 2);
  assert.deepEqual(values(await client.probe('fork', { cell: 1, line: 2 }, 'n')), [['1']]);
  await client.closeSession('s');
  await waiting;
  const closed = await client.probe('s', { cell: 2, line: 2 }, 'n');
  assert.deepEqual([values(closed), closed.unfinished], [[['3']], undefined]);
  const computing = client.execute('t', 'let k = 0\nfor (;;)\n  k++', { timeoutMs: 600 });
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal((await client.probe('t', { cell: 1, line: 3 }, 'k')).unfinished, true);
  await computing;
  const struck = await client.probe('t', { cell: 1, line: 3 }, 'k', { limit: 2 });
  assert.deepEqual(
    [values(struck), struck.struck, struck.divergence],
    [[['0'], ['1']], 'timeout', undefined],
  );
  assert.ok(struck.more > 0);
});

test('a cell that was undone is run up to where it failed', async () => {
  await using world = await startWorld();
  const filling = 'const all = []\nfor (;;)\n  all.push("x".repeat(1e6) + all.length)';
  assert.equal((await world.client.execute('s', filling)).error?.name, 'MemoryLimitError');
  const reply = await world.client.probe('s', { cell: 1, line: 3 }, 'all.length');
  assert.equal(reply.undone, 'MemoryLimitError');
  assert.ok(reply.hits.length > 10);
});

test('a cell that hung inside a built-in function is not run again', async () => {
  await using world = await startWorld({ kernel: { graceMs: 100 } });
  const hangs = 'let k = 1\nArray.prototype.indexOf.call({ length: 2 ** 45 }, 1)';
  const hung = await world.client.execute('s', hangs, { timeoutMs: 100, waitMs: 60_000 });
  assert.equal(hung.error?.name, 'WatchdogError');
  const reply = await world.client.probe('s', { cell: 1, line: 2 }, 'k');
  assert.deepEqual([reply.undone, reply.hits], ['WatchdogError', []]);
});

test('a loop of 100,000 turns is counted, and so is what TypeScript, generators and objects are made of', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let n = 0\nfor (let i = 0; i < 100_000; i++)\n  n += i\nn');
  const loop = await client.probe('s', { cell: 1, line: 3 }, 'i');
  assert.deepEqual([loop.hits.length, loop.more, loop.divergence], [1_000, 99_000, undefined]);
  const typed =
    'enum Colour { Red, Green }\nfunction* all(): Generator<Colour> {\n  yield Colour.Red\n  yield Colour.Green\n}\n[...all()]';
  await client.execute('s', typed);
  const yielded = await client.probe('s', { cell: 2, line: 4 }, 'Colour.Red, this === globalThis');
  assert.deepEqual(values(yielded), [['0', 'true']]);
});

test('what does not exist is said to be missing, with the lines that do', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let a = 1\n\n// nothing\na');
  await client.execute('s', 'let (');
  const probe = (cell: number, line: number, list = 'a', options = {}) =>
    client.probe('s', { cell, line }, list, options);
  await assert.rejects(probe(1, 3), {
    code: 'NOT_FOUND',
    message: /no statement of cell 1 begins on line 3/,
  });
  await assert.rejects(probe(1, 3), (error: { hint?: string }) => /begin on: 1, 4/.test(error.hint ?? ''));
  await assert.rejects(probe(9, 1), { code: 'NOT_FOUND', message: /no cell 9; its newest is 2/ });
  await assert.rejects(probe(2, 1), { code: 'NOT_FOUND', message: /nothing of cell 2 ever ran/ });
  await assert.rejects(client.trace('nobody', 1), { code: 'NOT_FOUND' });
  await assert.rejects(probe(1, 1, 'a +'), { code: 'BAD_REQUEST' });
  await assert.rejects(probe(1, 1, 'a', { condition: 'a, a' }), { code: 'BAD_REQUEST' });
  await assert.rejects(probe(1, 1, 'a', { limit: 0 }), { code: 'BAD_REQUEST' });
});

test('a cell that is too large or nested too deeply for it is refused with what can be done instead', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', `let a = 1\n${'a = 2;'.repeat(50_001)}`);
  await assert.rejects(client.trace('s', 1), { code: 'BAD_REQUEST', message: /50002 statements/ });
  assert.equal((await client.probe('s', { cell: 1, line: 1 }, 'a')).hits.length, 1);
  await client.execute('s', `${'['.repeat(3_000)}${']'.repeat(3_000)};1`);
  await assert.rejects(client.trace('s', 2), { code: 'BAD_REQUEST', message: /nested too deeply/ });
});

test('a trace tells the statements as they ran, and what changed before each', async () => {
  await using world = await startWorld();
  const { client } = world;
  await client.execute('s', 'let total = 0');
  const cell =
    'function add(x) {\n  const twice = x * 2\n  total += twice\n}\nfor (const one of [1, 1])\n  add(one)\ntotal';
  await client.execute('s', cell);
  const reply = await client.trace('s', 2);
  assert.deepEqual(steps(reply), [
    [5, 'total = 0'],
    [6, 'one = 1'],
    [2, 'x = 1'],
    [3, 'twice = 2'],
    [6, 'total = 2'],
    [2, 'x = 1'],
    [3, 'twice = 2'],
    [7, 'total = 4'],
  ]);
  assert.deepEqual([reply.steps[2]!.source, reply.changed], ['const twice = x * 2', []]);
  const few = await client.trace('s', 2, { limit: 3 });
  assert.deepEqual([few.steps.length, few.more], [3, 5]);
  await client.execute('s', 'total = 9');
  const last = await client.trace('s', 3);
  assert.deepEqual([steps(last), last.changed], [[[1, 'total = 4']], [{ name: 'total', value: '9' }]]);
});
