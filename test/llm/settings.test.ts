import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../../actors/llm/settings.ts';
import type { RepriseError } from '../../bus/errors.ts';

test('an empty environment gives echo alone, with the documented defaults', () => {
  assert.deepEqual(parseSettings({ OPENAI_API_KEY: '', REPRISE_LLM_MODEL: '' }), {
    openai: undefined,
    model: undefined,
    retry: { tries: 3, budgetMs: 120_000, attemptMs: 120_000, firstDelayMs: 500, maxDelayMs: 20_000 },
    concurrency: 64,
    graceMs: 5_000,
  });
});

test('a key or a base URL configures the OpenAI-compatible server; ours comes first', () => {
  assert.equal(parseSettings({ OPENAI_API_KEY: 'k' }).openai?.apiKey, 'k');
  const urls = { OPENAI_BASE_URL: 'https://a.example/v1', REPRISE_LLM_BASE_URL: 'http://localhost:1/v1' };
  assert.equal(parseSettings(urls).openai?.baseUrl, 'http://localhost:1/v1');
  assert.equal(
    parseSettings({ OPENAI_BASE_URL: 'https://a.example/v1' }).openai?.baseUrl,
    'https://a.example/v1',
  );
});

test('one attempt may use the whole budget unless it has a limit of its own', () => {
  assert.equal(parseSettings({ REPRISE_LLM_BUDGET_MS: '9000' }).retry.attemptMs, 9000);
  const both = { REPRISE_LLM_BUDGET_MS: '9000', REPRISE_LLM_TIMEOUT_MS: '500' };
  assert.equal(parseSettings(both).retry.attemptMs, 500);
});

test('a wrong variable is named', () => {
  const wrong = {
    REPRISE_LLM_TRIES: '0',
    REPRISE_LLM_BUDGET_MS: '2 minutes',
    REPRISE_LLM_CONCURRENCY: '-1',
    REPRISE_LLM_BASE_URL: 'ftp://somewhere',
    OPENAI_BASE_URL: 'localhost:8080',
  };
  for (const [name, value] of Object.entries(wrong)) {
    assert.throws(() => parseSettings({ [name]: value }), { code: 'BAD_REQUEST', message: new RegExp(name) });
  }
});

test('a key is freed of the space around it; one that no header can carry is refused without quoting it', () => {
  assert.equal(parseSettings({ OPENAI_API_KEY: ' sk-1\n' }).openai?.apiKey, 'sk-1');
  assert.equal(parseSettings({ OPENAI_API_KEY: ' \n' }).openai, undefined);
  for (const key of ['sk-secret 2', 'sk-secret\n2', '\u201csk-secret\u201d']) {
    assert.throws(
      () => parseSettings({ OPENAI_API_KEY: key }),
      (error: RepriseError) => {
        assert.match(error.message, /OPENAI_API_KEY/);
        assert.doesNotMatch(`${error.message} ${error.hint}`, /secret/);
        return error.code === 'BAD_REQUEST';
      },
    );
  }
});

test('a URL with credentials is refused without quoting them', () => {
  for (const url of ['http://user:secret@host/v1', 'https://secret@host/v1', 'ftp://user:secret@host']) {
    assert.throws(
      () => parseSettings({ REPRISE_LLM_BASE_URL: url }),
      (error: RepriseError) => {
        assert.match(error.message, /REPRISE_LLM_BASE_URL/);
        assert.doesNotMatch(`${error.message} ${error.hint}`, /secret/);
        return error.code === 'BAD_REQUEST';
      },
    );
  }
});
