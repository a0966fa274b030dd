/**
 * The offline provider: its answer is a pure function of the request, so demos, tests and replays need no
 * network and no key.
 */

import type { LlmAnswer } from '../../bus/operations/models.ts';
import type { Clock } from '../../bus/port.ts';
import { ProviderError } from './failure.ts';
import type { Provider } from './provider.ts';
import { type LlmRequest, lastText, textOf } from './request.ts';

const RESPONSE_LENGTH_MAX = 4_000_000;

/**
 * Answers `echo: <prompt>`, or `reply`, or exactly `tokens` words of that; after `delayMs`; `fail` makes the
 * call fail with that message. A token is a word.
 */
export function makeEcho(clock: Clock): Provider {
  return {
    name: 'echo',
    async call(request, { signal }) {
      if (request.delayMs !== undefined) await delay(clock, request.delayMs, signal);
      return echoAnswer(request);
    },
  };
}

/**
 * The echo provider's answer. Pure.
 * @throws ProviderError PROVIDER when the request asks to fail.
 */
export function echoAnswer(request: LlmRequest & { model: string }): LlmAnswer {
  if (request.fail !== undefined) throw new ProviderError('PROVIDER', request.fail);
  const text = request.reply ?? `echo: ${lastText(request.messages)}`;
  const words = wordsOf(text);
  let response = text;
  if (request.tokens !== undefined) response = repeated(words, request.tokens);
  else if (request.maxTokens !== undefined && words.length > request.maxTokens) {
    response = words.slice(0, request.maxTokens).join(' ');
  }
  const inputTokens = request.messages.reduce((sum, message) => sum + wordsOf(textOf(message)).length, 0);
  return { response, model: request.model, usage: { inputTokens, outputTokens: wordsOf(response).length } };
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/** Exactly `count` words, over and over the same ones. */
function repeated(words: string[], count: number): string {
  const out: string[] = [];
  let length = 0;
  for (let i = 0; words.length > 0 && i < count; i++) {
    const word = words[i % words.length]!;
    out.push(word);
    length += word.length + 1;
    if (length > RESPONSE_LENGTH_MAX) {
      throw new ProviderError('TOO_LARGE', `${count} tokens are more than ${RESPONSE_LENGTH_MAX} characters`);
    }
  }
  return out.join(' ');
}

function delay(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      timer.cancel();
      reject(new ProviderError('UNAVAILABLE', 'the call was aborted', { retryable: true }));
    };
    const timer = clock.setTimer(() => {
      signal.removeEventListener('abort', aborted);
      resolve();
    }, delayMs);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
  });
}
