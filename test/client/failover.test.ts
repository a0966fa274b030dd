import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type ExecuteOptions, SessionClient } from '../../bus/client/client.ts';
import { encode } from '../../bus/codec.ts';
import { type MemoryBus, type MemoryHub, makeMemoryBus } from '../../bus/memory.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { makeVirtualClock, type VirtualClock } from '../kit/virtual-clock.ts';
import { FakeWorker, failing, type Script, slowly } from './fake-worker.ts';

const subjects = makeSubjects('t');

describe('a session call', () => {
  let clock: VirtualClock;
  let hub: MemoryHub;
  let bus: MemoryBus;
  let client: SessionClient;

  beforeEach(() => {
    clock = makeVirtualClock();
    hub = makeMemoryBus({ clock });
    bus = hub.connect('client');
    let ids = 0;
    client = new SessionClient({ bus, subjects, clock, newId: () => `c${++ids}` });
  });

  const addWorker = (id: string, script?: Script) =>
    new FakeWorker(id, hub.connect(id), subjects, clock, script);
  const memory = (worker: FakeWorker) => worker.bus as MemoryBus;

  /** Executes, letting time pass until there is an outcome. */
  async function execute(options: ExecuteOptions & { during?: [ms: number, act: () => void][] } = {}) {
    const { during = [], ...rest } = options;
    const start = clock.now();
    let settled = false;
    const outcome = client.execute('s', '1 + 1', rest).finally(() => {
      settled = true;
    });
    outcome.catch(() => {});
    for (const [ms, act] of during) {
      await clock.advance(ms);
      act();
    }
    await clock.advance(0);
    while (!settled) await clock.advance(1);
    return { reply: await outcome, tookMs: clock.now() - start };
  }

  it('activates a session that nobody owns, in one trip, and then asks its owner', async () => {
    const worker = addWorker('w');
    assert.equal((await execute()).reply.worker, 'w');
    assert.equal((await execute()).reply.output, '1 + 1');
    assert.deepEqual(
      worker.heard.map(({ subject }) => subject),
      ['t.activate', 't.cmd.s'],
    );
    assert.deepEqual(worker.commandIds, ['c1', 'c2']);
  });

  it('waits as long as the owner works', async () => {
    addWorker('w', slowly(20_000));
    const { reply, tookMs } = await execute();
    assert.equal(reply.worker, 'w');
    assert.ok(tookMs >= 20_000 && tookMs <= 20_001);
  });

  it('goes to another worker when the owner dies in the middle of the command', async () => {
    const first = addWorker('first', slowly(60_000));
    first.own('s');
    let second: FakeWorker | undefined;
    const { reply, tookMs } = await execute({
      during: [
        [
          500,
          () => {
            second = addWorker('second');
            memory(first).disconnect();
          },
        ],
      ],
    });
    assert.equal(reply.worker, 'second');
    assert.ok(tookMs <= 601, `${tookMs} ms`);
    assert.deepEqual(first.commandIds, ['c1']);
    assert.deepEqual(second!.commandIds, ['c1'], 'the same commandId again');
  });

  it('goes to another worker when the owner hangs, and stays with it', async () => {
    const hung = addWorker('hung');
    hung.own('s');
    memory(hung).freeze();
    const other = addWorker('other');
    const { reply, tookMs } = await execute();
    assert.equal(reply.worker, 'other');
    assert.ok(tookMs <= 550, `${tookMs} ms`);
    assert.equal(other.heard[0]!.subject, 't.activate.other');
    for (let i = 0; i < 5; i++) {
      const again = await execute();
      assert.equal(again.reply.worker, 'other');
      assert.equal(again.tookMs, 0, 'the frozen owner is not asked again');
    }
    memory(hung).thaw();
    await clock.advance(30_001);
    assert.equal((await execute()).reply.commandId, 'c7');
    assert.equal(other.heard.filter(({ subject }) => subject === 't.activate.other').length, 6);
  });

  it('goes to another worker when the owner hangs after it had accepted', async () => {
    const hung = addWorker('hung', slowly(60_000));
    hung.own('s');
    addWorker('other');
    const { reply, tookMs } = await execute({ during: [[400, () => memory(hung).freeze()]] });
    assert.equal(reply.worker, 'other');
    assert.ok(tookMs <= 1_200, `${tookMs} ms`);
  });

  it('forgets a worker asked directly when that one fails', async () => {
    const hung = addWorker('hung');
    hung.own('s');
    memory(hung).freeze();
    const second = addWorker('second');
    assert.equal((await execute()).reply.worker, 'second');
    memory(hung).disconnect();
    memory(second).disconnect();
    addWorker('third');
    const { reply, tookMs } = await execute();
    assert.equal(reply.worker, 'third');
    assert.equal(tookMs, 0);
  });

  it('does not take a draining worker for a living one', async () => {
    const hung = addWorker('hung');
    hung.own('s');
    memory(hung).freeze();
    addWorker('draining').state = 'draining';
    addWorker('running');
    assert.equal((await execute()).reply.worker, 'running');
  });

  it('is answered by the only worker there is once that one is awake again', async () => {
    const only = addWorker('only');
    only.own('s');
    memory(only).freeze();
    const { reply, tookMs } = await execute({ during: [[3_000, () => memory(only).thaw()]] });
    assert.equal(reply.worker, 'only');
    assert.ok(tookMs < 4_000, `${tookMs} ms`);
    assert.deepEqual(new Set(only.commandIds), new Set(['c1']));
  });

  it('asks again with the same commandId after FENCED, DRAINING, UNAVAILABLE', async () => {
    const worker = addWorker('w', failing('FENCED', 'DRAINING', 'UNAVAILABLE', 'FENCED'));
    const { reply, tookMs } = await execute({ commandId: 'mine' });
    assert.equal(reply.commandId, 'mine');
    assert.deepEqual(worker.commandIds, Array(5).fill('mine'));
    assert.ok(tookMs > 0 && tookMs < 200, `${tookMs} ms`);
  });

  it('waits for a first worker to appear', async () => {
    const { reply } = await execute({ during: [[5_000, () => void addWorker('late')]] });
    assert.equal(reply.worker, 'late');
  });

  it('asks again when the bus is back after it was cut off in the middle', async () => {
    const worker = addWorker('w', slowly(1_000));
    const { reply } = await execute({
      during: [
        [500, () => bus.disconnect()],
        [5_000, () => bus.reconnect()],
      ],
    });
    assert.equal(reply.worker, 'w');
    assert.deepEqual(worker.commandIds, ['c1', 'c1']);
  });

  it('passes a failure on that will not pass', async () => {
    for (const code of ['CLOSED', 'TOO_LARGE', 'BAD_REQUEST', 'NOT_FOUND', 'STORAGE_FULL'] as const) {
      const worker = addWorker(`w-${code}`, failing(code));
      worker.own('s');
      await assert.rejects(execute(), { code });
      assert.equal(worker.heard.length, 1);
      memory(worker).disconnect();
    }
  });

  it('gives up at its deadline with TIMEOUT, the cause inside', async () => {
    const start = clock.now();
    await assert.rejects(execute({ waitMs: 3_000 }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'TIMEOUT');
      assert.equal((error.cause as { code: string }).code, 'NO_RESPONDERS');
      return true;
    });
    assert.equal(clock.now() - start, 3_000);
    addWorker('w', slowly(60_000));
    await assert.rejects(execute({ timeoutMs: 1_000 }), { code: 'TIMEOUT', retryable: true });
    assert.ok(clock.now() - start <= 3_000 + 6_001, 'the budget of the cell and 5 s');
  });

  it('waits without end when asked to', async () => {
    addWorker('w', slowly(3_600_000));
    const outcome = client.execute('s', '', { waitMs: Number.POSITIVE_INFINITY });
    await clock.advance(3_600_001);
    assert.equal((await outcome).worker, 'w');
  });

  it('stops when its signal aborts: at work, in a pause, while cut off, before it began', async () => {
    const enough = new Error('enough');
    const aborted = async (prepare: () => void) => {
      prepare();
      const controller = new AbortController();
      const ended = assert.rejects(client.execute('s', '', { signal: controller.signal }), enough);
      await clock.advance(777);
      controller.abort(enough);
      await ended;
    };
    await aborted(() => {}); // nobody there: pauses
    await aborted(() => bus.disconnect());
    await aborted(() => {
      bus.reconnect();
      addWorker('w', slowly(60_000));
    });
    const controller = new AbortController();
    controller.abort(enough);
    await assert.rejects(client.execute('s', '', { signal: controller.signal }), enough);
  });

  it('does not believe replies of another shape', async () => {
    const answers = [
      encode({ ok: true, output: 7 }),
      encode('yes'),
      encode({ ok: false }),
      Uint8Array.of(0xc1),
    ];
    const liar = hub.connect('liar');
    liar.subscribe('t.cmd.s', (message) => void message.respond(answers.shift()!));
    for (let i = 0; i < 4; i++) await assert.rejects(execute(), { code: 'BAD_FORMAT' });
  });

  it('asks ten sessions at once through the death of half the workers', async () => {
    const workers = ['a', 'b', 'c', 'd'].map((id) => addWorker(id, slowly(300)));
    const names = Array.from({ length: 10 }, (_, i) => `session ${i}`);
    const outcomes = Promise.all(names.map((name) => client.execute(name, name)));
    await clock.advance(100);
    for (const worker of workers.slice(0, 2)) memory(worker).disconnect();
    await clock.advance(2_000);
    for (const [i, reply] of (await outcomes).entries()) {
      assert.equal(reply.session, names[i]);
      assert.ok(['c', 'd'].includes(reply.worker));
    }
    assert.equal(clock.pending, 0);
  });
});
