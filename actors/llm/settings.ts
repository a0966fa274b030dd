/** What the environment says about the LLM actor. Pure: the environment is passed in. */
import { RepriseError } from '../../bus/errors.ts';
import type { OpenAiSettings } from './openai.ts';
import type { ProxySettings } from './proxies.ts';
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

/** @throws RepriseError BAD_REQUEST naming the variable that is wrong; it never quotes a secret. */
export function parseSettings(env: Env): LlmSettings {
  // An empty variable counts as none, as in `REPRISE_LLM_MODEL= reprise up`.
  const text = (name: string) => env[name] || undefined;
  const apiKey = parseKey(env);
  const baseUrl = parseUrl(env, text('REPRISE_LLM_BASE_URL') ? 'REPRISE_LLM_BASE_URL' : 'OPENAI_BASE_URL');
  const budgetMs = integer(env, 'REPRISE_LLM_BUDGET_MS', RETRY_DEFAULT.budgetMs);
  return {
    openai:
      apiKey === undefined && baseUrl === undefined
        ? undefined
        : {
            apiKey,
            baseUrl,
            proxies: parseProxies(env),
            organization: text('OPENAI_ORG_ID'),
            project: text('OPENAI_PROJECT_ID'),
          },
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

/** The key without the space around it that files and copies leave. */
function parseKey(env: Env): string | undefined {
  const key = env.OPENAI_API_KEY?.trim();
  if (!key) return undefined;
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new RepriseError('BAD_REQUEST', 'OPENAI_API_KEY has characters that no HTTP header can carry', {
    hint: 'expected printable ASCII without spaces: was it cut or pasted wrongly?',
  });
}

function parseUrl(env: Env, name: string): string | undefined {
  const value = env[name];
  if (!value) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.username || url?.password) {
    throw new RepriseError('BAD_REQUEST', `${name} contains a user or a password`, {
      hint: 'set OPENAI_API_KEY to what the server wants as a bearer token, and leave it out of the URL',
    });
  }
  if (url && /^https?:$/.test(url.protocol)) return value;
  const shown = value.replace(/\/\/[^/]*@/, '//***@');
  throw wrong(name, shown, 'an http or https URL such as http://localhost:11434/v1');
}

/** Small letters win, as in curl. A proxy's user and password may stand in its URL. */
function parseProxies(env: Env): ProxySettings | undefined {
  const proxy = (name: string): string | undefined => {
    const set = env[name.toLowerCase()] ? name.toLowerCase() : name;
    const value = env[set];
    if (!value) return undefined;
    const full = value.includes('://') ? value : `http://${value}`;
    if (URL.canParse(full) && /^https?:$/.test(new URL(full).protocol)) return full;
    throw wrong(set, value.replace(/^(.*?\/\/)?[^/]*@/, '$1***@'), 'a URL such as http://proxy.example:3128');
  };
  const https = proxy('HTTPS_PROXY');
  const http = proxy('HTTP_PROXY');
  if (https === undefined && http === undefined) return undefined;
  return { https, http, except: env.no_proxy || env.NO_PROXY || undefined };
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
