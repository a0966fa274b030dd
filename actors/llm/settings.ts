/** What the environment says about the LLM actor. Pure: the environment is passed in. */
import { RepriseError } from '../../bus/errors.ts';
import type { OpenAiSettings } from './openai.ts';
import { RETRY_DEFAULT, type RetryPolicy } from './retry.ts';

export interface LlmSettings {
  /** Absent: nothing but echo. */
  openai: OpenAiSettings | undefined;
  /** Model of requests that name none. */
  model: string | undefined;
  retry: RetryPolicy;
  concurrency: number;
  /** How long calls in flight may take to end after SIGTERM, ms. */
  graceMs: number;
}

type Env = Record<string, string | undefined>;

/** @throws RepriseError BAD_REQUEST naming the variable that is wrong. */
export function parseSettings(env: Env): LlmSettings {
  // An empty variable counts as none, as in `REPRISE_LLM_MODEL= reprise up`.
  const text = (name: string) => env[name] || undefined;
  const apiKey = text('OPENAI_API_KEY');
  const baseUrl = parseUrl(env, text('REPRISE_LLM_BASE_URL') ? 'REPRISE_LLM_BASE_URL' : 'OPENAI_BASE_URL');
  const budgetMs = integer(env, 'REPRISE_LLM_BUDGET_MS', RETRY_DEFAULT.budgetMs);
  return {
    openai:
      apiKey === undefined && baseUrl === undefined
        ? undefined
        : { apiKey, baseUrl, organization: text('OPENAI_ORG_ID'), project: text('OPENAI_PROJECT_ID') },
    model: text('REPRISE_LLM_MODEL'),
    retry: {
      ...RETRY_DEFAULT,
      tries: integer(env, 'REPRISE_LLM_TRIES', RETRY_DEFAULT.tries),
      budgetMs,
      attemptMs: integer(env, 'REPRISE_LLM_TIMEOUT_MS', budgetMs),
    },
    concurrency: integer(env, 'REPRISE_LLM_CONCURRENCY', 64),
    graceMs: integer(env, 'REPRISE_LLM_GRACE_MS', 5_000),
  };
}

function parseUrl(env: Env, name: string): string | undefined {
  const value = env[name];
  if (!value) return undefined;
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value;
  throw wrong(name, value, 'an http or https URL such as http://localhost:11434/v1');
}

function integer(env: Env, name: string, otherwise: number): number {
  const value = env[name];
  if (!value) return otherwise;
  if (/^\d{1,9}$/.test(value) && Number(value) > 0) return Number(value);
  throw wrong(name, value, 'a whole number from 1 to 999999999');
}

function wrong(name: string, value: string, expected: string): RepriseError {
  return new RepriseError('BAD_REQUEST', `${name} is ${JSON.stringify(value)}`, {
    hint: `expected ${expected}`,
  });
}
