import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { type LlmActor, makeLlmActor } from '../../actors/llm/actor.ts';
import { makeEcho } from '../../actors/llm/echo.ts';
import { makeOpenAi } from '../../actors/llm/openai.ts';
import { RETRY_DEFAULT } from '../../actors/llm/retry.ts';
import { makeRouter } from '../../actors/llm/routing.ts';
import { decode, encode } from '../../bus/codec.ts';
import { longCall } from '../../bus/long-call.ts';
import { type MemoryHub, makeMemoryBus } from '../../bus/memory.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import { type Bus, type Clock, systemClock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { Json } from '../../bus/types.ts';
import type { Reply } from '../../bus/wire.ts';
import { type OpenAiDouble, startOpenAiDouble } from '../kit/openai-double.ts';
import { until } from '../kit/until.ts';
import { type ReceiptStore, startReceiptStore } from './receipt-store.ts';

const subjects = makeSubjects('test');
const SECRET = 'sk-test-do-not-log';
let double: OpenAiDouble;
let hub: MemoryHub;
let client: Bus;
let store: ReceiptStore;
let actors: LlmActor[];
let logged: string[];

before(async () => {
  double = await startOpenAiDouble();
});
after(() => double.stop());
beforeEach(() => {
  hub = makeMemoryBus();
  client = hub.connect('client');
  store = startReceiptStore(hub.connect('storage'), subjects);
  actors = [];
  logged = [];
  double.requests.length = 0;
});
afterEach(async () => {
  double.release();
  await Promise.all(actors.map((actor) => actor.stop(0)));
});

interface Options {
  clock?: Clock;
  concurrency?: number;
  storagePatienceMs?: number;
}

async function startActor(name: string, options: Options = {}): Promise<LlmActor> {
  const keep = (fields: object, message: string) => void logged.push(JSON.stringify({ ...fields, message }));
  const actor = makeLlmActor({
    process: name,
    pid: 1,
    version: '0',
    bus: hub.connect(name),
    subjects,
    clock: options.clock ?? systemClock,
    random: () => 0,
    route: makeRouter(
      {
        echo: makeEcho(systemClock),
        openai: makeOpenAi({ apiKey: SECRET, baseUrl: double.baseUrl }, Date.now),
      },
      'm1',
    ),
    retry: { ...RETRY_DEFAULT, firstDelayMs: 2 },
    concurrency: options.concurrency ?? 64,
    storagePatienceMs: options.storagePatienceMs,
    log: { debug: keep, info: keep, warn: keep },
  });
  actors.push(actor);
  await actor.start();
  return actor;
}

async function ask(receiptKey: string, request: Json): Promise<Reply<LlmAnswer>> {
  return askBytes(encode({ receiptKey, session: 's', request }));
}

async function askBytes(data: Uint8Array): Promise<Reply<LlmAnswer>> {
  const bytes = await longCall(client, {
    subject: subjects.llm,
    data,
    timeoutMs: 30_000,
    pingSubject: subjects.ping,
  });
  return decode(bytes) as Reply<LlmAnswer>;
}

test('a call is answered, and its answer is a receipt that later calls get without asking', async () => {
  await startActor('one');
  const answer = await ask('k1', { prompt: 'hi' });
  assert.deepEqual(answer, {
    ok: true,
    response: 'double: hi',
    model: 'm1-2026',
    usage: { inputTokens: 1, outputTokens: 2 },
  });
  assert.ok(store.receipts.has('k1'));
  await startActor('two');
  assert.deepEqual(await ask('k1', { prompt: 'hi' }), answer);
  assert.deepEqual(await ask('k1', { prompt: 'hi' }), answer);
  assert.equal(double.requests.length, 1);
  assert.equal(double.requests[0]?.headers['idempotency-key'], 'k1');
});

test('calls with one key share the provider call that is in flight', async () => {
  const actor = await startActor('one');
  double.hold();
  const calls = Array.from({ length: 5 }, () => ask('k1', { prompt: 'hi' }));
  await double.received(1);
  await until(() => actor.presence().counters?.shared === 4);
  double.release();
  const answers = await Promise.all(calls);
  assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1);
  assert.equal(double.requests.length, 1);
});

test('two actors that race on one key give one answer: the first that is stored', async () => {
  const first = await startActor('one');
  const second = await startActor('two');
  double.script({ type: 'answer', text: 'heads' }, { type: 'answer', text: 'tails' });
  double.hold();
  const calls = [ask('k1', { prompt: 'toss' }), ask('k1', { prompt: 'toss' })];
  await double.received(2);
  double.release();
  const [a, b] = await Promise.all(calls);
  assert.ok(a?.ok && b?.ok);
  assert.deepEqual(a, b);
  const stored = decode(store.receipts.get('k1')!) as LlmAnswer;
  assert.equal(a.response, stored.response);
  const raced = [first, second].map((actor) => actor.presence().counters?.raced ?? 0);
  assert.deepEqual(raced.sort(), [0, 1]);
});

