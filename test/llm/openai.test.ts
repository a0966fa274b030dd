import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { after, before, beforeEach, test } from 'node:test';
import { ProviderError } from '../../actors/llm/failure.ts';
import { chatBody, makeOpenAi, retryAfterMs } from '../../actors/llm/openai.ts';
import { parseRequest } from '../../actors/llm/request.ts';
import { largeContent } from '../../bus/large.ts';
import { LARGE_BYTES_MAX } from '../../bus/limits.ts';
import { type Behaviour, type OpenAiDouble, startOpenAiDouble } from '../kit/openai-double.ts';

const KEY = 'sk-test-0123456789';
let double: OpenAiDouble;
before(async () => {
  double = await startOpenAiDouble();
});
beforeEach(() => {
  double.requests.length = 0;
});
after(() => double.stop());

function ask(raw: object, options: { signal?: AbortSignal; apiKey?: string } = {}) {
  const provider = makeOpenAi({ apiKey: options.apiKey ?? KEY, baseUrl: double.baseUrl }, () => 0);
  return provider.call(
    { ...parseRequest(raw), model: 'm1' },
    { signal: options.signal ?? new AbortController().signal, idempotencyKey: 'receipt-1' },
  );
}

async function failure(behaviour: Behaviour): Promise<ProviderError> {
  double.script(behaviour);
  const thrown = await ask({ prompt: 'x' }).then(
    () => assert.fail('it answered'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof ProviderError, String(thrown));
  return thrown;
}

test('a prompt goes out as a chat completion with key and idempotency key, and its answer comes back', async () => {
  const answer = await ask({ prompt: 'say hi', system: 'be brief', temperature: 0.5, stop: ['.'], seed: 7 });
  assert.deepEqual(answer, {
    response: 'double: say hi',
    model: 'm1-2026',
    usage: { inputTokens: 2, outputTokens: 3 },
  });
  const [request] = double.requests;
  assert.equal(request?.path, '/v1/chat/completions');
  assert.equal(request?.headers.authorization, `Bearer ${KEY}`);
  assert.equal(request?.headers['idempotency-key'], 'receipt-1');
  assert.deepEqual(request?.body, {
    model: 'm1',
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'say hi' },
    ],
    temperature: 0.5,
    stop: ['.'],
    seed: 7,
  });
});

test('options have the names of the API, and extra fields pass', () => {
  const request = {
    ...parseRequest({
      prompt: 'x',
      maxTokens: 9,
      topP: 0.1,
      responseFormat: 'json',
      reasoningEffort: 'low',
      extra: { user: 'u', stream: true },
      delayMs: 5,
    }),
    model: 'm',
  };
  const expected = {
    model: 'm',
    messages: [{ role: 'user', content: 'x' }],
    top_p: 0.1,
    response_format: { type: 'json_object' },
    reasoning_effort: 'low',
    user: 'u',
  };
  assert.deepEqual(chatBody(request, false), { ...expected, max_tokens: 9 });
  assert.deepEqual(chatBody(request, true), { ...expected, max_completion_tokens: 9 });
});

test('a refusal is an answer, and so is an empty one', async () => {
  const body = (message: object) => ({ model: 'm', choices: [{ message }] });
  double.script({ type: 'body', body: body({ content: null, refusal: 'I would rather not' }) });
  assert.deepEqual(await ask({ prompt: 'x' }), { response: 'I would rather not', model: 'm' });
  double.script({ type: 'body', body: body({ content: null }) });
  assert.equal((await ask({ prompt: 'x' })).response, '');
});

test('content in parts is joined, and an answer that only asks for a tool is an error', async () => {
  const body = (message: object) => ({ model: 'm'.repeat(1_000), choices: [{ message }], usage: null });
  const parts = [{ type: 'text', text: 'one ' }, { type: 'image_url' }, null, { type: 'text', text: 'two' }];
  double.script({ type: 'body', body: body({ content: parts }) });
  const answer = await ask({ prompt: 'x' });
  assert.deepEqual([answer.response, answer.model.length, answer.usage], ['one two', 256, undefined]);
  const tools = [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }];
  const asked = await failure({ type: 'body', body: body({ content: null, tool_calls: tools }) });
  assert.deepEqual([asked.reason, asked.retryable], ['PROVIDER', false]);
  assert.match(asked.message, /tool/);
  double.script({ type: 'body', body: body({ content: 'text, too', tool_calls: tools }) });
  assert.equal((await ask({ prompt: 'x' })).response, 'text, too');
});

