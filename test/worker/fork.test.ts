/** Forks: a session that goes on from any event of another one, which it shares everything with and never touches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seqOf } from '../../bus/chain.ts';
import type { RepriseError } from '../../bus/errors.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { until } from '../kit/until.ts';
import { startWorld, type World } from './world.ts';

const CELLS = [
  'let n = 1; console.log("one"); console.error("uno")',
  'n = 2; const answer = await llm("two"); n = 3; answer',
  'n = 4; throw new Error("four")',
  'setTimeout(() => { n = 5; console.log("five") }, 1); n',
  'await new Promise((done) => setTimeout(done, 5)); n = 6',
];

async function tell(world: World, session = 's', checkpoints = [1]): Promise<SessionEvent[]> {
  for (const [index, cell] of CELLS.entries()) {
    await world.client.execute(session, cell);
    if (checkpoints.includes(index)) await world.client.forceSave(session);
  }
  return world.events(session);
}

const stateAt = async (world: World, session: string, seq: number) =>
  (await world.client.at(session, seq)).state.stateId;

/** What a session said, without what it was asked. */
const said = (events: SessionEvent[]) =>
  events.flatMap((event) =>
    event.type === 'output' ? [event.value] : event.type === 'error' ? [event.name] : [],
  );

test('at every event a fork, and a fork of it, have the same heap, go on to the same end, and verify', async () => {
  await using world = await startWorld();
  const events = await tell(world);
  for (const seq of events.map(seqOf)) {
    let parent = 's';
    for (const name of [`f${seq}`, `g${seq}`]) {
      const reply = await world.client.fork(parent, name, parent === 's' ? seq : seq + 1);
      assert.deepEqual(reply.parent, { session: parent, seq: parent === 's' ? seq : seq + 1 });
      assert.ok(reply.bytesWritten < 2_048, `${reply.bytesWritten} bytes`);
      parent = name;
    }
    for (const name of [`g${seq}`, `f${seq}`]) {
      const behind = CELLS.slice(
        events.filter((event) => seqOf(event) <= seq && event.type === 'input').length,
      );
      for (const cell of behind) await world.client.execute(name, cell);
      assert.equal((await world.client.execute(name, 'n')).output, '6', name);
      // A turn that was under way there has run by now.
      assert.equal(await stateAt(world, name, seq), await stateAt(world, 's', seq), `${name}: heap`);
      const own = await world.events(name);
      assert.deepEqual(
        own.filter((event) => seqOf(event) <= seq),
        events.slice(0, seq + 1),
      );
      assert.deepEqual(own.map(seqOf), [...own.keys()], 'without a gap');
      assert.deepEqual(said(own).slice(0, -1), said(events), name);
      const { verified, divergence } = await world.client.replay(name);
      assert.deepEqual([verified, divergence], [true, undefined], name);
    }
  }
  assert.deepEqual(await world.events('s'), events, 'the parent is as it was');
});

test('checkpoints of the parent serve the fork, and its own ones the forks of it', async () => {
  await using world = await startWorld();
  const events = await tell(world, 's', [0, 1, 2, 3]);
  const newest = events.findLast(({ type }) => type === 'checkpoint')!;
  await world.client.fork('s', 'f');
  assert.equal((await world.client.getSession('f'))?.checkpointCount, 4);
  await world.client.execute('f', 'n = 7');
  await world.client.forceSave('f');
  await world.client.execute('f', 'n = 8');
  await world.client.fork('f', 'g', seqOf(newest));
  await world.client.fork('f', 'h');
  await world.startStorage();
  for (const { worker } of [...world.workers]) await world.kill(worker);
  await world.addWorker();
  for (const [name, value] of [
    ['f', '8'],
    // Of the timer that it waited for there.
    ['g', '5'],
    ['h', '8'],
  ] as const) {
    assert.equal((await world.client.execute(name, 'n')).output, value, name);
    const { verified, tails, divergence } = await world.client.verify(name, { schedule: 'any' });
    assert.deepEqual([verified, divergence], [true, undefined], name);
    assert.ok(tails > 0);
  }
  for (const seq of events.map(seqOf)) {
    assert.equal(await stateAt(world, 'h', seq), await stateAt(world, 's', seq));
  }
});

test('a model call in flight is asked once by each lineage that goes on', async () => {
  await using world = await startWorld();
  const running = world.client.execute('s', 'await llm({ prompt: "slow", delayMs: 400 })');
  await until(async () => (await world.events('s').catch(() => [])).some(({ type }) => type === 'llm_req'));
  await world.client.fork('s', 'f');
  await world.client.execute('f', '1');
  assert.equal((await running).output, "'echo: slow'");
  const answers = async (name: string) =>
    (await world.events(name)).filter(({ type }) => type === 'llm_resp');
  assert.deepEqual([(await answers('s')).length, (await answers('f')).length], [1, 1]);
  assert.equal(new Set(world.calls).size, 2);
  assert.equal(world.calls.length, 2);
  for (const name of ['s', 'f']) assert.equal((await world.client.replay(name)).verified, true);
});

