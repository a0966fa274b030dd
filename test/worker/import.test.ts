/** Imports: a log that becomes a session again, whoever wrote it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import { butIds, eventsIn, jsonl } from '../kit/jsonl.ts';
import { until } from '../kit/until.ts';
import { startWorld, type World } from './world.ts';

const folder = new URL('../histories/', import.meta.url);

const bring = (world: World, name: string, text: string | Uint8Array, options = {}) =>
  world.client.importLog(name, () => eventsIn(text), options);

const stateId = async (world: World, session: string) => (await world.client.at(session)).state.stateId;

const CELLS = [
  'let n = 1; console.log("one"); [Math.random(), crypto.randomUUID(), Date.now()]',
  'const said = await llm("two"); n = 2; said',
  'setTimeout(() => { n = 3; console.log("three") }, 1); n',
  'await new Promise((done) => setTimeout(done, 5)); throw new Error("four")',
  'const wide = "é".repeat(300_000); console.log(wide); wide.length',
];

test('a session that is exported and imported is the same but for its ids, verifies, and goes on', async () => {
  await using world = await startWorld();
  for (const [index, cell] of CELLS.entries()) {
    await world.client.execute('s', cell);
    if (index === 2) await world.client.forceSave('s');
  }
  await world.client.fork('s', 'fork', 4);
  for (const cell of CELLS.slice(2)) await world.client.execute('fork', cell);
  await world.client.fork('fork', 'fork of fork');
  await world.client.execute('fork of fork', 'await llm("five") + Math.random()');
  const calls = world.calls.length;
  for (const session of ['s', 'fork', 'fork of fork']) {
    const events = await world.events(session);
    let before = events;
    for (const copy of [`${session}, copied`, `${session}, copied twice`]) {
      const imported = await bring(world, copy, jsonl(before));
      assert.deepEqual([imported.session, imported.events, imported.verified], [copy, events.length, true]);
      const own = await world.events(copy);
      assert.deepEqual(butIds(own), butIds(events), copy);
      assert.notEqual((own[0] as EventOf<'session'>).id, (before[0] as EventOf<'session'>).id);
      assert.equal(await stateId(world, copy), await stateId(world, session));
      assert.deepEqual((await world.client.at(copy)).passedOver ?? [], [], 'its checkpoints are of use');
      const replayed = await world.client.replay(copy);
      assert.deepEqual([replayed.verified, replayed.events], [true, events.length], copy);
      before = own;
    }
    const random = 'Math.random()';
    const { output } = await world.client.execute(session, random);
    assert.equal((await world.client.execute(`${session}, copied twice`, random)).output, output);
  }
  assert.equal(world.calls.length, calls, 'nothing that has an answer was asked for again');
  const forks = (await world.client.listSessions()).filter(({ parent }) => parent);
  assert.deepEqual(forks.map(({ name }) => name).sort(), ['fork', 'fork of fork'], 'a copy shares nothing');
});

for (const file of readdirSync(folder).filter((name) => name.endsWith('.jsonl'))) {
  test(`${file} is imported as it is, and verifies`, async () => {
    await using world = await startWorld();
    const text = readFileSync(new URL(file, folder), 'utf8');
    const imported = await bring(world, 'old', text);
    assert.deepEqual(imported.divergence, null);
    const events = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SessionEvent);
    assert.deepEqual(butIds(await world.events('old')), butIds(events));
    assert.equal((await world.client.replay('old')).verified, true);
  });
}

test('a log that ends anywhere goes on from there: what has no answer is asked for anew', async () => {
  await using world = await startWorld();
  for (const cell of CELLS.slice(0, 4)) await world.client.execute('s', cell);
  const events = await world.events('s');
  for (let end = 1; end < events.length; end++) {
    const name = `up to ${end}`;
    assert.equal((await bring(world, name, jsonl(events.slice(0, end)))).verified, true);
    await world.client.execute(name, '1');
    assert.equal((await world.client.replay(name)).verified, true, name);
  }
});

test('a log that nobody here wrote is completed, and runs as far as it gives the same', async () => {
  await using world = await startWorld();
  const at = '2024-01-02T03:04:05Z';
  const foreign = [
    { type: 'session', version: 3, id: 'abc', created: at },
    { type: 'input', seq: 1, code: 'let n = 41', timestamp: at },
    { type: 'output', seq: 1, value: '', timestamp: at },
    { type: 'input', seq: 2, code: 'const a = await llm("hi"); a + n', timestamp: at, mood: 'kept' },
    { type: 'llm_req', seq: 2, prompt: 'hi', receiptKey: 'r-1' },
    { type: 'checkpoint', seq: 2, reason: 'auto', stateId: 'states/1.json' },
    { type: 'llm_resp', seq: 2, response: 'ho', receiptKey: 'r-1' },
    { type: 'output', seq: 2, value: "'ho41'", timestamp: at },
  ];
  const without = foreign.filter(({ type }) => type !== 'checkpoint');
  const { verified, divergence } = await bring(world, 'f', jsonl(without));
  assert.deepEqual([verified, divergence], [true, null]);
  assert.equal((await world.client.execute('f', 'a + n + 1')).output, "'ho411'");
  assert.equal((await world.client.replay('f')).verified, true);
  const events = await world.events('f');
  assert.equal((events[3] as { mood?: string }).mood, 'kept');
  assert.deepEqual(
    events.map(({ seq }) => seq),
    [...events.keys()],
  );

  // Heaps of another engine are not ours, which is no reason to refuse what the cells give.
  assert.equal((await bring(world, 'states', jsonl(foreign))).verified, true);
  assert.equal((await world.client.execute('states', 'n')).output, '41');

  const other = foreign.map((event) => ('value' in event ? { ...event, value: '=> 42' } : event));
  const diverged = await bring(world, 'd', jsonl(other));
  assert.deepEqual([diverged.verified, diverged.divergence?.seq], [false, 2]);
  assert.equal((await world.events('d')).length, other.length);
  assert.equal((await world.client.replay('d')).verified, false);
  assert.equal((await world.client.at('d', 0)).seq, 0);
  assert.equal((await world.client.lastGood('d')).divergence?.seq, 2);
  await assert.rejects(world.client.execute('d', 'n', { waitMs: 5_000 }), { code: 'DIVERGED' });
});

test('a name that is taken is refused, the same command imports once, and what fails leaves nothing', async () => {
  await using world = await startWorld();
  await world.client.execute('s', '1');
  const text = jsonl(await world.events('s'));
  const before = [...(await world.log.index()).commits];
  await assert.rejects(bring(world, 's', text), { code: 'BAD_REQUEST', message: /already/ });
  await assert.rejects(bring(world, 'x', `${text}{"type":"input"}\n`), { message: /^line 4: / });
  await assert.rejects(bring(world, 'x', `${text}{"type":"hope","seq":3}\n`), { message: /line 4.*"hope"/ });
  async function* unfit() {
    yield* eventsIn(text);
    yield { type: 'checkpoint', seq: 3, reason: 'x', stateId: '>' } as SessionEvent;
  }
  await assert.rejects(world.client.importLog('x', unfit), { code: 'BAD_FORMAT', message: /^event 3: / });
  assert.deepEqual([...(await world.log.index()).commits], before);
  const once = { commandId: 'once' };
  const first = await bring(world, 'y', text, once);
  assert.equal((await bring(world, 'y', text, once)).id, first.id);
  await assert.rejects(bring(world, 'y', text), { code: 'BAD_REQUEST' });
});

test('an import that takes many commits is not there before its last one, and not at all when its worker dies', async () => {
  await using world = await startWorld();
  await world.client.execute(
    's',
    'for (let i = 0; i < 30; i++) { console.log("x".repeat(16_000)); console.error("y".repeat(16_000)) }; await llm("a")',
  );
  await world.client.forceSave('s');
  const text = jsonl(await world.events('s'));
  const append = world.log.append.bind(world.log);
  let commits = 0;
  world.log.append = async (...args) => {
    assert.equal(await world.client.getSession('c'), null);
    commits += 1;
    return append(...args);
  };
  await bring(world, 'c', text);
  assert.ok(commits > 3, `${commits} commits`);
  assert.equal((await world.client.replay('c')).verified, true);

  const dead = gate();
  const reached = gate();
  commits = 0;
  world.log.append = async (...args) => {
    commits += 1;
    if (commits === 3) reached.resolve();
    if (commits > 2) await dead.promise;
    return append(...args);
  };
  const abort = new AbortController();
  const work = bring(world, 'd', text, { signal: abort.signal });
  work.catch(() => {});
  await reached.promise;
  await world.kill(world.workers[0]!.worker);
  dead.resolve();
  abort.abort(new Error('enough'));
  await assert.rejects(work, { message: 'enough' });
  world.log.append = append;
  assert.equal(await world.client.getSession('d'), null);
  assert.equal(
    (await world.client.listSessions()).some(({ name }) => name === 'd'),
    false,
  );
  await until(async () => (await world.blobs.keys('partial')).includes('d'));
});

function gate(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((open) => {
    resolve = open;
  });
  return { promise, resolve };
}
