import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decode, encode } from '../../bus/codec.ts';
import { LARGE_BYTES_MAX } from '../../bus/limits.ts';
import { longCall } from '../../bus/long-call.ts';
import { connectBus, type NatsBus } from '../../bus/nats.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { Reply } from '../../bus/wire.ts';
import { type NatsServer, startNats } from '../kit/nats-server.ts';
import { type OpenAiDouble, startOpenAiDouble } from '../kit/openai-double.ts';
import { type ReceiptStore, startReceiptStore } from './receipt-store.ts';

const MAIN = fileURLToPath(new URL('../../actors/llm/main.ts', import.meta.url));
const SECRET = 'sk-test-never-logged';
const subjects = makeSubjects('test');
let nats: NatsServer;
let double: OpenAiDouble;
let client: NatsBus;
let store: ReceiptStore;

before(async () => {
  nats = await startNats({ jetstream: false });
  double = await startOpenAiDouble();
  client = await connectBus({ url: nats.url, name: 'client' });
});
after(async () => {
  await client.close();
  await Promise.all([nats.stop(), double.stop()]);
});
const running: ChildProcess[] = [];
beforeEach(async () => {
  store = startReceiptStore(client, subjects);
  await client.flush();
  double.requests.length = 0;
});
afterEach(async () => {
  double.release();
  store.stop();
  await Promise.all(running.splice(0).map((child) => end(child, 'SIGKILL')));
});

interface LlmProcess {
  child: ChildProcess;
  process: string;
  stderr(): string;
}

async function startLlm(env: Record<string, string> = {}): Promise<LlmProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    env: {
      PATH: process.env.PATH,
      REPRISE_NATS_URL: nats.url,
      REPRISE_PREFIX: 'test',
      REPRISE_LLM_BASE_URL: double.baseUrl,
      REPRISE_LOG_LEVEL: 'debug',
      OPENAI_API_KEY: SECRET,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ready = await firstLine(child, () => stderr);
  return { child, process: ready.process, stderr: () => stderr };
}

function firstLine(child: ChildProcess, stderr: () => string): Promise<{ pid: number; process: string }> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.includes('\n')) resolve(JSON.parse(text.split('\n')[0]!));
    });
    child.once('exit', () => reject(new Error(stderr())));
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
  return child.exitCode;
}

async function ask(receiptKey: string, prompt: string): Promise<LlmAnswer> {
  const bytes = await longCall(client, {
    subject: subjects.llm,
    data: encode({ receiptKey, session: 's', request: { prompt } }),
    timeoutMs: 30_000,
    pingSubject: subjects.ping,
    hungMs: 10_000,
  });
  const reply = decode(bytes) as Reply<LlmAnswer>;
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply;
}

test('a process killed in the middle of a call is noticed, and another one answers the retry', async () => {
  const first = await startLlm();
  double.hold();
  const call = ask('killed', 'hi');
  await double.received(1);
  const noticed = assert.rejects(call, { code: 'NO_RESPONDERS' });
  await end(first.child, 'SIGKILL');
  await noticed;
  assert.equal(store.receipts.size, 0);
  double.release();
  await startLlm();
  assert.equal((await ask('killed', 'hi')).response, 'double: hi');
  assert.equal(double.requests[1]?.headers['idempotency-key'], 'killed');
  assert.ok(store.receipts.has('killed'));
});

test('a receipt outlives the process that paid for it', async () => {
  const first = await startLlm();
  const answer = await ask('paid', 'hi');
  await end(first.child, 'SIGKILL');
  await startLlm();
  assert.deepEqual(await ask('paid', 'hi'), answer);
  assert.equal(double.requests.length, 1);
});

test('SIGTERM lets a call in flight end, then the process goes with 0', async () => {
  const { child, process: name } = await startLlm({ REPRISE_LLM_GRACE_MS: '30000' });
  double.hold();
  const call = ask('draining', 'hi');
  await double.received(1);
  const exited = end(child, 'SIGTERM');
  for (let state = ''; state !== 'draining'; ) {
    const reply = await client.request(subjects.ping(name), new Uint8Array(0), { timeoutMs: 5000 });
    ({ state } = decode(reply) as PresenceReply);
  }
  double.release();
  assert.equal((await call).response, 'double: hi');
  assert.equal(await exited, 0);
});

test('the key reaches the provider and no log', async () => {
  const { child, stderr } = await startLlm();
  double.script({ type: 'error', status: 401, message: `Incorrect API key provided: ${SECRET}` });
  assert.equal((await ask('refused', 'hi')).error?.message, '401 Incorrect API key provided: ***');
  await ask('accepted', 'hi');
  await end(child, 'SIGTERM');
  assert.equal(double.requests[1]?.headers.authorization, `Bearer ${SECRET}`);
  assert.match(stderr(), /model call failed/);
  assert.ok(!stderr().includes(SECRET));
});

test('what is wrong with the environment is said, with the exit code of a usage error', async () => {
  await assert.rejects(
    startLlm({ REPRISE_LLM_TRIES: 'many' }),
    /REPRISE_LLM_TRIES is "many" \(expected a whole/,
  );
  await assert.rejects(startLlm({ REPRISE_LLM_BASE_URL: 'localhost' }), /REPRISE_LLM_BASE_URL/);
  assert.deepEqual(
    running.map((child) => child.exitCode),
    [2, 2],
  );
});

test('an answer above the limit is asked for once, and the process goes on', async () => {
  await startLlm();
  double.script({ type: 'answer', text: 'x'.repeat(LARGE_BYTES_MAX + 1) });
  assert.equal((await ask('too-large', 'hi')).error?.code, 'TOO_LARGE');
  assert.equal(double.requests.length, 1);
  assert.equal((await ask('after', 'still here?')).response, 'double: still here?');
});
