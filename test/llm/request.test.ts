import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProviderError } from '../../actors/llm/failure.ts';
import { lastText, parseRequest } from '../../actors/llm/request.ts';

const refusal = (raw: unknown): string => {
  try {
    parseRequest(raw);
  } catch (thrown) {
    assert.ok(thrown instanceof ProviderError, String(thrown));
    assert.equal(thrown.reason, 'BAD_REQUEST');
    assert.equal(thrown.retryable, false);
    return thrown.message;
  }
  return assert.fail('it was accepted');
};

test('a prompt becomes one user message, after the system message', () => {
  assert.deepEqual(parseRequest({ prompt: 'hi' }), { messages: [{ role: 'user', content: 'hi' }] });
  assert.deepEqual(parseRequest({ prompt: 'hi', system: 'be brief', temperature: 0 }), {
    temperature: 0,
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hi' },
    ],
  });
});

test('messages pass unchanged, with fields of their own and parts', () => {
  const messages = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is ' },
        { type: 'image_url', image_url: { url: 'x' } },
      ],
    },
    { role: 'assistant', content: null, name: 'a' },
  ];
  assert.deepEqual(parseRequest({ messages }).messages, messages);
  assert.equal(lastText(parseRequest({ messages }).messages), 'what is ');
});

test('what is wrong with a request is said by name', () => {
  assert.match(refusal({}), /needs a prompt or messages/);
  assert.match(refusal('text'), /must be a string or an object/);
  assert.match(
    refusal({ prompt: 'a', messages: [{ role: 'user', content: 'b' }] }),
    /both prompt and messages/,
  );
  assert.match(refusal({ prompt: 5 }), /'prompt': Expected string but received 5/);
  assert.match(refusal({ prompt: 'a', temperature: 3 }), /'temperature'/);
  assert.match(refusal({ prompt: 'a', maxTokens: 0.5 }), /'maxTokens'/);
  assert.match(
    refusal({ prompt: 'a', tempature: 1 }),
    /unknown option 'tempature' \(known: prompt, messages/,
  );
  assert.match(refusal({ messages: [] }), /'messages'/);
  assert.match(refusal({ messages: [{ role: 'nobody', content: 'x' }] }), /'messages\.0\.role'/);
});

test('any JSON value is either accepted or refused with BAD_REQUEST', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fc.dictionary(fc.constantFrom('prompt', 'messages', 'model', 'x'), fc.jsonValue()),
      ),
      (raw) => {
        try {
          assert.ok(parseRequest(raw).messages.length > 0);
        } catch (thrown) {
          assert.ok(thrown instanceof ProviderError && thrown.reason === 'BAD_REQUEST', String(thrown));
        }
      },
    ),
  );
});
