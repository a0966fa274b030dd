/** What every bus must do, whatever it is made of. Give it a factory. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { hasCode, type RepriseError } from '../../bus/errors.ts';
import type { Bus, BusMessage } from '../../bus/port.ts';
import { until } from '../kit/until.ts';
import { describeEdges } from './conformance-edges.ts';

export interface BusWorld {
  connect(name: string, onError?: (error: RepriseError) => void): Promise<Bus>;
  /** Cuts every connection. */
  cut(): Promise<void>;
  /** Lets them come back. */
  mend(): Promise<void>;
  stop(): Promise<void>;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const soon = { timeoutMs: 5_000 };

export function describeBus(name: string, makeWorld: () => Promise<BusWorld>): void {
  describe(name, () => {
    let world: BusWorld;
    let a: Bus;
    let b: Bus;
    const errors: RepriseError[] = [];
    let subjects = 0;
    const fresh = () => {
      subjects += 1;
      return `test.s${subjects}`;
    };

    before(async () => {
      world = await makeWorld();
      a = await world.connect('a', (error) => errors.push(error));
      b = await world.connect('b', (error) => errors.push(error));
    });
    after(async () => {
      await Promise.all([a.close(), b.close()]);
      await world.stop();
    });

    describeEdges(() => ({ a, b, errors, fresh, connect: (name) => world.connect(name) }));

    it('brings a request to the subscriber and its answer back', async () => {
      const subject = fresh();
      b.subscribe(subject, (message) => void message.respond(bytes(`${text(message.data)} back`)));
      await b.flush();
      assert.equal(text(await a.request(subject, bytes('there'), soon)), 'there back');
    });

    it('says at once that nobody answers', async () => {
      await assert.rejects(a.request(fresh(), bytes('?'), { timeoutMs: 60_000 }), { code: 'NO_RESPONDERS' });
    });

    it('gives up a request nobody answers in time', async () => {
      const subject = fresh();
      b.subscribe(subject, () => {});
      await b.flush();
      await assert.rejects(a.request(subject, bytes('?'), { timeoutMs: 20 }), {
        code: 'TIMEOUT',
        retryable: true,
      });
    });

    it('drops an answer that comes after the time-out', async () => {
      const subject = fresh();
      let late: BusMessage | undefined;
      b.subscribe(subject, (message) => {
        if (late) message.respond(bytes('second'));
        else late = message;
      });
      await b.flush();
      await assert.rejects(a.request(subject, bytes('1'), { timeoutMs: 20 }), { code: 'TIMEOUT' });
      late!.respond(bytes('first'));
      assert.equal(text(await a.request(subject, bytes('2'), soon)), 'second');
    });

    it('delivers in order', async () => {
      const subject = fresh();
      const got: number[] = [];
      b.subscribe(subject, (message) => void got.push(Number(text(message.data))));
      await b.flush();
      for (let i = 0; i < 500; i++) a.publish(subject, bytes(String(i)));
      await until(() => got.length === 500);
      assert.deepEqual(
        got,
        Array.from({ length: 500 }, (_, i) => i),
      );
    });

    it('starts a handler without waiting for the promise of the one before', async () => {
      const subject = fresh();
      const held: BusMessage[] = [];
      b.subscribe(subject, async (message) => {
        held.push(message);
        await until(() => held.length === 2);
        message.respond(message.data);
      });
      await b.flush();
      const answers = await Promise.all([
        a.request(subject, bytes('1'), soon),
        a.request(subject, bytes('2'), soon),
      ]);
      assert.deepEqual(answers.map(text), ['1', '2']);
    });

    it('gives each message to one member of a queue group and to every plain subscriber', async () => {
      const subject = fresh();
      const seen = { one: 0, two: 0, plain: 0 };
      a.subscribe(subject, () => void seen.one++, { queue: 'group' });
      b.subscribe(subject, () => void seen.two++, { queue: 'group' });
      b.subscribe(subject, () => void seen.plain++);
      await Promise.all([a.flush(), b.flush()]);
      for (let i = 0; i < 200; i++) a.publish(subject, bytes('x'));
      await until(() => seen.plain === 200 && seen.one + seen.two === 200);
      assert.ok(seen.one > 0 && seen.two > 0, `${seen.one} and ${seen.two}`);
    });

    it('matches wildcards: * one token, > the rest', async () => {
      const root = fresh();
      const got: string[] = [];
      b.subscribe(`${root}.*.c`, (message) => void got.push(`* ${message.subject}`));
      b.subscribe(`${root}.>`, (message) => void got.push(`> ${message.subject}`));
      await b.flush();
      for (const tail of ['', '.b', '.b.c', '.b.b.c']) a.publish(root + tail, bytes(''));
      await until(() => got.length === 4);
      assert.deepEqual(
        got.sort(),
        [`* ${root}.b.c`, `> ${root}.b`, `> ${root}.b.c`, `> ${root}.b.b.c`].sort(),
      );
    });

    it('stops delivering after unsubscribe', async () => {
      const subject = fresh();
      const subscription = b.subscribe(subject, (message) => void message.respond(message.data));
      await b.flush();
      await a.request(subject, bytes('x'), soon);
      subscription.unsubscribe();
      await b.flush();
      await assert.rejects(a.request(subject, bytes('x'), soon), { code: 'NO_RESPONDERS' });
    });

    it('keeps the data of sender and receivers apart', async () => {
      const subject = fresh();
      const got: Uint8Array[] = [];
      const keep = (message: BusMessage) => {
        got.push(message.data);
        message.data[0] = 0;
      };
      b.subscribe(subject, keep);
      a.subscribe(subject, (message) => void got.push(message.data));
      await Promise.all([a.flush(), b.flush()]);
      const sent = bytes('abc');
      a.publish(subject, sent);
      await a.flush(); // the transport may still hold the bytes until then
      sent[1] = 0;
      await until(() => got.length === 2);
      assert.deepEqual(sent[0], 97);
      assert.deepEqual(
        got.map((data) => data[1]),
        [98, 98],
      );
      assert.deepEqual(got.map((data) => data[0]).sort(), [0, 97]);
    });

    it('takes several answers in an inbox, and the news that nobody is there', async () => {
      const subject = fresh();
      b.subscribe(subject, (message) => {
        for (const each of ['1', '2', '3']) message.respond(bytes(each));
      });
      await b.flush();
      const got: string[] = [];
      let absent = 0;
      const inbox = a.inbox(
        (message) => void got.push(text(message.data)),
        () => void absent++,
      );
      a.publish(subject, bytes('?'), { reply: inbox.subject });
      await until(() => got.length === 3);
      assert.deepEqual(got, ['1', '2', '3']);
      a.publish(fresh(), bytes('?'), { reply: inbox.subject });
      await until(() => absent === 1);
      inbox.unsubscribe();
      a.publish(subject, bytes('?'), { reply: inbox.subject });
      await a.request(subject, bytes('?'), soon);
      assert.equal(got.length, 3);
    });

    it('reports a handler that throws and goes on', async () => {
      const subject = fresh();
      errors.length = 0;
      b.subscribe(subject, (message) => {
        if (text(message.data) === 'throw') throw new Error('thrown');
        if (text(message.data) === 'reject') return Promise.reject(new Error('rejected'));
        message.respond(bytes('fine'));
      });
      await b.flush();
      b.publish(subject, bytes('throw'));
      b.publish(subject, bytes('reject'));
      assert.equal(text(await a.request(subject, bytes('x'), soon)), 'fine');
      await until(() => errors.length === 2);
      assert.deepEqual(
        errors.map((error) => [error.code, error.message]),
        [
          ['INTERNAL', 'thrown'],
          ['INTERNAL', 'rejected'],
        ],
      );
    });

    it('says false to a response without a reply subject', async () => {
      const subject = fresh();
      const responded: boolean[] = [];
      b.subscribe(subject, (message) => void responded.push(message.respond(bytes('x'))));
      await b.flush();
      a.publish(subject, bytes('?'));
      await until(() => responded.length === 1);
      assert.deepEqual(responded, [false]);
    });

    it('refuses what is larger than one message may be', async () => {
      const subject = fresh();
      b.subscribe(subject, (message) => void message.respond(bytes(String(message.data.byteLength))));
      await b.flush();
      const large = new Uint8Array(a.maxPayload + 1);
      assert.throws(() => a.publish(subject, large), { code: 'TOO_LARGE' });
      await assert.rejects(a.request(subject, large, soon), { code: 'TOO_LARGE', retryable: false });
      const whole = await a.request(subject, large.subarray(1), soon);
      assert.equal(text(whole), String(a.maxPayload));
    });

    it('refuses what is not a subject', async () => {
      assert.throws(() => a.publish('with space', bytes('')), { code: 'BAD_REQUEST' });
      assert.throws(() => a.subscribe('', () => {}), { code: 'BAD_REQUEST' });
      await assert.rejects(a.request('', bytes(''), soon), { code: 'BAD_REQUEST' });
    });

    it('answers 1,000 requests at once, each with its own answer', async () => {
      const subject = fresh();
      b.subscribe(subject, (message) => void message.respond(message.data));
      await b.flush();
      const answers = await Promise.all(
        Array.from({ length: 1000 }, (_, i) => a.request(subject, bytes(String(i)), { timeoutMs: 20_000 })),
      );
      assert.deepEqual(
        answers.map((answer) => Number(text(answer))),
        Array.from({ length: 1000 }, (_, i) => i),
      );
    });

    it('fails all that waits when the connection drops, and works again after', async () => {
      const subject = fresh();
      let asked = 0;
      const handled: string[] = [];
      b.subscribe(subject, (message) => {
        asked += 1;
        if (text(message.data) === 'hold') return;
        handled.push(text(message.data));
        message.respond(message.data);
      });
      await b.flush();
      const failures: RepriseError[] = [];
      const news: boolean[] = [];
      const stopListening = a.onConnection((connected) => news.push(connected));
      const inbox = a.inbox(
        () => {},
        undefined,
        (error) => failures.push(error),
      );
      a.publish(subject, bytes('hold'), { reply: inbox.subject });
      const waiting = [1, 2, 3].map(() => a.request(subject, bytes('hold'), { timeoutMs: 600_000 }));
      await until(() => asked === 4);
      const settled = Promise.allSettled(waiting);
      await world.cut();
      for (const result of await settled) {
        assert.ok(result.status === 'rejected' && hasCode(result.reason, 'DISCONNECTED'));
      }
      assert.deepEqual(
        failures.map((error) => error.code),
        ['DISCONNECTED'],
      );
      assert.equal(a.connected, false);
      assert.throws(() => a.publish(subject, bytes('lost')), { code: 'DISCONNECTED' });
      await assert.rejects(a.request(subject, bytes('lost'), soon), { code: 'DISCONNECTED' });
      await assert.rejects(a.flush(), { code: 'DISCONNECTED' });
      const during = fresh();
      b.subscribe(during, (message) => void message.respond(bytes('made while away')));

      await world.mend();
      await until(() => a.connected && b.connected);
      await b.flush();
      assert.equal(text(await a.request(subject, bytes('again'), soon)), 'again');
      assert.equal(text(await a.request(during, bytes('?'), soon)), 'made while away');
      assert.deepEqual(handled, ['again'], 'nothing sent while away arrives later, nothing arrives twice');
      assert.deepEqual(news, [false, true]);
      stopListening();
    });

    it('lets handlers finish on close, then refuses everything', async () => {
      const subject = fresh();
      const c = await world.connect('c');
      let finish: (() => void) | undefined;
      c.subscribe(subject, async (message) => {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        message.respond(bytes('finished'));
      });
      await c.flush();
      const answer = a.request(subject, bytes('?'), soon);
      await until(() => finish !== undefined);
      const closed = c.close();
      finish!();
      assert.equal(text(await answer), 'finished');
      await closed;
      await c.close();
      assert.equal(c.connected, false);
      assert.throws(() => c.publish(subject, bytes('')), { code: 'DISCONNECTED' });
      assert.throws(() => c.subscribe(subject, () => {}), { code: 'DISCONNECTED' });
      await assert.rejects(a.request(subject, bytes('?'), soon), { code: 'NO_RESPONDERS' });
    });
  });
}
