/** Looks at the past: every event of a session is a moment, whatever the session does meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seqOf } from '../../bus/chain.ts';
import type { AtReply } from '../../bus/operations/looks.ts';
import { startWorld } from './world.ts';

const preview = ({ state }: AtReply, name: string) =>
  state.variables.find((variable) => variable.name === name)?.preview;

const CELLS = [
  'let n = 1; console.log("one")',
  'n = 2; await llm("two"); n = 3',
  'n = 4; throw new Error("four")',
  'setTimeout(() => { n = 5 }, 1); n',
  'await new Promise((done) => setTimeout(done, 5)); n = 6',
];

test('every event is a moment: the variables are those of the turn it belongs to, and nothing is changed', async () => {
  await using world = await startWorld();
  for (const [index, cell] of CELLS.entries()) {
    await world.client.execute('s', cell);
    if (index === 1) await world.client.forceSave('s');
  }
  const events = await world.events('s');
  const seen: (string | undefined)[] = [];
  for (const event of events) {
    const reply = await world.client.at('s', seqOf(event));
    assert.equal(reply.seq, seqOf(event));
    seen.push(preview(reply, 'n'));
  }
  const distinct = seen.filter((value, index) => value !== seen[index - 1]);
  assert.deepEqual(distinct, ['1', '2', '3', '4', '5', '6']);
  // From the first event on it is the same: a checkpoint only saves time.
  assert.equal((await world.client.at('s')).state.stateId, (await world.client.inspect('s')).state.stateId);
  assert.equal((await world.events('s')).length, events.length);
  assert.equal((await world.client.replay('s')).verified, true);
});

test('what waits at a moment is told, also when it has long been answered', async () => {
  await using world = await startWorld();
  await world.client.execute('s', CELLS[0]!);
  await world.client.execute('s', CELLS[1]!);
  const asked = (await world.events('s')).find(({ type }) => type === 'llm_req')!;
  const { state } = await world.client.at('s', asked.seq);
  assert.deepEqual(
    state.pending.map(({ kind, detail }) => [kind, detail]),
    [['llm', 'two']],
  );
  assert.equal(state.status, 'awaitingEffects');
});

test('code runs on a copy: it sees what was, changes nothing, and effects are refused by an error it can catch', async () => {
  await using world = await startWorld();
  for (const cell of CELLS.slice(0, 3)) await world.client.execute('s', cell);
  const run = async (code: string, seq = 3) => (await world.client.at('s', seq, { code })).evaluated!;
  assert.equal((await run('n += 10; console.log("seen"); n')).output, '11');
  assert.equal((await run('n')).output, '1');
  assert.equal((await run('throw new TypeError("no")')).error?.name, 'TypeError');
  assert.equal((await run('(')).error?.name, 'SyntaxError');
  const refused = await run('await llm("again")');
  assert.deepEqual([refused.error?.name, refused.refused], ['EffectRefusedError', 1]);
  assert.equal(
    (await run('try { await llm("x") } catch (error) { error.name }')).output,
    "'EffectRefusedError'",
  );
  assert.equal((await run('setTimeout(() => { n = 0 }, 1); n')).output, '1');
  const endless = await run('for (;;) { try { await llm("x") } catch {} }');
  assert.equal(endless.error?.name, 'TimeoutError');
  const spinning = await world.client.at('s', 3, { code: 'for (;;);', timeoutMs: 100 });
  assert.equal(spinning.evaluated?.error?.name, 'TimeoutError');
  assert.equal((await world.client.execute('s', 'n')).output, '4');
});

test('a session that computes, one that waits and one that is closed are looked at all the same', async () => {
  await using world = await startWorld();
  await world.client.execute('s', 'let n = 1');
  const computing = world.client.execute('s', 'n = 2; for (;;);', { timeoutMs: 800 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const newest = await world.client.at('s');
  assert.deepEqual([newest.unfinished, newest.state.status, preview(newest, 'n')], [true, 'running', '1']);
  assert.equal((await computing).error?.name, 'TimeoutError');
  // Its turn has an end by now: the strike is repeated, not waited for.
  assert.equal(preview(await world.client.at('s', newest.seq), 'n'), '2');
  void world.client
    .execute('s', 'n = 3; await new Promise((done) => setTimeout(done, 60_000))')
    .catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(preview(await world.client.at('s'), 'n'), '3');
  await world.client.closeSession('s');
  const closed = await world.client.at('s');
  assert.equal(closed.state.status, 'closed');
});

test('a session or an event that does not exist is said to be missing', async () => {
  await using world = await startWorld();
  await assert.rejects(world.client.at('nobody', 0), { code: 'NOT_FOUND' });
  await world.client.execute('s', '1');
  await assert.rejects(world.client.at('s', 99), {
    code: 'NOT_FOUND',
    message: /has no event 99; its newest is 2/,
  });
});

test('the first event after which something holds is found turn by turn and by halving, and nothing is touched', async () => {
  await using world = await startWorld();
  await world.client.execute('s', 'let n = 0');
  for (let i = 0; i < 20; i++) await world.client.execute('s', 'n += 1');
  const events = await world.events('s');
  const seventh = events.filter(({ type }) => type === 'input')[7] as { seq: number; cell: number };
  for (const monotonic of [false, true]) {
    const found = await world.client.bisect('s', 'n >= 7 // enough', { monotonic });
    const { seq, cell, before, after, steps } = found;
    assert.deepEqual([seq, cell, before, after], [seventh.seq, 8, 'false', 'true']);
    if (monotonic) assert.ok(steps <= Math.ceil(Math.log2(events.length)) + 1, `${steps} steps`);
    else assert.equal(steps, 8);
    const never = await world.client.bisect('s', 'n > 1_000', { monotonic });
    assert.deepEqual([never.seq, never.after], [null, 'false']);
  }
  // It comes and goes, and does not exist at first.
  assert.equal((await world.client.bisect('s', 'n === 3')).cell, 4);
  assert.equal((await world.client.bisect('s', 'missing.length > 1')).seq, null);
  await assert.rejects(world.client.bisect('s', 'for (;;);'), { code: 'BAD_REQUEST' });
  const looping = '(() => { for (;;); })()';
  assert.equal((await world.client.bisect('s', `n > 1 && ${looping}`, { timeoutMs: 20 })).seq, null);
  assert.equal((await world.events('s')).length, events.length);
  await assert.rejects(world.client.bisect('nobody', 'true'), { code: 'NOT_FOUND' });
});
