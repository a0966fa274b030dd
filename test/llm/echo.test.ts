import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { echoAnswer, makeEcho } from '../../actors/llm/echo.ts';
import { parseRequest } from '../../actors/llm/request.ts';
import { systemClock } from '../../bus/port.ts';

const asked = (raw: object) => ({ ...parseRequest(raw), model: 'echo' });

test('it answers with the prompt and counts words', () => {
  assert.deepEqual(echoAnswer(asked({ prompt: 'hello  there', system: 'be brief' })), {
    response: 'echo: hello  there',
    model: 'echo',
    usage: { inputTokens: 4, outputTokens: 3 },
  });
});

test('reply, tokens and maxTokens shape the answer', () => {
  assert.equal(echoAnswer(asked({ prompt: 'x', reply: '42' })).response, '42');
  assert.equal(echoAnswer(asked({ prompt: 'a b', tokens: 5 })).response, 'echo: a b echo: a');
  assert.equal(echoAnswer(asked({ prompt: 'a b', tokens: 0 })).response, '');
  assert.equal(echoAnswer(asked({ prompt: 'a b', maxTokens: 2 })).response, 'echo: a');
  assert.equal(echoAnswer(asked({ prompt: 'a  b', maxTokens: 3 })).response, 'echo: a  b');
});

test('fail makes it fail, and an answer without end is refused', () => {
  assert.throws(() => echoAnswer(asked({ prompt: 'x', fail: 'out of order' })), {
    message: 'out of order',
    reason: 'PROVIDER',
    retryable: false,
  });
  assert.throws(() => echoAnswer(asked({ prompt: 'long'.repeat(1000), tokens: 1_000_000 })), {
    reason: 'TOO_LARGE',
  });
});

test('equal requests give equal answers, with as many tokens as asked for', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(50), (prompt, tokens) => {
      const answer = echoAnswer(asked({ prompt, tokens }));
      assert.deepEqual(answer, echoAnswer(asked({ prompt, tokens })));
      assert.equal(answer.usage?.outputTokens, tokens);
    }),
  );
});

test('a delay ends at once when the call is aborted', async () => {
  const abort = new AbortController();
  const call = makeEcho(systemClock).call(asked({ prompt: 'x', delayMs: 600_000 }), {
    signal: abort.signal,
    idempotencyKey: 'k',
  });
  abort.abort();
  await assert.rejects(call, { reason: 'UNAVAILABLE', retryable: true });
});
