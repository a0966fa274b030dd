/** Edits: what would have been, had one thing that entered been another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seqOf } from '../../bus/chain.ts';
import { isAnswer } from '../../bus/effect-events.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import { startWorld, type World } from './world.ts';

const CELLS = [
  'let n = 1; const seen = [Math.random()]; console.log("one")',
  'const first = await llm("about " + n); n += 1; first',
  'setTimeout(() => { n += 10; console.log("later", n) }, 5); n',
  'const second = await llm("then " + first.length); await new Promise((done) => setTimeout(done, 10)); n',
  'seen.push(Date.now() - performance.timeOrigin); throw new Error("at the end " + n)',
  'n * 2',
];

async function tell(world: World): Promise<SessionEvent[]> {
  for (const [index, cell] of CELLS.entries()) {
    await world.client.execute('s', cell);
    if (index === 2) await world.client.forceSave('s');
  }
  return world.events('s');
}

const stateId = async (world: World, session: string) => (await world.client.at(session)).state.stateId;

/** Events without what an edit makes another: numbers, ids, keys, what belongs to the fork. */
function told(events: readonly SessionEvent[]): object[] {
  return events
    .filter(({ type }) => type !== 'fork' && type !== 'checkpoint')
    .map(({ seq: _, ...event }) => {
      const {
        commandId: __,
        receiptKey: ___,
        durationMs: ____,
        timestamp: _____,
        id: ______,
        name: _______,
        ...rest
      } = event as Record<string, unknown>;
      return rest;
    });
}

test('an edit that changes nothing comes to the same end, whichever input it is, and asks nothing', async () => {
  await using world = await startWorld();
  const events = await tell(world);
  const calls = world.calls.length;
  for (const event of events) {
    if (event.type !== 'input') continue;
    const name = `e${event.seq}`;
    const edited = await world.client.edit('s', name, event.seq, { code: event.code });
    assert.deepEqual([edited.asked, edited.first, edited.cells, edited.left], [0, null, 0, false]);
    assert.deepEqual(told(await world.events(name)), told(events), name);
    assert.equal(await stateId(world, name), await stateId(world, 's'), name);
    assert.equal((await world.client.replay(name)).verified, true, name);
  }
  assert.equal(world.calls.length, calls);
  assert.deepEqual(await world.events('s'), events);
});

test('a recorded answer is taken again while the same is asked; from the first difference on models are asked', async () => {
  await using world = await startWorld();
  const events = await tell(world);
  const [, asks, , then] = events.filter((event): event is EventOf<'input'> => event.type === 'input');
  const calls = world.calls.length;
  const other = { code: 'n = 7; console.log("other")' };
  const planned = await world.client.edit('s', 'dry', 1, other, { dryRun: true });
  assert.deepEqual([planned.reused, planned.asked, planned.first?.detail], [0, 2, 'about 7']);
  assert.equal(await world.client.getSession('dry'), null);
  const free = await world.client.edit('s', 'free', 1, other, { calls: false });
  assert.deepEqual([free.asked, free.left], [2, true]);
  assert.equal((await world.events('free')).filter(({ type }) => type === 'input').length, 1);
  assert.equal(world.calls.length, calls, 'nothing was asked so far');

  const edited = await world.client.edit('s', 'e', 1, other);
  assert.deepEqual([edited.reused, edited.asked, edited.cells], [0, 2, 4]);
  assert.equal((await world.client.execute('e', 'first')).output, "'echo: about 7'");
  assert.equal((await world.client.execute('e', 'n')).output, '18');
  assert.equal((await world.client.replay('e')).verified, true);

  const kept = await world.client.edit('s', 'kept', asks!.seq, { code: `${asks!.code} + 1` });
  assert.deepEqual([kept.reused, kept.asked], [2, 0]);
  const half = await world.client.edit('s', 'half', then!.seq, {
    code: 'const second = await llm("else"); n',
  });
  assert.deepEqual([half.reused, half.asked, half.cells], [0, 1, 2]);
});

test('an answer, the time of an event, and the seed can be others', async () => {
  await using world = await startWorld();
  const events = await tell(world);
  const answer = events.find(({ type }) => type === 'llm_resp')!;
  const bill = await world.client.edit(
    's',
    'said',
    answer.seq!,
    { answer: { value: 'no' } },
    { dryRun: true },
  );
  assert.deepEqual([bill.reused, bill.asked], [0, 1], 'the answer that is given is not to be asked for');
  const said = await world.client.edit('s', 'said', answer.seq!, { answer: { value: 'no' } });
  assert.deepEqual([said.reused, said.asked, said.first?.detail], [0, 1, 'then 2']);
  assert.equal((await world.client.execute('said', 'first')).output, "'no'");
  await assert.rejects(world.client.edit('s', 'x', answer.seq!, { answer: { value: 7 } }), {
    code: 'BAD_REQUEST',
  });

  const last = events.findLast(({ type }) => type === 'input')!;
  const error = events.findLast(({ type }) => type === 'error')!;
  const [, , , , dated] = events.filter((event): event is EventOf<'input'> => event.type === 'input');
  const timeMs = Date.parse(dated!.timestamp) + 2;
  const later = await world.client.edit('s', 'later', dated!.seq, { timeMs });
  assert.equal(later.asked, 0);
  const elapsed = async (name: string) => Number((await world.client.execute(name, 'seen[1]')).output);
  assert.equal((await elapsed('later')) - (await elapsed('s')), 2);
  assert.equal(seqOf(last) > seqOf(error), true);
  for (const wrong of [1, Date.now() + 3_600_000])
    await assert.rejects(world.client.edit('s', 'x', dated!.seq, { timeMs: wrong }), { code: 'BAD_REQUEST' });

  const seeded = await world.client.edit('s', 'seeded', 0, { seed: 'another' });
  assert.deepEqual([seeded.parent, seeded.reused, seeded.asked], [null, 2, 0]);
  const random = async (name: string) => (await world.client.execute(name, 'seen[0]')).output;
  assert.notEqual(await random('seeded'), await random('s'));
  for (const name of ['said', 'later', 'seeded'])
    assert.equal((await world.client.replay(name)).verified, true, name);
});

