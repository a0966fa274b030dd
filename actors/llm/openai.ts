/**
 * Any server that speaks OpenAI's chat completions. The `openai` library makes the request; it is loaded at
 * the first call (that takes ~100 ms), never reads the environment here, and never retries (we do).
 */
import type OpenAI from 'openai';
import { type LlmErrorCode, ProviderError } from './failure.ts';
import type { Provider, ProviderCall } from './provider.ts';
import { type ProxySettings, proxyingFetch } from './proxies.ts';
import { readAnswer } from './reading.ts';
import type { LlmRequest } from './request.ts';

export interface OpenAiSettings {
  apiKey: string | undefined;
  /** Absent: OpenAI's own. */
  baseUrl: string | undefined;
  organization?: string | undefined;
  project?: string | undefined;
  /** Absent: connections are made directly. */
  proxies?: ProxySettings | undefined;
}

const OWN_HOST = 'api.openai.com';
/** Our own clock ends an attempt (see `retry.ts`); the library's must not be earlier. */
const LIBRARY_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * A provider for one OpenAI-compatible server. `now` is the clock that reads Retry-After dates.
 * `settings.baseUrl` must be a valid URL.
 */
export function makeOpenAi(settings: OpenAiSettings, now: () => number): Provider {
  let loading: Promise<OpenAI> | undefined;
  const client = () => {
    loading ??= loadClient(settings);
    return loading;
  };
  const ownServer = settings.baseUrl === undefined || new URL(settings.baseUrl).hostname === OWN_HOST;
  return {
    name: 'openai',
    async call(request, call) {
      try {
        const response = await post(await client(), chatBody(request, ownServer), call);
        return await readAnswer(response, request.model, call.signal);
      } catch (thrown) {
        throw redacted(failureOf(thrown, now(), settings.baseUrl), settings.apiKey);
      }
    },
  };
}

/**
 * The body of a chat completion. OpenAI's newer models refuse `max_tokens`, most other servers know nothing
 * else, so the name depends on whose server it is. Pure.
 */
export function chatBody(
  request: LlmRequest & { model: string },
  ownServer: boolean,
): Record<string, unknown> {
  const { responseFormat } = request;
  const body: Record<string, unknown> = {
    model: request.model,
    messages: request.messages,
    temperature: request.temperature,
    top_p: request.topP,
    [ownServer ? 'max_completion_tokens' : 'max_tokens']: request.maxTokens,
    stop: request.stop,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    reasoning_effort: request.reasoningEffort,
    response_format:
      typeof responseFormat === 'string'
        ? { type: responseFormat === 'json' ? 'json_object' : 'text' }
        : responseFormat,
    ...request.extra,
    // Answers come whole: a stream asked for under `extra` could not be read.
    stream: undefined,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

async function loadClient(settings: OpenAiSettings): Promise<OpenAI> {
  const { default: Client } = await import('openai');
  return new Client({
    // A local server needs no key, but the library insists on one.
    apiKey: settings.apiKey ?? 'none',
    adminAPIKey: null,
    webhookSecret: null,
    organization: settings.organization ?? null,
    project: settings.project ?? null,
    baseURL: settings.baseUrl ?? null,
    maxRetries: 0,
    timeout: LIBRARY_TIMEOUT_MS,
    logLevel: 'off',
    fetch: bounded(settings.proxies === undefined ? fetch : await proxyingFetch(settings.proxies)),
  });
}

/** The library reads the body of a refusal at a stroke: as much of it as says why. */
const REFUSAL_BYTES_MAX = 8 * 1024 * 1024;

/** `fetch`, but the body of a refusal is cut where it is too long. */
function bounded(fetching: typeof fetch): typeof fetch {
  return async (...request) => {
    const response = await fetching(...request);
    if (response.ok || response.body === null) return response;
    let left = REFUSAL_BYTES_MAX;
    const cut = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(chunk.subarray(0, left));
          left -= chunk.byteLength;
          if (left <= 0) controller.terminate();
        },
      }),
    );
    const { status, statusText, headers } = response;
    return new Response(cut, { status, statusText, headers });
  };
}