test('a terminal failure is an answer with an error, and is not stored', async () => {
  await startActor('one');
  double.script({ type: 'error', status: 401, message: 'bad key' });
  assert.deepEqual(await ask('k1', { prompt: 'hi', model: 'openai/m2' }), {
    ok: true,
    response: '',
    model: 'openai/m2',
    error: { name: 'LLMError', message: '401 bad key', code: 'DENIED' },
  });
  assert.equal(store.receipts.size, 0);
  const again = await ask('k1', { prompt: 'hi' });
  assert.ok(again.ok && again.response === 'double: hi');
});

test('of a page that a server gives instead of a message, the beginning is told and logged, and no key', async () => {
  await startActor('one');
  double.script({
    type: 'error',
    status: 403,
    message: `${'x'.repeat(1_990)}${SECRET}${'y'.repeat(1_000_000)}`,
  });
  const answer = await ask('k1', { prompt: 'hi' });
  assert.ok(answer.ok && answer.error);
  assert.match(answer.error.message, /x\*\*\*y*…$/);
  for (const text of [answer.error.message, ...logged])
    assert.ok(text.length < 2_500 && !text.includes('sk-'));
});

test('a retryable failure is tried again, with the same idempotency key', async () => {
  await startActor('one');
  double.script(
    { type: 'error', status: 429, message: 'slow down', headers: { 'retry-after': '0.01' } },
    { type: 'reset' },
  );
  const answer = await ask('k1', { prompt: 'hi' });
  assert.ok(answer.ok && answer.response === 'double: hi');
  assert.deepEqual(
    double.requests.map((request) => request.headers['idempotency-key']),
    ['k1', 'k1', 'k1'],
  );
  assert.match(logged.join('\n'), /slow down.*trying again/);
});

test('a server that hangs, or stops in the middle of an answer, costs tries and is then reported', async () => {
  // The time of an attempt is up when the test says so: once the server has the request.
  const limits: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    setTimer(callback, delayMs) {
      if (delayMs < 60_000) return systemClock.setTimer(callback, delayMs);
      limits.push(callback);
      return { cancel: () => {} };
    },
  };
  await startActor('one', { clock });
  double.script({ type: 'hang' }, { type: 'halfBody' }, { type: 'hang' });
  const call = ask('k1', { prompt: 'hi' });
  for (let tries = 1; tries <= 3; tries++) {
    await double.received(tries);
    limits.shift()!();
  }
  const answer = await call;
  assert.ok(answer.ok);
  assert.equal(answer.error?.code, 'TIMEOUT');
  assert.match(answer.error.message, /no answer within [\d.]+ s \(3 tries\)/);
});

test('after the last try the cell is told what happened', async () => {
  await startActor('one');
  const down = { type: 'error', status: 503, message: 'overloaded' } as const;
  double.script(down, down, down);
  const answer = await ask('k1', { prompt: 'hi' });
  assert.ok(answer.ok);
  assert.deepEqual(answer.error, {
    name: 'LLMError',
    message: '503 overloaded (3 tries)',
    code: 'UNAVAILABLE',
  });
});

test('a wrong request is the error of the cell that made it', async () => {
  await startActor('one');
  const answer = await ask('k1', { prompt: 1 });
  assert.ok(answer.ok);
  assert.equal(answer.error?.code, 'BAD_REQUEST');
  assert.equal(double.requests.length, 0);
});

test('malformed bytes are refused, counted and logged, and nobody dies', async () => {
  const actor = await startActor('one');
  const malformed = [
    new Uint8Array(0),
    new Uint8Array([0xc1]),
    encode('text'),
    encode(null),
    encode({ receiptKey: 'a b', session: 's', request: {} }),
    encode({ receiptKey: 'k', session: 's', request: 'text' }),
    encode({ receiptKey: 'k', session: 5, request: {} }),
  ];
  for (const bytes of malformed) {
    const reply = await askBytes(bytes);
    assert.ok(!reply.ok, JSON.stringify(reply));
    assert.equal(reply.code, 'BAD_FORMAT');
  }
  // What says nowhere to answer to, or not an inbox, is no request.
  for (const reply of [undefined, subjects.store('list')]) {
    client.publish(subjects.llm, encode({ receiptKey: 'k0', session: 's', request: { prompt: 'hi' } }), {
      reply,
    });
  }
  assert.ok((await ask('k1', { prompt: 'hi' })).ok);
  assert.equal(actor.presence().counters?.['error.BAD_FORMAT'], malformed.length);
  assert.equal(actor.presence().counters?.requests, malformed.length + 1);
  assert.equal(logged.filter((line) => line.includes('BAD_FORMAT')).length, malformed.length);
});

test('an answer that cannot be stored is not told; once storage is back it is told without a second call', async () => {
  await startActor('one', { storagePatienceMs: 150 });
  store.refusePuts = 'STORAGE_FULL';
  const refused = await ask('k1', { prompt: 'hi' });
  assert.ok(!refused.ok && refused.code === 'UNAVAILABLE' && refused.retryable);
  store.refusePuts = undefined;
  const answer = await ask('k1', { prompt: 'hi' });
  assert.ok(answer.ok && answer.response === 'double: hi');
  assert.equal(double.requests.length, 1);
});

