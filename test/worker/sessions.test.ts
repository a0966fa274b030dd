/** Sessions in a worker, with a real kernel and real storage code: what a client sees, and what the log holds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RepriseError } from '../../bus/errors.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { until } from '../kit/until.ts';
import { startWorld } from './world.ts';

const types = (events: SessionEvent[]) => events.map(({ type }) => type);

describe('a session in a worker', () => {
  it('commits a pure cell as one commit before it answers', async () => {
    await using world = await startWorld({ settings: { earlyCommitMs: 60_000 } });
    const reply = await world.client.execute('s', '1 + 1', { commandId: 'c' });
    assert.deepEqual([reply.output, reply.stdout, reply.seq, reply.error], ['2', '', [1, 2], null]);
    const last = await world.log.last('s');
    assert.deepEqual(types(last!.commit.events), ['session', 'input', 'output']);
    assert.equal(last!.commit.head.running, undefined);
  });

  it('answers a thrown error with a stack that points into the cell', async () => {
    await using world = await startWorld();
    const { error } = await world.client.execute(
      's',
      'const f = () => {\n  throw new TypeError("no")\n}\nf()',
    );
    assert.equal(error?.name, 'TypeError');
    assert.match(error!.stack, /<cell 1>:2:/);
    assert.equal((await world.client.execute('s', '_error.message')).output, "'no'");
  });

  it('records a model call and never makes it again in a replay', async () => {
    await using world = await startWorld();
    const { output } = await world.client.execute(
      's',
      "(await Promise.all(['a', 'b'].map((p) => llm(p)))).join()",
    );
    assert.match(output, /a.*b/);
    const events = await world.events('s');
    assert.equal(events.filter(({ type }) => type === 'llm_resp').length, 2);
    const replay = await world.client.replay('s');
    assert.deepEqual([replay.verified, world.calls.length], [true, 2]);
  });

  it('comes back after it printed, threw and asked with half a surrogate pair', async () => {
    await using world = await startWorld();
    const cells = [
      "console.log('\\ud83d')",
      "console.log('\u{1f600}'.repeat(60).slice(0, 101))",
      "throw new Error('\u{1f600}'.repeat(60).slice(0, 101))",
      "await llm({ prompt: '\\ud83d', extra: JSON.parse('{\"__proto__\": 1}'), reply: '\\ude00' })",
    ];
    for (const cell of cells) await world.client.execute('halves', cell);
    await world.kill(world.workers[0]!.worker);
    await world.addWorker();
    assert.equal((await world.client.execute('halves', '1 + 1')).output, '2');
    assert.equal((await world.client.replay('halves')).verified, true);
  });

  it('replays a refused model call to the same bytes', async () => {
    await using world = await startWorld();
    const { output } = await world.client.execute(
      's',
      "try { await llm({ prompt: 'x', fail: 'no' }) } catch (error) { error.message }",
    );
    assert.match(output, /no/);
    await world.client.forceSave('s');
    const replay = await world.client.replay('s');
    assert.deepEqual([replay.divergence, replay.checkpoints > 0], [undefined, true]);
  });

  it('wakes a cell that sleeps, and lets timers fire between cells', async () => {
    await using world = await startWorld();
    const { output } = await world.client.execute(
      's',
      'await new Promise((done) => setTimeout(() => done("awake"), 30))',
    );
    assert.equal(output, "'awake'");
    await world.client.execute(
      's',
      'let ticks = 0; const timer = setInterval(() => { if (++ticks === 3) clearInterval(timer) }, 10)',
    );
    await until(async () => (await world.client.execute('s', 'ticks')).output === '3');
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('ends a cell that never settles, and stays usable', async () => {
    await using world = await startWorld();
    const { error } = await world.client.execute('s', 'await new Promise(() => {})');
    assert.equal(error?.name, 'NeverSettledError');
    assert.equal((await world.client.execute('s', '1')).output, '1');
  });

  it('undoes a turn that hits the memory limit, and stays usable with the state before it', async () => {
    await using world = await startWorld();
    await world.client.execute('s', 'let keep = [1, 2]; let waste = []');
    const { error } = await world.client.execute(
      's',
      'keep.push(3); console.log("before"); for (;;) waste.push(new Array(1000).fill(waste.length))',
    );
    assert.match(error!.name, /Memory/);
    assert.equal((await world.client.execute('s', '[keep.length, waste.length]')).output, '[ 2, 0 ]');
    const undone = (await world.events('s')).find((event) => event.type === 'error');
    assert.equal(undone?.type === 'error' && undone.rolledBack, true);
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('records a wall-clock strike so that a replay strikes at the same step', async () => {
    await using world = await startWorld();
    await world.client.execute('s', 'let n = 0');
    const { error } = await world.client.execute('s', 'for (;;) n++', { timeoutMs: 150 });
    assert.equal(error?.name, 'TimeoutError');
    const before = (await world.client.execute('s', 'n')).output;
    await world.client.forceSave('s');
    const replay = await world.client.replay('s');
    assert.deepEqual([replay.verified, replay.checkpoints > 0], [true, true]);
    assert.equal((await world.client.execute('s', 'n')).output, before);
  });

  it('answers commands, looks and the close between timers that double for ever', async () => {
    await using world = await startWorld();
    await world.client.execute('s', '(function f() { setTimeout(f, 0); setTimeout(f, 0) })(); let keep = 1');
    for (let i = 2; i < 8; i++) {
      assert.equal((await world.client.execute('s', '++keep')).output, `${i}`);
      assert.equal((await world.client.inspect('s')).metadata.name, 's');
    }
    await world.client.closeSession('s');
    const replay = await world.client.replay('s');
    assert.equal(replay.verified, true);
  });

  it("strikes a timer's callback that computes when no cell runs, and says what it struck", async () => {
    await using world = await startWorld();
    assert.equal(
      (await world.client.execute('s', 'let keep = 7; setTimeout(() => { for (;;); }, 1)')).error,
      null,
    );
    await until(async () => (await world.client.inspect('s')).state.status === 'running');
    const { interrupted } = await world.client.interrupt('s');
    assert.equal(interrupted, 'callback');
    assert.equal((await world.client.interrupt('s')).interrupted, 'nothing');
    assert.equal((await world.client.execute('s', 'keep')).output, '7');
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it("takes a command back that waits behind a timer's callback, and says what computes and how to stop it", async () => {
    await using world = await startWorld();
    await world.client.execute('s', 'setTimeout(() => { for (;;); }, 1); 5');
    await until(async () => (await world.client.inspect('s')).state.status === 'running');
    for (const commandId of ['once', 'again']) {
      const waiting = world.client.execute('s', '6', { commandId });
      await until(async () => (await world.client.interrupt('s', commandId)).interrupted === 'queued');
      assert.match(
        (await waiting).error!.message,
        /A timer's callback computes before it: `reprise interrupt/,
      );
    }
    assert.equal((await world.client.interrupt('s')).interrupted, 'callback');
    assert.equal((await world.client.execute('s', '7')).output, '7');
  });

  it('strikes a running cell on interrupt, and gives up one that awaits', async () => {
    await using world = await startWorld();
    await world.client.execute('s', '1');
    const running = world.client.execute('s', 'for (;;);', { commandId: 'loop' });
    await until(async () => types(await world.events('s')).filter((type) => type === 'input').length === 2);
    await world.client.interrupt('s', 'loop');
    assert.equal((await running).error?.name, 'InterruptedError');
    const awaiting = world.client.execute('s', 'await new Promise((done) => setTimeout(done, 60_000))', {
      commandId: 'sleep',
    });
    await until(async () => types(await world.events('s')).includes('effect_req'));
    await world.client.interrupt('s', 'sleep');
    assert.equal((await awaiting).error?.name, 'InterruptedError');
    assert.equal((await world.client.execute('s', '2')).output, '2');
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('ends a cell that waits without an error when exit() is called, whatever else is pending', async () => {
    await using world = await startWorld();
    const calls = ['setTimeout(exit, 2)', 'Promise.resolve().then(exit)', 'try { exit() } catch {}'];
    for (const call of calls) {
      for (const other of ['', 'setTimeout(() => {}, 60_000);']) {
        const session = `exits ${calls.indexOf(call)}${other ? ' early' : ''}`;
        const code = `${call}; ${other} await new Promise(() => {})`;
        const first = await world.client.execute(session, code, { commandId: 'x' });
        assert.deepEqual([first.error, first.shouldExit], [null, true], code);
        const again = await world.client.execute(session, code, { commandId: 'x' });
        assert.deepEqual([again.error, again.shouldExit, again.repeated], [null, true, true], code);
      }
    }
  });

  it('closes on exit() and says so to whoever comes later', async () => {
    await using world = await startWorld();
    const reply = await world.client.execute('s', 'exit()', { commandId: 'bye' });
    assert.equal(reply.shouldExit, true);
    assert.equal(
      (await world.client.execute('s', 'exit()', { commandId: 'bye' })).repeated,
      true,
      'a retry is answered',
    );
    await assert.rejects(world.client.execute('s', '1'), { code: 'CLOSED' });
    assert.equal((await world.client.inspect('s')).state.status, 'closed');
  });

  it('looks without touching', async () => {
    await using world = await startWorld();
    await world.client.execute(
      's',
      'let list = [3, 1, 2]; const spy = { get trap() { list.push(0); return 1 } }',
    );
    const first = await world.client.inspect('s');
    const again = await world.client.inspect('s');
    assert.equal(first.state.stateId, again.state.stateId);
    assert.deepEqual(first.state.variables.map(({ name }) => name).sort(), ['list', 'spy']);
    assert.ok(
      (await world.client.complete('s', 'list.so', 7)).completions.some((word) => word.includes('sort')),
    );
    assert.equal((await world.client.execute('s', 'list.length')).output, '3');
    assert.deepEqual(first.metadata.eventCount, 3);
  });

  it('refuses to look at, close or save what does not exist', async () => {
    await using world = await startWorld();
    for (const ask of [
      world.client.inspect('no'),
      world.client.closeSession('no'),
      world.client.forceSave('no'),
      world.client.replay('no'),
    ]) {
      await assert.rejects(ask, { code: 'NOT_FOUND' });
    }
    assert.deepEqual(await world.client.listSessions(), []);
  });

  it('does not let an endless loop delay other sessions', async () => {
    await using world = await startWorld();
    await world.client.execute('calm', 'let x = 1');
    const loop = world.client.execute('wild', 'for (;;);', { timeoutMs: 60_000 });
    await until(async () => (await world.client.getSession('wild')) !== null);
    for (let count = 2; count < 12; count++) {
      assert.equal((await world.client.execute('calm', '++x')).output, String(count));
    }
    assert.equal((await world.client.getSession('wild'))?.eventCount, 2, 'the loop is still running');
    await world.client.interrupt('wild');
    assert.equal((await loop).error?.name, 'InterruptedError');
  });

  it('commits a turn that is too large for one commit in several', async () => {
    await using world = await startWorld();
    const code =
      'const answers = Array.from({length: 6}, (_, i) => llm(String(i).repeat(500_000))); (await Promise.all(answers)).length';
    assert.equal((await world.client.execute('s', code)).output, '6');
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('undoes a turn whose model request cannot be stored', async () => {
    await using world = await startWorld();
    // On a server with small messages the same turn does not fit where others take it.
    const append = world.log.append.bind(world.log);
    world.log.append = async (commit, expected, bytes) => {
      if (commit.events.some((event) => event.type === 'llm_req'))
        throw new RepriseError('TOO_LARGE', 'too large');
      return append(commit, expected, bytes);
    };
    await world.client.execute('s', 'let n = 1');
    const undone = await world.client.execute('s', "n = 2; await llm('hello')");
    assert.match(undone.error!.message, /cannot be stored/);
    assert.equal((await world.client.execute('s', 'n')).output, '1');
    assert.deepEqual(world.calls, []);
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('answers a cell that printed more than a message takes, and says what is missing', async () => {
    await using world = await startWorld();
    const code =
      "for (let i = 0; i < 40; i++) { console.log('x'.repeat(1_000_000)); await new Promise((done) => setTimeout(done, 1)) }";
    const { stdout, error } = await world.client.execute('s', code);
    assert.equal(error, null);
    assert.ok(stdout.length < world.hub.connect('any').maxPayload);
    assert.match(stdout.slice(-100), /the rest is in the log/);
  });

  it('shows nothing of a session that was removed, and begins a new one under its name', async () => {
    await using world = await startWorld();
    await world.client.execute('s', 'let n = 1; setTimeout(() => n++, 100)');
    assert.equal(await world.client.deleteSession('s'), true);
    await assert.rejects(world.client.inspect('s'), { code: 'NOT_FOUND' });
    const { error } = await world.client.execute('s', 'n');
    assert.match(error!.message, /not defined/);
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('tells a cell that has begun that its session was removed, and does not begin a new one for it', async () => {
    await using world = await startWorld();
    const running = world.client.execute('s', 'await new Promise((done) => setTimeout(done, 500)); 1');
    running.catch(() => {});
    await until(async () => (await world.log.last('s')) !== null);
    assert.equal(await world.client.deleteSession('s'), true);
    await assert.rejects(running, { code: 'NOT_FOUND', retryable: false });
    assert.equal(await world.client.getSession('s'), null);
    assert.equal((await world.client.execute('s', '2')).output, '2');
  });

  it('refuses ids and budgets that mean nothing', async () => {
    await using world = await startWorld();
    for (const options of [
      { commandId: '' },
      { commandId: 'x'.repeat(513) },
      { timeoutMs: 0 },
      { timeoutMs: -1 },
      { timeoutMs: 1e300 },
    ]) {
      await assert.rejects(world.client.execute('s', '1', options), { code: 'BAD_FORMAT' });
    }
    const { output } = await world.client.execute('s', '1', { commandId: 'é 🦊 \n' });
    assert.equal(output, '1');
  });

  it('refuses a cell of 5 MB clearly, and goes on with the others', async () => {
    await using world = await startWorld();
    const huge = world.client.execute('s', `'${'x'.repeat(5_000_000)}'`);
    const next = world.client.execute('s', '2');
    await assert.rejects(huge, { code: 'TOO_LARGE' });
    assert.equal((await next).output, '2');
    assert.equal((await world.client.execute('s', '')).output, '', 'an empty cell is a cell');
  });
});