test('an answer can be another wherever it stands among others, and what comes after it is not asked again', async () => {
  await using world = await startWorld();
  await world.client.execute(
    's',
    'const all = await Promise.all([1, 2, 3, 4].map((n) => llm(`q${n}`))); all.join()',
  );
  await world.client.execute('s', 'setTimeout(() => { all.push("late") }, 1); await llm("after")');
  const events = await tell(world);
  for (const event of events) {
    if (!isAnswer(event) || event.type !== 'llm_resp') continue;
    const name = `e${event.seq}`;
    const { reused, asked, cells } = await world.client.edit('s', name, event.seq, {
      timeMs: Date.parse(event.timestamp!) + 1,
    });
    const behind = events.filter((each) => each.type === 'llm_resp' && each.seq > event.seq).length;
    assert.deepEqual([reused, asked, cells], [behind, 0, 0], name);
    assert.equal((await stateId(world, name)) !== '', true);
    assert.equal((await world.client.replay(name)).verified, true);
  }
});

test('what cannot be changed is refused with the reason, and nothing is begun', async () => {
  await using world = await startWorld();
  const events = await tell(world);
  const output = events.find(({ type }) => type === 'output')!;
  const refused = async (seq: number, change: object, code: string) => {
    await assert.rejects(world.client.edit('s', 'x', seq, change), { code });
    assert.equal(await world.client.getSession('x'), null);
  };
  await refused(output.seq!, { code: '1' }, 'BAD_REQUEST');
  await refused(output.seq!, { timeMs: Date.now() }, 'BAD_REQUEST');
  await refused(1, { answer: { value: 'x' } }, 'BAD_REQUEST');
  await refused(1, { seed: 'x' }, 'BAD_REQUEST');
  await refused(1, {}, 'BAD_REQUEST');
  await refused(1, { code: '1', seed: 'x' }, 'BAD_REQUEST');
  await refused(9_999, { code: '1' }, 'NOT_FOUND');
  await assert.rejects(world.client.edit('nobody', 'x', 1, { code: '1' }), { code: 'NOT_FOUND' });
  await assert.rejects(world.client.edit('s', 's', 1, { code: '1' }), { code: 'BAD_REQUEST' });
  const once = { commandId: 'once' };
  await world.client.edit('s', 'e', 1, { code: '1' }, once);
  await world.client.edit('s', 'e', 1, { code: '1' }, once);
  assert.ok(events.some(isAnswer));
});

test('cells that are struck or undone in the rest, and endless ones, end as they would', async () => {
  await using world = await startWorld({ kernel: { limits: { memoryBytes: 24 * 1024 * 1024 } } });
  await world.client.execute('s', 'let n = 1', { timeoutMs: 300 });
  await world.client.execute('s', 'for (;;) n += 1', { timeoutMs: 300 });
  await world.client.execute('s', 'n > 1');
  const same = await world.client.edit('s', 'same', 1, { code: 'let n = 1' });
  assert.deepEqual([same.cells, same.left], [0, false]);
  assert.equal(await stateId(world, 'same'), await stateId(world, 's'));
  await world.client.edit('s', 'endless', 1, { code: 'let n = 0; for (;;);' });
  const [first] = (await world.events('endless')).filter(
    ({ type }) => type === 'error',
  ) as EventOf<'error'>[];
  assert.equal(first?.name, 'TimeoutError');
  assert.equal((await world.client.replay('endless')).verified, true);
  await world.client.execute('u', 'let kept = 1');
  await world.client.execute('u', 'const all = []; for (;;) all.push(new Array(1e5).fill(kept))');
  await world.client.execute('u', 'kept');
  await world.client.execute('u', 'await llm("behind")');
  const { reused, asked, cells } = await world.client.edit('u', 'v', 1, { code: 'let kept = 2' });
  assert.deepEqual([reused, asked, cells], [1, 0, 0], 'the rest goes on behind an undone cell');
  assert.equal((await world.client.execute('v', 'kept')).output, '2');
  assert.equal((await world.client.replay('v')).verified, true);
});

test('a session with another beginning draws what the other one drew, for as long as the seed is the same', async () => {
  await using world = await startWorld();
  const { output } = await world.client.execute('s', 'Math.random()');
  const [first] = (await world.events('s')) as [EventOf<'session'>];
  await world.client.edit('s', 'same', 0, { seed: first.seed! });
  await world.client.edit('same', 'again', 0, { seed: first.seed! });
  for (const name of ['same', 'again']) {
    assert.equal((await world.client.execute(name, '_')).output, output);
    assert.equal((await world.client.replay(name)).verified, true, name);
  }
});