test('content that is no text is an error that names what came', async () => {
  const body = (message: object) => ({ type: 'body', body: { model: 'm', choices: [{ message }] } }) as const;
  const none: [unknown, RegExp][] = [
    [42, /content has no text, it is 42$/],
    [0, /it is 0$/],
    [false, /it is false$/],
    [{ a: 1 }, /it is \{"a":1\}$/],
    [{ a: 'x'.repeat(1_000) }, /it is \{"a":"x{50,80}…$/],
    [[{ type: 'text', text: 42 }], /it is 42$/],
    [['one', 2], /it is 2$/],
    [[{ type: 'image_url', image_url: { url: 'u' } }], /it is \[\{"type":"image_url"/],
  ];
  for (const [content, message] of none) {
    const { reason, retryable, message: told } = await failure(body({ content }));
    assert.deepEqual([reason, retryable], ['PROVIDER', false], JSON.stringify(content));
    assert.match(told, message);
  }
  assert.match((await failure(body({ content: null, refusal: 7 }))).message, /refusal has no text, it is 7$/);
  assert.match((await failure(body({ function_call: { name: 'f' } }))).message, /tool/);
  for (const content of [[], [{ type: 'text', text: '' }], [null], undefined]) {
    double.script(body({ content }));
    assert.equal((await ask({ prompt: 'x' })).response, '', JSON.stringify(content));
  }
  double.script(body({ content: ['one ', { type: 'text', text: 'two' }] }));
  assert.equal((await ask({ prompt: 'x' })).response, 'one two');
  double.script(body({ content: [{ type: 'refusal', refusal: 'I would rather not' }] }));
  assert.equal((await ask({ prompt: 'x' })).response, 'I would rather not');
});

test('usage is what the server counted, or none', async () => {
  const usageFor = async (usage: unknown) => {
    double.script({ type: 'body', body: { choices: [{ message: { content: 'a' } }], usage } });
    return (await ask({ prompt: 'x' })).usage;
  };
  assert.deepEqual(await usageFor({ prompt_tokens: 0, completion_tokens: 3 }), {
    inputTokens: 0,
    outputTokens: 3,
  });
  const counts = { prompt_tokens: 1, completion_tokens: 1 };
  const wrong = [null, 7, 'x', [], {}, { prompt_tokens: 1 }, { ...counts, prompt_tokens: '1' }];
  for (const usage of [...wrong, { ...counts, completion_tokens: -1 }, { ...counts, prompt_tokens: 0.5 }])
    assert.equal(await usageFor(usage), undefined, JSON.stringify(usage));
});

test('what is no completion at all is said to be none', async () => {
  const bodies = [
    null,
    [],
    'text',
    7,
    {},
    { choices: [] },
    { choices: [null] },
    { choices: [{}] },
    { choices: 'x' },
  ];
  for (const body of bodies) {
    const { reason, retryable } = await failure({ type: 'body', body });
    assert.deepEqual([reason, retryable], ['PROVIDER', false], JSON.stringify(body));
  }
});

test('a body without an end is given up before it fills the memory', async () => {
  const abandonedBefore = double.aborted;
  const { reason, retryable } = await failure({ type: 'endless' });
  assert.deepEqual([reason, retryable], ['TOO_LARGE', false]);
  await double.abandoned(abandonedBefore + 1);
});

test('a refusal without an end is read as far as it says why', async () => {
  const abandonedBefore = double.aborted;
  const { reason, retryable } = await failure({ type: 'endless', status: 503 });
  assert.deepEqual([reason, retryable], ['UNAVAILABLE', true]);
  await double.abandoned(abandonedBefore + 1);
});

test('what takes long to parse and encode is read apart, so that the actor goes on answering', async (t) => {
  const parse = t.mock.method(JSON, 'parse');
  const large = 'ä"'.repeat(1024 * 1024);
  double.script({ type: 'answer', text: large });
  const answer = await ask({ prompt: 'x' });
  const { value, bytes } = largeContent(large);
  assert.deepEqual([answer.response, answer.content?.value], ['', value]);
  assert.ok(Buffer.from(bytes).equals(answer.content!.bytes));
  double.script({ type: 'answer', text: 'x'.repeat(LARGE_BYTES_MAX - 100) });
  assert.equal((await ask({ prompt: 'x' })).content?.value.bytes, LARGE_BYTES_MAX - 95);
  const over = await failure({ type: 'answer', text: 'x'.repeat(LARGE_BYTES_MAX) });
  assert.deepEqual([over.reason, over.retryable], ['TOO_LARGE', false]);
  assert.match(over.message, /more than 64 MiB: ask for less \(maxTokens\)/);
  const broken = await failure({ type: 'text', text: `{"choices": "${large}` });
  assert.deepEqual([broken.reason, broken.retryable], ['UNAVAILABLE', true]);
  const other = await failure({ type: 'body', body: { error: large } });
  assert.equal(other.reason, 'PROVIDER');
  for (const { arguments: given } of parse.mock.calls) assert.ok(String(given[0]).length < 1024 * 1024);
});

test('aborting ends calls whose answers are large', async () => {
  const abort = new AbortController();
  const large = 'x'.repeat(LARGE_BYTES_MAX);
  double.script({ type: 'answer', text: large }, { type: 'answer', text: large });
  const calls = [1, 2].map(() => ask({ prompt: 'x' }, { signal: abort.signal }));
  const settled = Promise.allSettled(calls);
  await double.received(2);
  abort.abort();
  for (const { status } of await settled) assert.equal(status, 'rejected');
  assert.equal((await ask({ prompt: 'small' })).response, 'double: small');
});

test('failures say what they are and whether another try may help', async () => {
  const of = async (status: number, more: { code?: string; headers?: Record<string, string> } = {}) => {
    const { reason, retryable } = await failure({ type: 'error', status, message: 'no', ...more });
    return `${reason} ${retryable}`;
  };
  assert.equal(await of(400), 'BAD_REQUEST false');
  assert.equal(await of(401), 'DENIED false');
  assert.equal(await of(402), 'QUOTA false');
  assert.equal(await of(403), 'DENIED false');
  assert.equal(await of(404), 'BAD_REQUEST false');
  assert.equal(await of(408), 'TIMEOUT true');
  assert.equal(await of(409), 'UNAVAILABLE true');
  assert.equal(await of(413), 'TOO_LARGE false');
  assert.equal(await of(422), 'BAD_REQUEST false');
  assert.equal(await of(429), 'RATE_LIMITED true');
  assert.equal(await of(429, { code: 'insufficient_quota' }), 'QUOTA false');
  assert.equal(await of(500), 'UNAVAILABLE true');
  assert.equal(await of(503, { headers: { 'x-should-retry': 'false' } }), 'UNAVAILABLE false');
});

test('Retry-After is read as seconds, as a date and in milliseconds', async () => {
  const limited = await failure({
    type: 'error',
    status: 429,
    message: 'no',
    headers: { 'retry-after': '7' },
  });
  assert.equal(limited.retryAfterMs, 7000);
  assert.equal(limited.message, '429 no');
  const read = (headers: Record<string, string>) => retryAfterMs(new Headers(headers), 1_000_000);
  assert.equal(read({ 'retry-after': '0.5' }), 500);
  assert.equal(read({ 'retry-after': new Date(1_003_000).toUTCString() }), 3000);
  assert.equal(read({ 'retry-after': new Date(0).toUTCString() }), 0);
  assert.equal(read({ 'retry-after-ms': '120', 'retry-after': '9' }), 120);
  assert.equal(read({ 'retry-after': 'soon' }), undefined);
  assert.equal(read({}), undefined);
});

test('a broken answer may be tried again; one that is no completion may not', async () => {
  const broken = await failure({ type: 'text', text: '{"choices": [' });
  assert.deepEqual([broken.reason, broken.retryable], ['UNAVAILABLE', true]);
  assert.match(broken.message, /malformed answer/);
  const page = await failure({ type: 'text', text: '<html>', contentType: 'text/html' });
  assert.deepEqual([page.reason, page.retryable], ['PROVIDER', false]);
  assert.match(page.message, /check the base URL/);
  const other = await failure({ type: 'body', body: { error: { message: 'model is loading' } } });
  assert.deepEqual(
    [other.reason, other.message],
    ['PROVIDER', 'the answer has no choices: model is loading'],
  );
  const brief = await failure({ type: 'body', body: { error: 'no such model' } });
  assert.equal(brief.message, 'the answer has no choices: no such model');
});

test('a reset connection and an absent server may be tried again', async () => {
  const reset = await failure({ type: 'reset' });
  assert.deepEqual([reset.reason, reset.retryable], ['UNAVAILABLE', true]);
  const gone = await startOpenAiDouble();
  await gone.stop();
  const provider = makeOpenAi({ apiKey: undefined, baseUrl: gone.baseUrl }, () => 0);
  await assert.rejects(
    provider.call(
      { ...parseRequest({ prompt: 'x' }), model: 'm' },
      { signal: new AbortController().signal, idempotencyKey: 'k' },
    ),
    { reason: 'UNAVAILABLE', retryable: true, message: /ECONNREFUSED/ },
  );
});

test('aborting ends a call that hangs before the headers', async () => {
  const abort = new AbortController();
  const abandonedBefore = double.aborted;
  double.script({ type: 'hang' });
  const call = ask({ prompt: 'x' }, { signal: abort.signal });
  await double.received(1);
  abort.abort();
  await assert.rejects(call, { reason: 'UNAVAILABLE' });
  await double.abandoned(abandonedBefore + 1);
});

test('aborting ends a call that hangs in the middle of the body', async () => {
  const abort = new AbortController();
  const abandonedBefore = double.aborted;
  double.script({ type: 'halfBody' });
  const headersSeen = new Promise<void>((resolve) => {
    const seen = () => {
      unsubscribe('undici:request:headers', seen);
      resolve();
    };
    subscribe('undici:request:headers', seen);
  });
  const call = ask({ prompt: 'x' }, { signal: abort.signal });
  await headersSeen;
  abort.abort();
  await assert.rejects(call, { reason: 'UNAVAILABLE' });
  await double.abandoned(abandonedBefore + 1);
});

test('a key that the server quotes back is blotted out', async () => {
  const { message } = await failure({ type: 'error', status: 401, message: `Incorrect API key: ${KEY}` });
  assert.equal(message, '401 Incorrect API key: ***');
});

test('an answer that was cut before it began is an error that names the limit', async () => {
  const body = (content: unknown, finish_reason: string) => ({
    model: 'm',
    choices: [{ message: { content }, finish_reason }],
  });
  for (const content of ['', null, []]) {
    const cut = await failure({ type: 'body', body: body(content, 'length') });
    assert.deepEqual([cut.reason, cut.retryable], ['PROVIDER', false]);
    assert.match(cut.message, /limit of tokens.*maxTokens/);
  }
  assert.match((await failure({ type: 'body', body: body('', 'content_filter') })).message, /withheld/);
  double.script({ type: 'body', body: body('half an ans', 'length') });
  assert.equal((await ask({ prompt: 'x' })).response, 'half an ans');
});

test('a page where the API should be says what to set; an API that knows no such model speaks for itself', async () => {
  const page = await failure({ type: 'page', status: 404, text: '<!doctype html><h1>Not Found</h1>' });
  assert.deepEqual([page.reason, page.retryable], ['BAD_REQUEST', false]);
  assert.match(page.message, /set REPRISE_LLM_BASE_URL/);
  assert.ok(page.message.includes(double.baseUrl) && !page.message.includes('<'), page.message);
  const unknown = await failure({ type: 'error', status: 404, message: 'no model m1' });
  assert.match(unknown.message, /no model m1/);
});
