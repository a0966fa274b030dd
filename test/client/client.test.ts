import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SessionClient } from '../../bus/client/client.ts';
import { encode } from '../../bus/codec.ts';
import { answerLong } from '../../bus/long-call.ts';
import { type MemoryBus, makeMemoryBus } from '../../bus/memory.ts';
import { LOOK } from '../../bus/operations/looks.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { makeVirtualClock, type VirtualClock } from '../kit/virtual-clock.ts';
import { event, FakeStorage } from './fake-storage.ts';
import { executed, FakeWorker } from './fake-worker.ts';

const subjects = makeSubjects('t');

describe('the client', () => {
  let clock: VirtualClock;
  let bus: MemoryBus;
  let storageBus: MemoryBus;
  let workerBus: MemoryBus;
  let storage: FakeStorage;
  let worker: FakeWorker;
  let client: SessionClient;

  beforeEach(() => {
    clock = makeVirtualClock();
    const hub = makeMemoryBus({ clock });
    bus = hub.connect('client');
    storageBus = hub.connect('storage');
    workerBus = hub.connect('worker');
    storage = new FakeStorage(storageBus, subjects);
    worker = new FakeWorker('w', workerBus, subjects, clock);
    client = new SessionClient({ bus, subjects, clock });
  });

  /** The promise's value, letting time pass as long as it takes. */
  async function result<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    await clock.advance(0);
    while (!settled) await clock.advance(1);
    return promise;
  }

  it('executes as the contract says, and throws what the cell threw', async () => {
    await client.init();
    assert.deepEqual(await result(client.executeCommand('s', '1')), { output: '1', shouldExit: false });
    worker.play((request, self) => ({
      ...executed(request, self),
      error: { name: 'TypeError', message: 'no', stack: 'TypeError: no\n    at <cell 1>:1:1' },
    }));
    await assert.rejects(result(client.executeCommand('s', 'x')), {
      name: 'TypeError',
      message: 'no',
      stack: 'TypeError: no\n    at <cell 1>:1:1',
    });
    assert.equal((await result(client.execute('s', 'x'))).error?.name, 'TypeError');
    assert.equal(new Set(worker.commandIds).size, 3, 'every command has its own id');
  });

  it('sends each operation with the name in its normal form', async () => {
    const name = 'cafe\u0301';
    worker.play((request) => {
      assert.equal(request.session, 'caf\u00e9');
      if (request.op === 'complete') return { completions: ['xyz'], from: request.cursor - 1 };
      return { seq: 5 };
    });
    assert.deepEqual(await result(client.interrupt(name, 'c1')), { seq: 5 });
    assert.deepEqual(await result(client.closeSession(name, 'done')), { seq: 5 });
    await result(client.forceSave(name));
    assert.deepEqual(await result(client.complete(name, 'x', 1)), { completions: ['xyz'], from: 0 });
    assert.deepEqual(
      worker.heard.map(({ request }) => request),
      [
        { op: 'interrupt', session: 'caf\u00e9', commandId: 'c1' },
        { op: 'close', session: 'caf\u00e9', reason: 'done' },
        { op: 'checkpoint', session: 'caf\u00e9' },
        { op: 'complete', session: 'caf\u00e9', code: 'x', cursor: 1 },
      ],
    );
  });

  it('refuses bad names without asking anybody', async () => {
    const bad = { code: 'BAD_NAME' };
    await assert.rejects(client.execute('', '1'), bad);
    await assert.rejects(client.inspect('a\nb'), bad);
    await assert.rejects(client.getSession('x'.repeat(513)), bad);
    await assert.rejects(client.replay(''), bad);
    await assert.rejects(async () => {
      for await (const _ of client.events('')) assert.fail();
    }, bad);
    assert.equal(worker.heard.length + storage.asked, 0);
  });

  it('lists every session over many pages, gets one, deletes one', async () => {
    for (const name of ['a', 'b', 'c d', 'e', 'é']) storage.append(name, [event(0)]);
    const list = await result(client.listSessions());
    assert.deepEqual(
      list.map(({ name }) => name),
      ['a', 'b', 'c d', 'e', 'é'],
    );
    const one = await result(client.getSession('c d'));
    assert.equal(one?.eventCount, 1);
    assert.ok(one?.created instanceof Date);
    assert.equal(await result(client.deleteSession('c d')), true);
    assert.equal(await result(client.deleteSession('c d')), false);
    assert.equal(await result(client.getSession('c d')), null);
  });

  it('asks storage again while it is away, drains or is silent, but not what it refuses', async () => {
    storage.append('a', [event(0)]);
    storage.failures.push('DRAINING', 'UNAVAILABLE');
    assert.equal((await result(client.listSessions())).length, 1);
    storageBus.disconnect();
    const later = client.getSession('a');
    await clock.advance(3_000);
    storageBus.reconnect();
    assert.equal((await result(later))?.name, 'a');
    storageBus.freeze();
    const frozen = client.getSession('a');
    await clock.advance(3_000);
    storageBus.thaw();
    assert.equal((await result(frozen))?.name, 'a');
    storage.failures.push('CORRUPT');
    await assert.rejects(result(client.getSession('a')), { code: 'CORRUPT' });
    storageBus.disconnect();
    await assert.rejects(result(client.getSession('a')), { code: 'TIMEOUT', retryable: true });
  });

  it('reads events over pages, from a seq to a seq', async () => {
    storage.append('s', [event(0), event(1)]);
    for (let seq = 2; seq < 20; seq += 3) storage.append('s', [event(seq), event(seq + 1), event(seq + 2)]);
    const read = async (from?: number, to?: number) => {
      const seqs: number[] = [];
      const collect = async () => {
        for await (const each of client.events('s', from, to)) seqs.push(each.seq ?? 0);
      };
      await result(collect());
      return seqs;
    };
    const all = Array.from({ length: 20 }, (_, seq) => seq);
    assert.deepEqual(await read(), all);
    assert.deepEqual(await read(3, 9), all.slice(3, 10));
    assert.deepEqual(await read(19, 19), [19]);
    assert.deepEqual(await read(20), []);
  });

  it('follows a log: at once when it hears of a commit, within a second when it does not', async () => {
    storage.append('s', [event(0)]);
    const seen: number[] = [];
    const controller = new AbortController();
    const following = (async () => {
      const options = { follow: true, signal: controller.signal };
      for await (const each of client.events('s', 0, undefined, options)) seen.push(each.seq ?? 0);
    })();
    await clock.advance(10);
    storage.append('s', [event(1)]);
    await clock.advance(0);
    assert.deepEqual(seen, [0, 1]);
    storage.append('s', [event(2)], false);
    await clock.advance(500);
    assert.deepEqual(seen, [0, 1]);
    await clock.advance(500);
    assert.deepEqual(seen, [0, 1, 2]);
    controller.abort();
    await clock.advance(0);
    await following;
    storage.append('s', [event(3)]);
    await clock.advance(2_000);
    assert.deepEqual(seen, [0, 1, 2]);
    assert.equal(clock.pending, 0);
  });

  it('ends following with the session, at its last seq, or when the reader leaves', async () => {
    storage.append('s', [event(0), event(1)]);
    const upTo = async (to: number | undefined, stopAt = Number.POSITIVE_INFINITY) => {
      const seqs: number[] = [];
      for await (const each of client.events('s', 0, to, { follow: true })) {
        seqs.push(each.seq ?? 0);
        if (each.seq === stopAt) break;
      }
      return seqs;
    };
    const bounded = upTo(2);
    const left = upTo(undefined, 2);
    const ended = upTo(undefined);
    await clock.advance(10);
    storage.append('s', [event(2), event(3)]);
    assert.deepEqual(await result(bounded), [0, 1, 2]);
    assert.deepEqual(await result(left), [0, 1, 2]);
    const closed: SessionEvent = { type: 'closed', seq: 4, reason: 'x', timestamp: '2026-01-01T00:00:00Z' };
    storage.append('s', [closed]);
    assert.deepEqual(await result(ended), [0, 1, 2, 3, 4]);
    assert.equal(clock.pending, 0);
  });

  it('watches what happens in a session until it is told to stop', async () => {
    let rings = 0;
    const stop = client.watch('s', () => rings++);
    storage.append('s', [event(0)]);
    workerBus.publish(subjects.live('s'), encode({ stream: 'stdout' }));
    await clock.advance(0);
    assert.equal(rings, 2);
    stop();
    storage.append('s', [event(1)]);
    await clock.advance(0);
    assert.equal(rings, 2);
  });

  it('gathers every process that answers, and none when nobody is there', async () => {
    storageBus.subscribe(subjects.who, (message) => {
      message.respond(
        encode({ ok: true, role: 'storage', process: 'st', pid: 1, state: 'running', version: '0' }),
      );
      message.respond(encode('what?'));
    });
    const found = await result(client.who());
    assert.deepEqual(found.map((each) => `${each.role} ${each.process}`).sort(), ['storage st', 'worker w']);
    workerBus.disconnect();
    storageBus.disconnect();
    assert.deepEqual(await result(client.who()), []);
    bus.disconnect();
    await assert.rejects(result(client.who()), { code: 'DISCONNECTED' });
  });

  it('waits for a replay as long as a worker is at it, and gives it to another when that one dies', async () => {
    const verdict = { verified: true, events: 9, checkpoints: 1, durationMs: 1 };
    const serveReplay = (own: MemoryBus, id: string, ms: number) =>
      own.subscribe(
        subjects.any(LOOK.replay),
        (message) =>
          answerLong(
            message,
            id,
            async () => {
              await new Promise<void>((resolve) => clock.setTimer(resolve, ms));
              return encode({ ok: true, ...verdict });
            },
            { clock },
          ),
        { queue: 'workers' },
      );
    serveReplay(workerBus, 'w', 120_000);
    const replay = client.replay('s');
    await clock.advance(100_000);
    assert.deepEqual(await result(replay), verdict);
    const again = client.replay('s');
    await clock.advance(5_000);
    serveReplay(storageBus, 'other', 10);
    workerBus.disconnect();
    assert.deepEqual(await result(again), verdict);
  });

  it('closes its connection', async () => {
    await client.disconnect();
    await client.disconnect();
    assert.equal(bus.connected, false);
  });
});
