import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { hasCode, type RepriseError } from '../../bus/errors.ts';
import { answerLong } from '../../bus/long-call.ts';
import { connectBus, type NatsBus } from '../../bus/nats.ts';
import { type NatsServer, startNats } from '../kit/nats-server.ts';
import { until } from '../kit/until.ts';
import { describeBus } from './conformance.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

describeBus('a bus over a real nats-server', async () => {
  const server = await startNats({ jetstream: false });
  return {
    connect: (name, onError) => connectBus({ url: server.url, name, onError }),
    cut: () => server.kill9(),
    mend: () => server.restart(),
    stop: () => server.stop(),
  };
});

describe('the bus and a server in trouble', () => {
  let server: NatsServer;
  const open: NatsBus[] = [];
  const connected = async (name: string, onError?: (error: RepriseError) => void) => {
    const bus = await connectBus({ url: server.url, name, onError });
    open.push(bus);
    return bus;
  };
  before(async () => {
    server = await startNats({ jetstream: false });
  });
  after(async () => {
    await Promise.all(open.map((bus) => bus.close()));
    await server.stop();
  });

  it('says UNAVAILABLE when no server is there', async () => {
    await assert.rejects(connectBus({ url: 'nats://127.0.0.1:1', name: 'x', connectTimeoutMs: 500 }), {
      code: 'UNAVAILABLE',
      retryable: true,
    });
  });

  it('says UNAVAILABLE when the server is frozen, and connects when it wakes', async () => {
    await server.pause();
    try {
      await assert.rejects(connectBus({ url: server.url, name: 'x', connectTimeoutMs: 200 }), {
        code: 'UNAVAILABLE',
      });
    } finally {
      server.resume();
    }
    await (await connected('y')).flush();
  });

  it('notices a frozen server, fails what waits, and carries on when it wakes', async () => {
    const a = await connected('a');
    const b = await connected('b');
    const handled: string[] = [];
    b.subscribe('frozen', (message) => {
      handled.push(text(message.data));
      message.respond(message.data);
    });
    await b.flush();
    await server.pause();
    try {
      const waiting = a.request('frozen', bytes('during'), { timeoutMs: 600_000 });
      await assert.rejects(waiting, { code: 'DISCONNECTED' });
    } finally {
      server.resume();
    }
    await until(() => a.connected && b.connected);
    await b.flush();
    assert.equal(text(await a.request('frozen', bytes('after'), { timeoutMs: 20_000 })), 'after');
    assert.equal(handled.at(-1), 'after');
  });

  it('answers on, and nobody dies, when requests come with a reply subject that is none', async () => {
    const errors: RepriseError[] = [];
    const b = await connected('answering', (error) => errors.push(error));
    const raw = await connect({ servers: server.url });
    const responded: boolean[] = [];
    b.subscribe('odd', async (message) => {
      await answerLong(message, 'me', async () => message.data, { acceptAfterMs: 0 });
      responded.push(message.respond(bytes('again')));
    });
    await b.flush();
    const replies = ['>', '*', 'x.*', 'a..b', '.', 'a.', '.a', '$JS.API.INFO', '$SYS.REQ.SERVER.PING'];
    for (const reply of replies) raw.publish('odd', 'x', { reply });
    await raw.flush();
    await until(() => responded.length === replies.length);
    assert.deepEqual(responded, [...Array(7).fill(false), true, true]);
    assert.equal((await raw.request('odd', 'fine', { timeout: 5_000 })).string(), 'fine');
    assert.deepEqual([b.connected, errors], [true, []]);
    await raw.close();
  });

  it('keeps its connection through a busy event loop', async () => {
    const a = await connected('busy');
    const news: boolean[] = [];
    a.onConnection((connected) => news.push(connected));
    for (let round = 0; round < 3; round++) {
      const end = Date.now() + 1_200;
      while (Date.now() < end);
      await new Promise(setImmediate);
    }
    await a.flush();
    assert.deepEqual(news, []);
  });

  it('loses no subscription and repeats no effect over ten kills of the server', async () => {
    const worker = await connected('worker');
    const client = await connected('client');
    const counts = new Map<string, number>();
    worker.subscribe('work.*', (message) => {
      const id = text(message.data);
      counts.set(id, (counts.get(id) ?? 0) + 1);
      message.respond(message.data);
    });
    await worker.flush();
    let done = false;
    let sent = 0;
    const acknowledged: string[] = [];
    const load = (async () => {
      while (!done) {
        sent += 1;
        const id = String(sent); // never retried: a second arrival would be the bus's own doing
        try {
          await client.request(`work.${sent % 7}`, bytes(id), { timeoutMs: 60_000 });
          acknowledged.push(id);
        } catch (thrown) {
          assert.ok(hasCode(thrown, 'DISCONNECTED', 'NO_RESPONDERS'), String(thrown));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
    })();
    for (let kill = 0; kill < 10; kill++) {
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 50);
      await server.kill9();
      await server.restart();
    }
    const before = acknowledged.length;
    await until(() => acknowledged.length > before + 50);
    done = true;
    await load;
    for (const id of acknowledged) assert.equal(counts.get(id), 1);
    assert.equal([...counts.values()].filter((count) => count > 1).length, 0);
  });

  it('closes at once while the server is away', async () => {
    const own = await startNats({ jetstream: false });
    const bus = await connectBus({ url: own.url, name: 'lonely' });
    bus.subscribe('x', () => {});
    const waiting = assert.rejects(bus.request('y', bytes(''), { timeoutMs: 600_000 }));
    await own.kill9();
    await waiting;
    await until(() => !bus.connected);
    await bus.close();
    await bus.close();
    assert.ok(bus.connection.isClosed());
    await own.stop();
  });
});

describe('the bus and permissions', () => {
  let server: NatsServer;
  before(async () => {
    server = await startNats({
      jetstream: false,
      config: `authorization { users = [
        { user: all, password: all }
        { user: some, password: some, permissions: {
          publish: { deny: ["log.>"] }, subscribe: { deny: ["secret.>"] } } }
        { user: deaf, password: deaf, permissions: { subscribe: { deny: ["_INBOX.>"] } } }
      ] }`,
    });
  });
  after(() => server.stop());

  it('says DENIED to wrong credentials', async () => {
    await assert.rejects(connectBus({ url: server.url, name: 'x', user: 'all', pass: 'wrong' }), {
      code: 'DENIED',
    });
  });

  it('says DENIED at once to a request, an inbox and a publish that are not allowed', async () => {
    const errors: RepriseError[] = [];
    const bus = await connectBus({
      url: server.url,
      name: 'some',
      user: 'some',
      pass: 'some',
      onError: (error) => errors.push(error),
    });
    await assert.rejects(bus.request('log.x', bytes(''), { timeoutMs: 600_000 }), {
      code: 'DENIED',
      retryable: false,
    });
    const failures: RepriseError[] = [];
    const inbox = bus.inbox(
      () => {},
      undefined,
      (error) => failures.push(error),
    );
    bus.publish('log.y', bytes(''), { reply: inbox.subject });
    await until(() => failures.length === 1);
    assert.equal(failures[0]!.code, 'DENIED');
    assert.equal(errors.length, 0);
    bus.publish('log.z', bytes(''));
    bus.subscribe('secret.x', () => {});
    await until(() => errors.length === 2);
    assert.deepEqual(
      errors.map((error) => error.code),
      ['DENIED', 'DENIED'],
    );
    await bus.close();
  });

  it('says DENIED to every request of a connection that may not hear answers', async () => {
    const bus = await connectBus({ url: server.url, name: 'deaf', user: 'deaf', pass: 'deaf' });
    await assert.rejects(bus.request('x', bytes(''), { timeoutMs: 600_000 }), { code: 'DENIED' });
    await assert.rejects(bus.request('x', bytes(''), { timeoutMs: 600_000 }), { code: 'DENIED' });
    await bus.close();
  });
});
