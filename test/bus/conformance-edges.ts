/** Where two buses could differ without anybody noticing. Part of the suite in `conformance.ts`. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RepriseError } from '../../bus/errors.ts';
import type { Bus, BusMessage } from '../../bus/port.ts';
import { until } from '../kit/until.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const soon = { timeoutMs: 5_000 };

export interface EdgeWorld {
  a: Bus;
  b: Bus;
  /** What both buses reported. */
  errors: RepriseError[];
  /** A subject that nobody has used. */
  fresh(): string;
  connect(name: string): Promise<Bus>;
}

export function describeEdges(world: () => EdgeWorld): void {
  it('lets a connection ask itself, also from within a handler', async () => {
    const { a, fresh } = world();
    const [outer, inner] = [fresh(), fresh()];
    a.subscribe(inner, (message) => void message.respond(bytes(`<${text(message.data)}>`)));
    a.subscribe(outer, async (message) => {
      message.respond(await a.request(inner, message.data, soon));
    });
    assert.equal(text(await a.request(outer, bytes('x'), soon)), '<x>');
  });

  it('gives a message once to a queue group, however its members subscribed', async () => {
    const { a, b, fresh } = world();
    const root = fresh();
    const got: string[] = [];
    let marks = 0;
    a.subscribe(`${root}.*`, (message) => void got.push(text(message.data)), { queue: 'one' });
    b.subscribe(`${root}.x`, (message) => void got.push(text(message.data)), { queue: 'one' });
    b.subscribe(`${root}.>`, (message) => void got.push(`other ${text(message.data)}`), { queue: 'two' });
    for (const bus of [a, b]) bus.subscribe(`${root}.x`, () => void marks++);
    await Promise.all([a.flush(), b.flush()]);
    for (let i = 0; i < 50; i++) a.publish(`${root}.x`, bytes(String(i)));
    await until(() => marks === 100 && got.length >= 100);
    const expected = Array.from({ length: 50 }, (_, i) => [String(i), `other ${i}`]).flat();
    assert.deepEqual(got.sort(), expected.sort());
  });

  it('delivers to each of two subscriptions of one connection', async () => {
    const { a, b, fresh } = world();
    const subject = fresh();
    const got: number[] = [];
    for (const id of [1, 2]) b.subscribe(subject, () => void got.push(id));
    await b.flush();
    a.publish(subject, bytes(''));
    await until(() => got.length === 2);
    assert.deepEqual(got.sort(), [1, 2]);
  });

  it('delivers nothing more once a handler has unsubscribed, however much had arrived', async () => {
    const { a, b, fresh } = world();
    const [subject, end] = [fresh(), fresh()];
    let got = 0;
    let ended = false;
    const subscription = b.subscribe(subject, () => {
      got += 1;
      if (got === 3) subscription.unsubscribe();
    });
    b.subscribe(end, () => {
      ended = true;
    });
    await b.flush();
    for (let i = 0; i < 100; i++) a.publish(subject, bytes('x'));
    a.publish(end, bytes(''));
    await until(() => ended);
    assert.equal(got, 3);
    subscription.unsubscribe();
  });

  it('does not mind what a handler returns', async () => {
    const { a, b, errors, fresh } = world();
    const subject = fresh();
    errors.length = 0;
    const got: Uint8Array[] = [];
    for (const odd of [1, 'text', {}, [], true]) {
      const handler: (message: BusMessage) => unknown = (message) => {
        got.push(message.data);
        return odd;
      };
      b.subscribe(subject, handler as (message: BusMessage) => void);
    }
    await b.flush();
    a.publish(subject, bytes('x'));
    await until(() => got.length === 5);
    await b.flush();
    assert.deepEqual(errors, []);
  });

  it('refuses subjects with empty tokens or spaces, and to publish to a wildcard', async () => {
    const { a, fresh } = world();
    const good = fresh();
    for (const bad of [
      '',
      '.',
      `${good}.`,
      `.${good}`,
      `${good}..x`,
      `${good} x`,
      `${good}\tx`,
      `${good}\r\n`,
    ]) {
      const refusal = { code: 'BAD_REQUEST', retryable: false };
      assert.throws(() => a.subscribe(bad, () => {}), refusal, `subscribe ${JSON.stringify(bad)}`);
      assert.throws(() => a.publish(bad, bytes('')), refusal, `publish ${JSON.stringify(bad)}`);
      assert.throws(() => a.publish(bad, bytes('')), refusal, 'the second one of a turn');
      await assert.rejects(a.request(bad, bytes(''), soon), refusal);
      if (bad !== '') assert.throws(() => a.publish(good, bytes(''), { reply: bad }), refusal);
    }
    for (const wildcard of [`${good}.*`, `${good}.>`, '>', '*']) {
      assert.throws(() => a.publish(wildcard, bytes('')), { code: 'BAD_REQUEST' });
      await assert.rejects(a.request(wildcard, bytes(''), soon), { code: 'BAD_REQUEST' });
    }
    assert.throws(() => a.subscribe(`${good}.>.x`, () => {}), { code: 'BAD_REQUEST' });
    assert.throws(() => a.subscribe(good, () => {}, { queue: 'two words' }), { code: 'BAD_REQUEST' });
    await a.flush();
    assert.equal(a.connected, true);
  });

  it('takes * and > inside a longer token for what they are', async () => {
    const { a, b, fresh } = world();
    const root = fresh();
    const got: string[] = [];
    b.subscribe(`${root}.a*`, (message) => void got.push(message.subject));
    b.subscribe(`${root}.end`, (message) => void got.push(message.subject));
    await b.flush();
    for (const tail of ['ab', 'a*', 'end']) a.publish(`${root}.${tail}`, bytes(''));
    await until(() => got.includes(`${root}.end`));
    assert.deepEqual(got, [`${root}.a*`, `${root}.end`]);
  });

  it('brings "nobody there" to the inbox that asked, never to a subscription or to somebody else', async () => {
    const { a, b, fresh } = world();
    const [plain, end] = [fresh(), fresh()];
    const wrong: string[] = [];
    let ended = false;
    const mine = a.inbox(
      () => void wrong.push('a message'),
      () => void wrong.push('absent at a'),
    );
    const theirs = b.inbox(
      () => void wrong.push('a message'),
      () => void wrong.push('absent at b'),
    );
    a.subscribe(plain, () => void wrong.push('a message on a subscription'));
    a.subscribe(end, () => {
      ended = true;
    });
    await a.flush();
    // The answer to a question that nobody hears goes to whoever asked, and these are not inboxes of theirs.
    for (const reply of [plain, theirs.subject]) a.publish(fresh(), bytes('?'), { reply });
    a.publish(end, bytes(''));
    await until(() => ended);
    await Promise.all([a.flush(), b.flush()]);
    assert.deepEqual(wrong, []);
    mine.unsubscribe();
    theirs.unsubscribe();
  });

  it('reports what an inbox handler throws, and lets it leave from within', async () => {
    const { a, b, errors, fresh } = world();
    const subject = fresh();
    errors.length = 0;
    b.subscribe(subject, (message) => {
      for (let i = 0; i < 3; i++) message.respond(bytes(String(i)));
    });
    await b.flush();
    const got: string[] = [];
    const inbox = a.inbox((message) => {
      got.push(text(message.data));
      inbox.unsubscribe();
      throw new Error('from an inbox');
    });
    a.publish(subject, bytes('?'), { reply: inbox.subject });
    await until(() => errors.length === 1);
    await a.request(subject, bytes('?'), soon);
    assert.deepEqual([got, errors[0]!.message], [['0'], 'from an inbox']);
  });

  it('waits for ever when told so', async () => {
    const { a, b, fresh } = world();
    const subject = fresh();
    b.subscribe(subject, async (message) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      message.respond(bytes('late'));
    });
    await b.flush();
    for (const timeoutMs of [Number.POSITIVE_INFINITY, 2 ** 40]) {
      assert.equal(text(await a.request(subject, bytes('?'), { timeoutMs })), 'late');
    }
  });

  it('carries empty messages and any bytes', async () => {
    const { a, b, fresh } = world();
    const subject = fresh();
    b.subscribe(subject, (message) => void message.respond(message.data));
    await b.flush();
    assert.equal((await a.request(subject, new Uint8Array(0), soon)).byteLength, 0);
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    assert.deepEqual([...(await a.request(subject, all, soon))], [...all]);
    const view = new Uint8Array(Uint8Array.from([9, 1, 2, 3, 9]).buffer, 1, 3);
    assert.deepEqual([...(await a.request(subject, view, soon))], [1, 2, 3]);
  });

  it('fails what waits when it is closed, and leaves handlers that come late without harm', async () => {
    const { a, b, connect, fresh } = world();
    const [silent, late] = [fresh(), fresh()];
    const c = await connect('closing');
    b.subscribe(silent, () => {});
    let message: BusMessage | undefined;
    const subscription = c.subscribe(late, (got) => {
      message = got;
    });
    await Promise.all([b.flush(), c.flush()]);
    const news: boolean[] = [];
    c.onConnection((connected) => news.push(connected));
    const answer = a.request(late, bytes('?'), { timeoutMs: 200 });
    const unheard = assert.rejects(answer, { code: 'TIMEOUT' });
    await until(() => message !== undefined);
    const waiting = assert.rejects(c.request(silent, bytes('?'), { timeoutMs: 600_000 }), {
      code: 'DISCONNECTED',
    });
    await c.close();
    await waiting;
    await unheard;
    assert.equal(message!.respond(bytes('too late')), false);
    subscription.unsubscribe();
    assert.deepEqual(news, [false]);
    await assert.rejects(c.flush(), { code: 'DISCONNECTED' });
  });
}
