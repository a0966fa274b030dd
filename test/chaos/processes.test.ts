/** Processes that die or freeze at the worst moment. Real ones: nothing here is simulated. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SessionClient } from '../../bus/client/client.ts';
import { encode } from '../../bus/codec.ts';
import { LOOK } from '../../bus/operations/looks.ts';
import { makeSubjects, sessionToken } from '../../bus/subjects.ts';
import { startSystem, type TestSystem } from '../kit/system.ts';
import { until } from '../kit/until.ts';
import { assertWholeHistory, commandsOf, eventsOf } from './log-checks.ts';

describe('a system of real processes', () => {
  let system: TestSystem;
  let client: SessionClient;
  before(async () => {
    system = await startSystem({ workers: 2 });
    client = await system.connect();
  });
  after(() => system?.[Symbol.asyncDispose]());

  const hasInput = (session: string, commandId: string) => async () =>
    commandsOf(await eventsOf(client, session)).includes(commandId);

  it('answers a cell from another worker when its own is killed in the middle of it', async () => {
    const { worker } = await client.execute('killed', 'let x = 1');
    const answer = client.execute('killed', 'for (let i = 0; i < 3e6; i++) {} x + 41', { commandId: 'long' });
    await until(hasInput('killed', 'long'));
    const pid = system.pidOf(worker);
    system.kill(worker);
    const reply = await answer;
    assert.equal(reply.output, '42');
    assert.notEqual(reply.worker, worker);
    await assertWholeHistory(client, 'killed');
    await system.healthy(pid);
  });

  it('goes on with a cell that awaited a model when its worker was killed, and asks the model once', async () => {
    const { worker } = await client.execute('awaiting', '1');
    const code = "const said = await llm({prompt: 'hello', model: 'echo', delayMs: 400}); said";
    const answer = client.execute('awaiting', code, { commandId: 'ask' });
    await until(hasInput('awaiting', 'ask'));
    const pid = system.pidOf(worker);
    system.kill(worker);
    const reply = await answer;
    assert.match(reply.output, /hello/);
    const events = await assertWholeHistory(client, 'awaiting');
    assert.equal(events.filter(({ type }) => type === 'llm_req').length, 1);
    assert.equal(events.filter(({ type }) => type === 'llm_resp').length, 1);
    await system.healthy(pid);
  });

  it('answers although the storage actor is killed again and again under load', async () => {
    await client.execute('stored', 'let n = 0');
    for (let round = 0; round < 4; round++) {
      const pid = system.pidOf('storage');
      const commands = Array.from({ length: 20 }, () => client.execute('stored', '++n'));
      process.kill(pid, 'SIGKILL');
      await Promise.all(commands);
      await system.healthy(pid);
    }
    assert.equal((await client.execute('stored', 'n')).output, '80');
    await assertWholeHistory(client, 'stored');
  });

  it('begins each fork once and whole, although storage and workers are killed amid forking', async () => {
    for (let i = 0; i < 20; i++) await client.execute('trunk', `let v${i} = ${i}`);
    for (const victim of ['storage', 'worker', 'storage']) {
      const pid = system.pidOf(victim);
      const forks = Array.from({ length: 20 }, (_, index) => {
        const name = `${victim}-${pid}-${index}`;
        return client
          .fork('trunk', name, 2 * index, { commandId: name })
          .then(() => ({ name, seq: 2 * index }));
      });
      process.kill(pid, 'SIGKILL');
      for (const { name, seq } of await Promise.all(forks)) {
        const events = await eventsOf(client, name);
        const [index] = events.flatMap(({ type }, at) => (type === 'fork' ? [at] : []));
        assert.equal(index, seq + 1);
        await client.execute(name, '1');
        assert.equal((await client.replay(name)).verified, true);
      }
      await system.healthy(pid);
    }
  });

  it('answers a model call although the LLM actor is killed in the middle of it', async () => {
    const answer = client.execute(
      'model',
      "await llm({prompt: 'still there?', model: 'echo', delayMs: 500})",
      { commandId: 'call' },
    );
    await until(async () =>
      (await eventsOf(client, 'model').catch(() => [])).some(({ type }) => type === 'llm_req'),
    );
    const pid = system.pidOf('llm');
    process.kill(pid, 'SIGKILL');
    assert.match((await answer).output, /still there\?/);
    await assertWholeHistory(client, 'model');
    await system.healthy(pid);
  });

  it('answers within its time when the owner is frozen, and fences it when it wakes', async () => {
    const { worker } = await client.execute('frozen', 'let x = 1');
    const pid = system.pidOf(worker);
    process.kill(pid, 'SIGSTOP');
    try {
      const reply = await client.execute('frozen', '++x', { timeoutMs: 10_000 });
      assert.equal(reply.output, '2');
      assert.notEqual(reply.worker, worker);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    // The zombie works off what it had buffered; nothing of it may show.
    for (let value = 3; value < 10; value++) {
      assert.equal((await client.execute('frozen', '++x')).output, String(value));
    }
    await assertWholeHistory(client, 'frozen');
    await system.healthy();
  });

  it('keeps one history when two workers are made to own one session', async (test) => {
    const { prefix } = system.processes.connection();
    const bus = await system.enter('client');
    test.after(() => bus.close());
    const subjects = makeSubjects(prefix);
    const workers = (await client.who())
      .filter(({ role }) => role === 'worker')
      .map(({ process }) => process);
    assert.equal(workers.length, 2);
    await client.execute('twice', 'let n = 0');
    const force = () =>
      Promise.all(
        workers.map((id) =>
          bus.request(subjects.activateAt(id), encode({ session: 'twice' }), { timeoutMs: 5_000 }),
        ),
      );
    await force();
    const outputs = new Set<string>();
    for (let round = 0; round < 10; round++) {
      if (round % 3 === 0) await force();
      const replies = await Promise.all(Array.from({ length: 5 }, () => client.execute('twice', '++n')));
      for (const { output, error } of replies) {
        assert.equal(error, null);
        outputs.add(output);
      }
    }
    assert.equal(outputs.size, 50, 'every command ran exactly once');
    await assertWholeHistory(client, 'twice');
  });

  it('runs a command once although it is sent many times at once', async () => {
    await client.execute('once', 'let n = 0');
    const other = await system.connect();
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        (index % 2 ? client : other).execute('once', '++n', { commandId: 'same' }),
      ),
    );
    assert.deepEqual(new Set(replies.map(({ output }) => output)), new Set(['1']));
    assert.equal(replies.filter(({ repeated }) => !repeated).length, 1);
    assert.equal((await client.execute('once', 'n')).output, '1');
  });

  it('remembers a command for ever, also on another worker', async () => {
    const { worker } = await client.execute('remembered', 'let n = 1', { commandId: 'first' });
    for (let index = 0; index < 60; index++) await client.execute('remembered', '++n');
    const pid = system.pidOf(worker);
    system.kill(worker);
    const again = await client.execute('remembered', 'let n = 1', { commandId: 'first' });
    assert.equal(again.repeated, true);
    assert.equal((await client.execute('remembered', 'n')).output, '61');
    await system.healthy(pid);
  });

  it('survives malformed bytes on every subject', async (test) => {
    const { prefix } = system.processes.connection();
    const roles = ['client', 'worker', 'llm', 'supervisor'] as const;
    const buses = await Promise.all(roles.map((role) => system.enter(role)));
    test.after(() => Promise.all(buses.map((bus) => bus.close())));
    const subjects = makeSubjects(prefix);
    await client.execute('target', 'let x = 1');
    const token = sessionToken('target');
    const workers = (await client.who()).filter(({ role }) => role === 'worker');
    const targets = [
      subjects.cmd(token),
      subjects.activate,
      ...workers.map(({ process }) => subjects.activateAt(process)),
      subjects.any(LOOK.replay),
      subjects.append(token),
      ...[
        'load',
        'read',
        'list',
        'get',
        'delete',
        'find',
        'blob.put.ckpt',
        'blob.get.receipt',
        'nonsense',
      ].map((op) => subjects.store(op)),
      subjects.llm,
      subjects.who,
    ];
    const junk = [
      new Uint8Array(0),
      new Uint8Array([0xc1]),
      new Uint8Array(1_000).fill(0xff),
      encode(null),
      encode({}),
      encode({ session: 7 }),
      encode({ op: 'execute', session: '', command: 'x', commandId: 'y' }),
      encode({ op: 'execute', session: 'not-there', command: 1, commandId: [] }),
      encode({ commit: { v: 1, session: token, events: [{ type: 'nonsense' }] }, expected: 0 }),
      encode('x'.repeat(100_000)),
    ];
    for (const subject of targets) {
      for (const data of junk) {
        for (const bus of buses) {
          bus.publish(subject, data);
          await bus.request(subject, data, { timeoutMs: 500 }).catch(() => {});
        }
      }
    }
    await Promise.all(buses.map((bus) => bus.flush()));
    assert.equal((await client.execute('target', 'x')).output, '1');
    const present = new Set((await client.who()).map(({ role }) => role));
    for (const role of ['worker', 'storage', 'llm'] as const) assert.ok(present.has(role), `${role} died`);
    const counted = (await client.who())
      .filter(({ role }) => role === 'worker')
      .flatMap(({ counters }) => Object.keys(counters ?? {}));
    assert.ok(counted.includes('error.BAD_FORMAT'), 'errors are counted');
  });

  it('takes any name for a session', async () => {
    const names = [
      'two words',
      'a.b.c',
      '*',
      '>',
      'a.*.>',
      '日本語',
      '🦊 fox',
      'x'.repeat(300),
      '~tilde',
      '-dash',
      'quo\'te"s',
      '\\',
    ];
    for (const name of names) {
      await client.execute(name, `let me = ${JSON.stringify(name)}`);
      assert.equal(
        (await client.execute(name, 'me')).output,
        (await client.execute(`plain-${names.indexOf(name)}`, JSON.stringify(name))).output,
      );
    }
    const listed = new Set((await client.listSessions()).map(({ name }) => name));
    for (const name of names) assert.ok(listed.has(name), name);
  });
});