/** The response whose body is still to be read. */
function post(client: OpenAI, body: Record<string, unknown>, call: ProviderCall): Promise<Response> {
  const headers = { 'Idempotency-Key': call.idempotencyKey };
  return client.post('/chat/completions', { body, signal: call.signal, headers }).asResponse();
}

/** What a failed request means: which code, and whether to try again. */
export function failureOf(thrown: unknown, nowMs: number, baseUrl?: string): ProviderError {
  if (thrown instanceof ProviderError) return thrown;
  const failure = isRecord(thrown) ? thrown : {};
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (typeof failure.status === 'number') {
    const headers = failure.headers instanceof Headers ? failure.headers : new Headers();
    const [code, retryable] = verdict(failure.status, failure.code, headers);
    // The library reads an API's errors; what it could not read comes from something else at this address.
    const advice = failure.status === 404 && failure.error === undefined ? wrongAddress(baseUrl) : '';
    return new ProviderError(code, advice === '' ? message : `404: ${advice}`, {
      retryable,
      retryAfterMs: retryable ? retryAfterMs(headers, nowMs) : undefined,
      cause: thrown,
    });
  }
  return new ProviderError('UNAVAILABLE', causes(thrown), { retryable: true, cause: thrown });
}

const wrongAddress = (baseUrl = `https://${OWN_HOST}/v1`): string =>
  `${baseUrl}/chat/completions is nothing that answers chat completions: set REPRISE_LLM_BASE_URL to the server's base URL (it usually ends in /v1) and restart the LLM actor`;

function verdict(status: number, code: unknown, headers: Headers): [LlmErrorCode, boolean] {
  // OpenAI reports an empty account as 429; waiting does not fill it.
  if (code === 'insufficient_quota' || status === 402) return ['QUOTA', false];
  const told = headers.get('x-should-retry');
  const retryable =
    told === 'true' ||
    (told !== 'false' && (status >= 500 || status === 408 || status === 409 || status === 429));
  if (status === 429) return ['RATE_LIMITED', retryable];
  if (status === 408) return ['TIMEOUT', retryable];
  if (status === 401 || status === 403) return ['DENIED', retryable];
  if (status === 413) return ['TOO_LARGE', retryable];
  if (status >= 500 || status === 409) return ['UNAVAILABLE', retryable];
  if (status >= 400) return ['BAD_REQUEST', retryable];
  return ['PROVIDER', retryable];
}

/** The wait that a Retry-After header (seconds or a date) or `retry-after-ms` asks for, ms. */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const exact = headers.get('retry-after-ms');
  const text = headers.get('retry-after');
  const asked =
    exact !== null
      ? Number(exact)
      : text === null
        ? Number.NaN
        : /^[\d.]+$/.test(text.trim())
          ? Number(text) * 1000
          : Date.parse(text) - nowMs;
  return Number.isFinite(asked) ? Math.max(0, Math.round(asked)) : undefined;
}

/** Messages of an error and of what caused it: 'Connection error: connect ECONNREFUSED …'. */
function causes(thrown: unknown): string {
  const messages: string[] = [];
  for (let error = thrown; error instanceof Error && messages.length < 4; error = error.cause) {
    const text = error.message.replace(/\.$/, '');
    if (text !== '' && !messages.includes(text)) messages.push(text);
  }
  return messages.length === 0 ? String(thrown) : messages.join(': ');
}

/** Some servers quote the key they refuse; it must reach neither a log file nor a session's log. */
function redacted(error: ProviderError, apiKey: string | undefined): ProviderError {
  if (apiKey === undefined || apiKey === '' || !error.message.includes(apiKey)) return error;
  return new ProviderError(error.reason, error.message.replaceAll(apiKey, '***'), {
    retryable: error.retryable,
    retryAfterMs: error.retryAfterMs,
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
