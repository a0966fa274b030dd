import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { answerLong, type LongCallError, type LongCallOptions, longCall } from '../../bus/long-call.ts';
import { type MemoryBus, type MemoryHub, makeMemoryBus } from '../../bus/memory.ts';
import { makeVirtualClock, type VirtualClock } from '../kit/virtual-clock.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

describe('a long call', () => {
  let clock: VirtualClock;
  let hub: MemoryHub;
  let client: MemoryBus;
  let worker: MemoryBus;
  let pings: number[];
  let answers: Uint8Array[];

  beforeEach(() => {
    clock = makeVirtualClock(0);
    hub = makeMemoryBus({ clock });
    client = hub.connect('client');
    worker = hub.connect('worker');
    pings = [];
    answers = [];
    worker.subscribe('ping.w', (message) => {
      pings.push(clock.now());
      message.respond(bytes('pong'));
    });
  });

  const call = (options: Partial<LongCallOptions> = {}) =>
    longCall(client, {
      subject: 'work',
      data: bytes('do'),
      timeoutMs: 600_000,
      pingSubject: (process) => `ping.${process}`,
      clock,
      ...options,
    });
  /** Answers every request by `work`, and keeps what is sent. */
  const serve = (work: () => Promise<Uint8Array>) =>
    worker.subscribe('work', (message) =>
      answerLong(
        {
          ...message,
          respond: (data) => {
            answers.push(data);
            return worker.publish(message.reply!, data) === undefined;
          },
        },
        'w',
        work,
        { clock },
      ),
    );
  const workFor = (ms: number) => () =>
    new Promise<Uint8Array>((resolve) => clock.setTimer(() => resolve(bytes('done')), ms));
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => assert.fail('it was answered'),
      (error: LongCallError) => error,
    );

  it('is one plain round trip when the answer is quick', async () => {
    serve(async () => bytes('done'));
    assert.equal(text(await call()), 'done');
    assert.equal(answers.length, 1);
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  it('is accepted first when the work takes longer, then answered, as long as the process lives', async () => {
    serve(workFor(60_000));
    const answer = call();
    await clock.advance(60_000);
    assert.equal(text(await answer), 'done');
    assert.deepEqual(decode(answers[0]!), { ok: 'accepted', process: 'w' });
    assert.equal(answers.length, 2);
    assert.deepEqual(pings.slice(0, 5), [35, 55, 75, 95, 115]);
    assert.equal(clock.pending, 0);
  });

  it('ends at once when nobody is there', async () => {
    const error = await failure(call());
    assert.deepEqual([error.code, error.reason, error.process], ['NO_RESPONDERS', 'absent', undefined]);
    assert.equal(clock.pending, 0);
  });

  it('ends when the process at work dies', async () => {
    serve(workFor(60_000));
    const ended = failure(call());
    await clock.advance(1_000);
    worker.disconnect();
    const before = clock.now();
    await clock.advance(100);
    const error = await ended;
    assert.deepEqual([error.code, error.reason, error.process], ['NO_RESPONDERS', 'lost', 'w']);
    assert.ok(clock.now() - before <= 100);
  });

  it('sends the request again when the process that should have it is gone, and ends when nobody took over', async () => {
    const heard: number[] = [];
    worker.subscribe('work', () => void heard.push(clock.now()));
    const ended = failure(call({ presumed: 'w' }));
    await clock.advance(5);
    worker.disconnect();
    await clock.advance(10);
    const error = await ended;
    assert.deepEqual([error.code, error.reason], ['NO_RESPONDERS', 'absent']);
    assert.deepEqual(heard, [0]);
    assert.equal(clock.pending, 0);
  });

  it('reaches whoever took over from the process that is gone', async () => {
    worker.subscribe('work', () => {});
    const answer = call({ presumed: 'w' });
    await clock.advance(5);
    worker.disconnect();
    hub.connect('other').subscribe('work', (message) => void message.respond(bytes('done by another')));
    await clock.advance(10);
    assert.equal(text(await answer), 'done by another');
    assert.equal(clock.pending, 0);
  });

  it('leaves a process that answers pings in peace, and sends nothing twice', async () => {
    let heard = 0;
    worker.subscribe('work', (message) => {
      heard += 1;
      clock.setTimer(() => void message.respond(bytes('done')), 120);
    });
    const answer = call({ presumed: 'w' });
    await clock.advance(120);
    assert.equal(text(await answer), 'done');
    assert.equal(heard, 1);
    assert.ok(pings.length >= 4);
    assert.equal(clock.pending, 0);
  });

  it('shares one ping among all calls that wait for a process', async () => {
    worker.subscribe('work', (message) => {
      clock.setTimer(() => void message.respond(bytes('done')), 12);
    });
    const answers = Promise.all(Array.from({ length: 50 }, () => call({ presumed: 'w' })));
    await clock.advance(12);
    await answers;
    assert.equal(pings.length, 1);
  });

  it('ends when the first answer does not come', async () => {
    worker.subscribe('work', () => {});
    const ended = failure(call());
    await clock.advance(499);
    assert.equal(clock.pending, 1);
    await clock.advance(1);
    const error = await ended;
    assert.deepEqual([error.code, error.reason, error.retryable], ['TIMEOUT', 'hung', true]);
  });

  it('ends when no ping has been answered for half a second, not sooner', async () => {
    serve(workFor(60_000));
    const ended = failure(call());
    await clock.advance(1_000);
    worker.freeze();
    await clock.advance(300); // some pings go unanswered
    worker.thaw();
    await clock.advance(2_000);
    assert.ok(clock.pending > 0, 'still waiting');
    worker.freeze();
    await clock.advance(700);
    const error = await ended;
    assert.deepEqual([error.reason, error.process], ['hung', 'w']);
  });

  it('ends at its deadline, before or after it was accepted', async () => {
    serve(workFor(60_000));
    const [early, late] = [failure(call({ timeoutMs: 10 })), failure(call({ timeoutMs: 2_000 }))];
    await clock.advance(10);
    assert.deepEqual([(await early).reason, (await early).code], ['deadline', 'TIMEOUT']);
    await clock.advance(1_989);
    assert.ok(clock.pending > 0);
    await clock.advance(1);
    assert.deepEqual([(await late).reason, (await late).process], ['deadline', 'w']);
  });

  it('fails at once when the connection drops', async () => {
    serve(workFor(60_000));
    const ended = failure(call());
    await clock.advance(1_000);
    client.disconnect();
    assert.equal((await ended).code, 'DISCONNECTED');
    assert.equal((await failure(call())).code, 'DISCONNECTED');
  });

  it('fails at once when the publish is denied or too large', async () => {
    const denied = hub.connect('denied', { denied: () => true });
    const options = { subject: 'work', data: bytes(''), timeoutMs: 1_000, pingSubject: String, clock };
    assert.equal((await failure(longCall(denied, options))).code, 'DENIED');
    const error = await failure(call({ data: new Uint8Array(client.maxPayload + 1) }));
    assert.equal(error.code, 'TOO_LARGE');
    assert.equal(clock.pending, 0);
  });

  it('stops when its signal aborts, and does not start when it has', async () => {
    serve(workFor(60_000));
    const controller = new AbortController();
    const ended = failure(call({ signal: controller.signal }));
    await clock.advance(1_000);
    controller.abort(new Error('enough'));
    assert.equal((await ended).message, 'enough');
    assert.equal((await failure(call({ signal: controller.signal }))).message, 'enough');
  });

  it('brings a failure as its one final answer', async () => {
    serve(async () => {
      throw new RepriseError('FENCED', 'not mine any more', { hint: 'ask again' });
    });
    assert.deepEqual(decode(await call()), {
      ok: false,
      code: 'FENCED',
      error: 'not mine any more',
      retryable: true,
      hint: 'ask again',
    });
    assert.equal(answers.length, 1);
  });

  it('answers with a failure when the answer does not fit into a message', async () => {
    serve(async () => new Uint8Array(worker.maxPayload + 1));
    const reply = decode(await call()) as { code: string };
    assert.equal(reply.code, 'TOO_LARGE');
  });

  it('takes an answer that merely contains the word accepted for what it is', async () => {
    const reply = encode({ ok: true, output: 'accepted' });
    serve(async () => reply);
    assert.deepEqual(decode(await call()), { ok: true, output: 'accepted' });
    const garbage = bytes('\u0000accepted?');
    worker.subscribe('garbage', (message) => void message.respond(garbage));
    assert.deepEqual(text(await call({ subject: 'garbage' })), text(garbage));
  });

  it('ends with exactly one outcome under any fate of the process', async () => {
    const fate = fc.constantFrom('live', 'die', 'freeze', 'thaw', 'cut', 'mend');
    const steps = fc.array(fc.tuple(fate, fc.nat(400)), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(1_500), async (fates, workMs) => {
        const own = makeMemoryBus({ clock });
        const [a, b] = [own.connect('a'), own.connect('b')];
        b.subscribe('ping.b', (message) => void message.respond(bytes('')));
        b.subscribe('work', (message) => answerLong(message, 'b', workFor(workMs), { clock }));
        let outcomes = 0;
        const ended = longCall(a, {
          subject: 'work',
          data: bytes(''),
          timeoutMs: 3_000,
          pingSubject: (process) => `ping.${process}`,
          clock,
        }).then(
          () => outcomes++,
          () => outcomes++,
        );
        for (const [what, ms] of fates) {
          if (what === 'die') b.disconnect();
          if (what === 'freeze') b.freeze();
          if (what === 'thaw') b.thaw();
          if (what === 'cut') a.disconnect();
          if (what === 'mend') a.reconnect();
          await clock.advance(ms);
        }
        await clock.advance(3_000);
        await ended;
        assert.equal(outcomes, 1);
        assert.equal(clock.pending, 0);
      }),
      { numRuns: 50 },
    );
  });
});
