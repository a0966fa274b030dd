import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost, KernelStep, Turn } from '../../actors/kernel/port.ts';
import { facts, KernelSession } from '../kit/kernel-session.ts';
import { until } from '../kit/until.ts';

let live: KernelHost;
let replay: KernelHost;
let names = 0;

before(async () => {
  live = await makeKernelHost({ threads: 1, maxThreads: 3 });
  replay = await makeKernelHost({ threads: 1, maxThreads: 3 });
});
after(async () => {
  await live.close();
  await replay.close();
});

/** Repeats a session's steps, the struck ones with their strikes, and compares everything. */
async function assertReplays(session: KernelSession, turns: Turn[]): Promise<void> {
  const again = await KernelSession.open(replay, session.name);
  for (const [index, step] of session.steps.entries()) {
    const turn = turns[index]!;
    const given = step.type === 'abandon' ? step : { ...step, strike: turn.struck, timeoutMs: 600_000 };
    assert.deepEqual(facts(await again.apply(given as KernelStep)), facts(turn));
  }
  assert.equal(await again.stateId(), await session.stateId());
}

const loops: Record<string, string> = {
  'a plain loop': 'var n = 0; for (;;) n++;',
  'promise jobs': 'var n = 0; for (;;) { n++; await null }',
  'a sort': 'var n = 0; for (;;) Array.from({length: 3000}, (_, i) => -i).sort((a, b) => (n++, a - b))',
  'nested functions with finally': 'var n = 0; function f() { try { for (;;) n++ } finally { n = -1 } } f()',
  'a generator':
    'var n = 0; function* g() { try { for (;;) yield n++ } finally { n = -1 } } for (const x of g());',
  'a swallowing executor': 'var n = 0; for (;;) { n++; new Promise(() => { for (;;) n++ }) }',
  'a regular expression': 'var n = 0; for (;;) { n++; /(a+)+b/.test("a".repeat(28)) }',
};
for (const [what, code] of Object.entries(loops)) {
  test(`a strike in ${what} can be replayed to the byte`, async () => {
    const session = await KernelSession.open(live, `s${names++}`);
    const turns = [await session.run('let before = [1, 2]; before')];
    turns.push(await session.run(code, { timeoutMs: 60 }));
    assert.equal(turns[1]!.struck?.reason, 'timeout');
    turns.push(await session.run('[n > 0, before.length]'));
    assert.equal(turns[2]!.result?.text, '[ true, 2 ]');
    await assertReplays(session, turns);
  });
}

test('a user interrupts a running cell, and the session goes on', async () => {
  const session = await KernelSession.open(live, `s${names++}`);
  const turns = [await session.run('var n = 0; 1')];
  const running = session.run('for (;;) n++');
  let done = false;
  void running.finally(() => {
    done = true;
  });
  await until(() => {
    live.interrupt(session.name);
    return done;
  });
  turns.push(await running);
  assert.equal(turns[1]!.error?.name, 'InterruptedError');
  assert.equal(turns[1]!.struck?.reason, 'user');
  turns.push(await session.run('n > 0'));
  assert.equal(turns[2]!.result?.text, 'true');
  await assertReplays(session, turns);
});

test('an interrupt between turns strikes nothing', async () => {
  const session = await KernelSession.open(live, `s${names++}`);
  live.interrupt(session.name);
  assert.equal(await session.value('let s = 0; for (let i = 0; i < 1e6; i++) s += i; s'), '499999500000');
});

test('a strike in the answer of an effect ends the cell that awaits it', async () => {
  const session = await KernelSession.open(live, `s${names++}`);
  const asked = await session.run('const text = await llm("hi"); for (;;);');
  assert.equal(asked.status, 'waiting');
  const effect = asked.requests[0]!.effect;
  const struck = await session.answer(effect, 'hello', { timeoutMs: 60 });
  assert.equal(struck.status, 'done');
  assert.equal(struck.error?.name, 'TimeoutError');
  const value = await session.run('text.length ?? text');
  await assertReplays(session, [asked, struck, value]);
});

test('a waiting cell is abandoned, and its effects are cancelled', async () => {
  const session = await KernelSession.open(live, `s${names++}`);
  const asked = await session.run('globalThis.told = 0; await llm("hi"); told = 1');
  const given = await session.abandon('user');
  assert.equal(given.status, 'done');
  assert.equal(given.error?.name, 'InterruptedError');
  assert.deepEqual(
    given.cancelled,
    asked.requests.map(({ effect }) => effect),
  );
  const value = await session.run('told');
  assert.equal(value.result?.text, '0');
  await assertReplays(session, [asked, given, value]);
});

test('a strike in a background callback leaves the session idle and usable', async () => {
  const session = await KernelSession.open(live, `s${names++}`);
  const asked = await session.run('setTimeout(() => { for (;;); }, 10); 1');
  assert.equal(asked.status, 'done');
  const struck = await session.answer(asked.requests[0]!.effect, null, { timeoutMs: 60 });
  assert.equal(struck.status, 'idle');
  assert.equal(struck.error?.name, 'TimeoutError');
  const value = await session.run('2');
  assert.equal(value.result?.text, '2');
  await assertReplays(session, [asked, struck, value]);
});

test('effects in flight survive capture and restore', async () => {
  const session = await KernelSession.open(live, `s${names++}`);
  const asked = await session.run('const all = await Promise.all([llm("a"), llm("b")]); all.join()');
  assert.deepEqual(
    asked.requests.map(({ kind }) => kind),
    ['llm', 'llm'],
  );
  const { bytes, stateId } = await live.capture(session.name);
  await replay.open(session.name, { image: bytes, stateId });
  const moved = new KernelSession(replay, session.name);
  moved.seq = session.seq;
  for (const each of [session, moved]) {
    const first = await each.answer(asked.requests[1]!.effect, { response: 'B' });
    assert.equal(first.status, 'waiting');
    const second = await each.answer(asked.requests[0]!.effect, { response: 'A' });
    assert.equal(second.status, 'done');
  }
  assert.equal(await moved.stateId(), await session.stateId());
});
