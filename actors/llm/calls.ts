/**
 * One model call from request to durable answer:
 *
 * 1. A stored receipt is the answer; nobody is asked.
 * 2. Calls with the same key that are in flight here share one provider call.
 * 3. An answer is stored before it is told. If another actor stored one first, that one is the answer.
 * 4. A failure is told but not stored: the session's log remembers what the session saw, and a later effect
 *    with the same key may ask again.
 */

import { decode } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { largeContent, scopeOf } from '../../bus/large.ts';
import { weightOf } from '../../bus/limits.ts';
import type { LlmAnswer, LlmCall } from '../../bus/operations/models.ts';
import type { Clock } from '../../bus/port.ts';
import { failedAnswer, ProviderError } from './failure.ts';
import type { ProvidedAnswer } from './provider.ts';
import type { Receipts } from './receipts.ts';
import { parseRequest } from './request.ts';
import { callWithRetries, type RetryPolicy } from './retry.ts';
import type { Route } from './routing.ts';
import { makeSlots } from './slots.ts';

/** Paid answers kept in memory while storage cannot take them. */
const UNSTORED_MAX = 1000;

export interface CallsOptions {
  receipts: Receipts;
  route: (model?: string) => Route;
  retry: RetryPolicy;
  /** Provider attempts at once; further ones wait. */
  concurrency: number;
  clock: Clock;
  /** Random number in [0, 1), for jitter. */
  random: () => number;
  /** A longer answer is not told but stored apart, bytes of UTF-8 (asked at every answer: a reconnect may change it). */
  inlineBytes: () => number;
  /** Told about every retry, failure and shared or stored answer, by name. */
  onEvent: (event: CallEvent) => void;
}

/** What happens to a call, for counters and logs. */
export type CallEvent =
  | { type: 'retry'; receiptKey: string; error: ProviderError; failed: number; delayMs: number }
  | { type: 'failed'; receiptKey: string; error: ProviderError }
  | { type: 'attempt' | 'answered' | 'fromReceipt' | 'shared' | 'raced' | 'unstored'; receiptKey: string };

export interface Calls {
  /**
   * The answer to a call; failures of the request or the provider are answers with `error` set.
   * @throws RepriseError UNAVAILABLE (receipts cannot be read or written: ask again), DRAINING (aborted),
   * NOT_FOUND (the session was deleted).
   */
  answer(call: LlmCall): Promise<LlmAnswer>;
  /** Aborts all calls in flight: they end with DRAINING. */
  abort(): void;
  readonly inFlight: number;
  /** Attempts that wait for a free slot. */
  readonly waiting: number;
}

/** Answers model calls as told above, over the receipts and providers that are handed in. */
export function makeCalls(options: CallsOptions): Calls {
  const { receipts, clock, onEvent } = options;
  const stop = new AbortController();
  const slots = makeSlots(options.concurrency);
  const flights = new Map<string, Promise<LlmAnswer>>();
  const unstored = new Map<string, LlmAnswer>();

  async function fly(call: LlmCall): Promise<LlmAnswer> {
    const { receiptKey } = call;
    const paid = unstored.get(receiptKey);
    if (paid !== undefined) return store(receiptKey, paid);
    const stored = await receipts.get(receiptKey, stop.signal);
    if (stored !== null) {
      onEvent({ type: 'fromReceipt', receiptKey });
      return stored;
    }
    try {
      return await store(receiptKey, await setApart(await ask(await whole(call)), call));
    } catch (thrown) {
      if (!(thrown instanceof ProviderError)) throw thrown;
      if (stop.signal.aborted) throw drainingError();
      onEvent({ type: 'failed', receiptKey, error: thrown });
      const { model } = call.request;
      return failedAnswer(typeof model === 'string' ? model : '', thrown);
    }
  }

  async function ask({ receiptKey, request: raw }: LlmCall): Promise<ProvidedAnswer> {
    const request = parseRequest(raw);
    const { provider, model } = options.route(request.model);
    const attempt = (signal: AbortSignal) => {
      onEvent({ type: 'attempt', receiptKey });
      return provider.call({ ...request, model }, { signal, idempotencyKey: receiptKey });
    };
    return callWithRetries(attempt, options.retry, {
      clock,
      random: options.random,
      signal: stop.signal,
      enter: (task) => slots.run(task, stop.signal),
      onRetry: (error, failed, delayMs) => onEvent({ type: 'retry', receiptKey, error, failed, delayMs }),
    });
  }

  /** The call with its request, which came by reference when no message took it. */
  async function whole(call: LlmCall): Promise<LlmCall> {
    if (!call.large) return call;
    const bytes = await receipts.large(stop.signal).getLarge(scopeOfCall(call), call.large);
    return { ...call, request: decode(bytes) as LlmCall['request'] };
  }

  /** An answer that no message takes is stored by itself: the receipt names it. */
  async function setApart({ content, ...answer }: ProvidedAnswer, call: LlmCall): Promise<LlmAnswer> {
    if (!content && weightOf(answer.response) <= options.inlineBytes()) return answer;
    const { value, bytes } = content ?? largeContent(answer.response);
    await receipts.large(stop.signal).putLarge(scopeOfCall(call), value, bytes);
    return { ...answer, response: '', large: value };
  }

  async function store(receiptKey: string, answer: LlmAnswer): Promise<LlmAnswer> {
    try {
      const winner = await receipts.put(receiptKey, answer, stop.signal);
      unstored.delete(receiptKey);
      onEvent({ type: winner === answer ? 'answered' : 'raced', receiptKey });
      return winner;
    } catch (thrown) {
      if (hasCode(thrown, 'NOT_FOUND')) throw thrown; // nobody waits for it, and nobody may keep it
      onEvent({ type: 'unstored', receiptKey });
      unstored.set(receiptKey, answer);
      const [oldest] = unstored.keys();
      if (unstored.size > UNSTORED_MAX && oldest !== undefined) unstored.delete(oldest);
      throw thrown;
    }
  }

  return {
    answer(call) {
      const flying = flights.get(call.receiptKey);
      if (flying !== undefined) {
        onEvent({ type: 'shared', receiptKey: call.receiptKey });
        return flying;
      }
      if (stop.signal.aborted) return Promise.reject(drainingError());
      const flight = fly(call).finally(() => flights.delete(call.receiptKey));
      flights.set(call.receiptKey, flight);
      return flight;
    },
    abort: () => stop.abort(drainingError()),
    get inFlight() {
      return flights.size;
    },
    get waiting() {
      return slots.waiting;
    },
  };
}

const scopeOfCall = ({ scope, receiptKey }: LlmCall): string => scope ?? scopeOf(receiptKey);

function drainingError(): RepriseError {
  return new RepriseError('DRAINING', 'the LLM actor is stopping', {
    hint: 'ask again: another one answers',
  });
}