test('a closed session is forked before its end; a name that is taken, or an event that is not there, is refused', async () => {
  await using world = await startWorld();
  await tell(world);
  await world.client.closeSession('s');
  const { parent } = await world.client.fork('s', 'f');
  assert.equal((await world.client.execute('f', 'n')).output, '6');
  await assert.rejects(world.client.fork('s', 'g', parent.seq + 1), { code: 'BAD_REQUEST' });
  await assert.rejects(world.client.fork('s', 'g', 1_000), { code: 'NOT_FOUND' });
  await assert.rejects(world.client.fork('nobody', 'g'), { code: 'NOT_FOUND' });
  await assert.rejects(world.client.fork('s', 'f'), { code: 'BAD_REQUEST' });
  await assert.rejects(world.client.fork('s', 's'), { code: 'BAD_REQUEST' });
  const first = await world.client.fork('s', 'h', 3, { commandId: 'one' });
  const again = await world.client.fork('s', 'h', 3, { commandId: 'one' });
  assert.deepEqual(again.parent, first.parent);
});

test('a parent that is removed stays for its forks, and goes with the last of them', async () => {
  await using world = await startWorld();
  const events = await tell(world);
  await world.client.fork('s', 'f', 5);
  await world.client.fork('f', 'g', 4);
  await world.client.fork('f', 'h');
  await world.client.deleteSession('s');
  assert.equal(await world.client.removal('s'), null);
  assert.equal(await world.client.getSession('s'), null);
  await world.client.execute('s', '"another of the name"');
  await assert.rejects(world.client.fork('s', 'late', 40), { code: 'NOT_FOUND' });
  for (const name of ['f', 'g', 'h']) {
    assert.equal((await world.client.replay(name)).verified, true, name);
    assert.deepEqual((await world.events(name)).slice(0, 5), events.slice(0, 5));
  }
  // Of an event that it shares a fork can be forked although the session that wrote it is gone.
  await world.client.fork('f', 'i', 3);
  for (const name of ['f', 'g', 'h']) await world.client.deleteSession(name);
  assert.equal((await world.client.replay('i')).verified, true);
  await world.client.deleteSession('s');
  await world.client.deleteSession('i');
  await until(async () => (await world.blobs.keys('removal')).length === 0, 20_000);
  assert.deepEqual(await world.client.listSessions(), []);
  for (const kind of ['fork', 'ckpt', 'receipt', 'large']) assert.deepEqual(await world.blobs.keys(kind), []);
});

test('a fork of a fork … a hundred times is read, looked at and gone on from as any other', async () => {
  await using world = await startWorld();
  await world.client.execute('f0', 'let n = 0');
  for (let i = 1; i <= 100; i++) {
    await world.client.fork(`f${i - 1}`, `f${i}`);
    if (i % 10 === 0) await world.client.execute(`f${i}`, 'n += 1');
  }
  assert.equal((await world.client.execute('f100', 'n')).output, '10');
  assert.equal((await world.client.replay('f100')).verified, true);
  assert.equal((await world.client.replay('f55')).verified, true);
});

test('of a damaged log every event before the fault can be looked at, forked and gone on from', async () => {
  await using world = await startWorld();
  const events = await tell(world);
  const damage = (index: number) =>
    world.log.tamper('s', (kept) =>
      kept.map((one, at) => (at === index ? { ...one, bytes: Buffer.from('junk') } : one)),
    );
  const count = await world.log.count('s');
  for (const [round, index] of [count - 1, 6].entries()) {
    damage(index);
    await world.startStorage();
    for (const { worker } of [...world.workers]) await world.kill(worker);
    await world.addWorker();
    await assert.rejects(world.client.execute('s', 'n'), (error: RepriseError) =>
      /reprise fork --at/.test(error.hint ?? ''),
    );
    assert.ok((await world.client.at('s', 3)).state.variables.length > 0);
    await world.client.fork('s', `f${round}`, 3);
    assert.equal((await world.client.replay(`f${round}`)).verified, true);
    assert.deepEqual((await world.events(`f${round}`)).slice(0, 4), events.slice(0, 4));
    await assert.rejects(world.client.fork('s', 'late', events.length - 1), { code: 'CORRUPT' });
  }
});

test('a cell that a fork began amid, and that was struck there, is struck there again by every replay', async () => {
  await using world = await startWorld({ settings: { earlyCommitMs: 1 } });
  const { client } = world;
  await client.execute('s', 'let n = 0');
  const endless = client.execute('s', 'for (;;) n++');
  await until(async () => (await world.events('s')).at(-1)?.type === 'input');
  const seq = seqOf((await world.events('s')).at(-1)!);
  await client.fork('s', 'f', seq);
  const next = client.execute('f', 'n > 0');
  await until(() => world.workers[0]!.worker.sessions.pool.get('f')?.state === 'running');
  await until(async () => (await client.interrupt('f')).interrupted === 'cell');
  assert.equal((await next).output, 'true');
  await client.interrupt('s');
  await endless;
  const strike = (await world.events('f')).find(({ type }) => type === 'interrupt');
  assert.equal(strike?.type === 'interrupt' && strike.at, seq, 'it names what began the turn');
  assert.equal((await client.replay('f')).verified, true);
});

test('a command that a fork shares is answered again as the first time, however large what it asked is', async () => {
  await using world = await startWorld();
  const code = `console.log('printed'); (await llm('x'.repeat(400_000))).length`;
  const first = await world.client.execute('s', code, { commandId: 'large' });
  await world.client.fork('s', 'f');
  const {
    worker: _,
    session: __,
    repeated,
    ...again
  } = await world.client.execute('f', code, { commandId: 'large' });
  const { worker: ___, session: ____, repeated: _____, ...before } = first;
  assert.equal(repeated, true);
  assert.deepEqual(again, before);
});