test('of a deleted session no answer is stored, kept or paid for', async () => {
  await startActor('one');
  store.receipts.set('gone', new Uint8Array(0));
  const refused = await ask('gone', { prompt: 'hi' });
  assert.ok(!refused.ok && refused.code === 'NOT_FOUND' && !refused.retryable);
  assert.equal(double.requests.length, 0);
  double.hold();
  const call = ask('going', { prompt: 'hi' });
  await double.received(1);
  store.receipts.set('going', new Uint8Array(0));
  double.release();
  const late = await call;
  assert.ok(!late.ok && late.code === 'NOT_FOUND');
  assert.equal(store.receipts.get('going')!.byteLength, 0);
  store.receipts.delete('going');
  assert.ok((await ask('going', { prompt: 'hi' })).ok);
  assert.equal(double.requests.length, 2, 'the late answer was not kept in memory either');
});

test('without storage no provider is asked', async () => {
  store.stop();
  await startActor('one', { storagePatienceMs: 50 });
  const reply = await ask('k1', { prompt: 'hi' });
  assert.ok(!reply.ok && reply.code === 'UNAVAILABLE' && reply.retryable);
  assert.equal(double.requests.length, 0);
});

test('a damaged receipt is reported, not paid for again', async () => {
  await startActor('one');
  store.receipts.set('k1', encode({ something: 'else' }));
  const reply = await ask('k1', { prompt: 'hi' });
  assert.ok(!reply.ok && reply.code === 'CORRUPT');
  assert.equal(double.requests.length, 0);
});

test('an answer too large for a message is stored apart and named in the receipt', async () => {
  await startActor('one');
  const answer = await ask('k1', { prompt: 'x'.repeat(1000), model: 'echo', tokens: 3000 });
  assert.ok(answer.ok && answer.large);
  assert.deepEqual([answer.error, answer.response], [undefined, '']);
  assert.ok(answer.large.bytes > 1_500_000);
  assert.deepEqual(await ask('k1', { prompt: 'ignored: there is a receipt' }), answer);
});

test('no more calls than allowed reach the provider at once', async () => {
  const actor = await startActor('one', { concurrency: 3 });
  double.hold();
  const calls = Array.from({ length: 10 }, (_, i) => ask(`k${i}`, { prompt: String(i) }));
  await double.received(3);
  await until(() => actor.presence().counters?.waiting === 7);
  assert.equal(double.requests.length, 3);
  double.release();
  const answers = await Promise.all(calls);
  assert.deepEqual(
    answers.map((answer) => answer.ok && answer.response),
    Array.from({ length: 10 }, (_, i) => `double: ${i}`),
  );
});

test('it answers pings and says who it is while calls are in flight', async () => {
  await startActor('one');
  double.hold();
  const call = ask('k1', { prompt: 'hi' });
  await double.received(1);
  for (const subject of [subjects.ping('one'), subjects.who]) {
    const reply = decode(
      await client.request(subject, new Uint8Array(0), { timeoutMs: 5000 }),
    ) as PresenceReply;
    assert.deepEqual(
      [reply.role, reply.process, reply.state, reply.counters?.inFlight],
      ['llm', 'one', 'running', 1],
    );
  }
  double.release();
  assert.ok((await call).ok);
});

test('stopping lets calls in flight end, and takes no new ones', async () => {
  const actor = await startActor('one');
  double.hold();
  const call = ask('k1', { prompt: 'hi' });
  await double.received(1);
  const stopped = actor.stop(30_000);
  await assert.rejects(ask('k2', { prompt: 'late' }), { code: 'NO_RESPONDERS' });
  assert.equal(actor.presence().state, 'draining');
  double.release();
  await stopped;
  assert.ok((await call).ok);
  assert.equal(actor.presence().state, 'stopped');
});

test('calls that outlast the grace are aborted and handed back to be asked elsewhere', async () => {
  const actor = await startActor('one');
  double.hold();
  const call = ask('k1', { prompt: 'hi' });
  await double.received(1);
  await actor.stop(0);
  const reply = await call;
  assert.ok(!reply.ok && reply.code === 'DRAINING' && reply.retryable);
  assert.equal(store.receipts.size, 0);
});

test('neither prompts nor answers nor the key are logged', async () => {
  await startActor('one');
  double.script({ type: 'error', status: 401, message: `Incorrect API key provided: ${SECRET}` });
  await ask('k1', { prompt: 'my private prompt' });
  await ask('k2', { prompt: 'my private prompt' });
  // Requests that are refused for their shape, and messages of a server that quote what it was sent.
  await ask('k3', { prompt: 'x', messages: 'my private prompt' });
  await ask('k4', { prompt: 'x', model: 'echo', fail: 'my private prompt' });
  double.script({ type: 'error', status: 400, message: 'cannot answer "my private prompt"' });
  assert.match(JSON.stringify(await ask('k5', { prompt: 'x' })), /my private prompt/);
  assert.match(logged.join('\n'), /k5","reason":"BAD_REQUEST"/);
  const text = logged.join('\n');
  assert.match(text, /Incorrect API key provided: \*\*\*/);
  assert.doesNotMatch(text, /my private prompt/);
  assert.ok(!text.includes(SECRET));
});
