/**
 * When to try a model call again: exponential back-off with jitter, at most `tries` attempts within a
 * budget. A provider that says how long to wait (Retry-After) is believed; one that asks for more than the
 * budget has left is not waited for.
 */
import type { Clock } from '../../bus/port.ts';
import { ProviderError } from './failure.ts';

export interface RetryPolicy {
  /** Attempts in all, at least 1. */
  tries: number;
  /** Time for all attempts and the waits between them, ms. */
  budgetMs: number;
  /** Time for one attempt, ms. */
  attemptMs: number;
  /** Wait before the second attempt, doubled before each further one, ms. */
  firstDelayMs: number;
  maxDelayMs: number;
}

/** Three attempts within two minutes. */
export const RETRY_DEFAULT: RetryPolicy = {
  tries: 3,
  budgetMs: 120_000,
  attemptMs: 120_000,
  firstDelayMs: 500,
  maxDelayMs: 20_000,
};

/**
 * Wait after the `failed`-th failed attempt (1, 2, …), ms. `random` is in [0, 1).
 * The jitter spreads half of the wait; after a Retry-After it only adds, never shortens.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failed: number,
  random: number,
  retryAfterMs?: number,
): number {
  const full = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (failed - 1));
  if (retryAfterMs !== undefined) return retryAfterMs + Math.round((random * policy.firstDelayMs) / 2);
  return Math.round(full / 2 + (random * full) / 2);
}

export interface RetryPorts {
  clock: Clock;
  /** Random number in [0, 1). */
  random: () => number;
  /** Aborts everything: attempts and waits. */
  signal: AbortSignal;
  /** Runs one attempt when its turn comes (see `slots.ts`); waiting for it is not part of the budget. */
  enter?: <T>(task: () => Promise<T>) => Promise<T>;
  onRetry?: (error: ProviderError, failed: number, delayMs: number) => void;
}

/**
 * Runs `attempt` until it succeeds, fails for good, or the budget is spent.
 * @throws ProviderError the last failure.
 */
export async function callWithRetries<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  policy: RetryPolicy,
  ports: RetryPorts,
): Promise<T> {
  const { clock, signal } = ports;
  const enter = ports.enter ?? ((task) => task());
  let leftMs = policy.budgetMs;
  for (let failed = 1; ; failed++) {
    const attemptMs = Math.max(1, Math.min(policy.attemptMs, leftMs));
    let startMs = clock.now();
    try {
      return await enter(() => {
        startMs = clock.now();
        return withinTime(attempt, attemptMs, ports);
      });
    } catch (thrown) {
      const error = ProviderError.from(thrown);
      leftMs -= clock.now() - startMs;
      if (!error.retryable || failed >= policy.tries || signal.aborted) throw finalError(error, failed);
      const delayMs = retryDelayMs(policy, failed, ports.random(), error.retryAfterMs);
      if (delayMs >= leftMs) throw finalError(error, failed, policy.budgetMs);
      leftMs -= delayMs;
      ports.onRetry?.(error, failed, delayMs);
      await pause(delayMs, ports);
    }
  }
}

function finalError(error: ProviderError, tries: number, budgetMs?: number): ProviderError {
  const spent = budgetMs === undefined ? '' : `, no time left of ${budgetMs / 1000} s`;
  const asked = error.retryAfterMs === undefined ? '' : `, asked to wait ${error.retryAfterMs / 1000} s`;
  if (tries === 1 && spent === '') return error;
  const message = `${error.message} (${tries} ${tries === 1 ? 'try' : 'tries'}${asked}${spent})`;
  return new ProviderError(error.reason, message, { retryable: error.retryable, cause: error });
}

/** One attempt that ends when its time is up or everything is aborted, whatever the provider does. */
function withinTime<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  timeMs: number,
  ports: RetryPorts,
): Promise<T> {
  if (ports.signal.aborted) return Promise.reject(abortedError());
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const giveUp = (error: ProviderError) => {
      reject(error);
      controller.abort(error);
    };
    const aborted = () => giveUp(abortedError());
    const timer = ports.clock.setTimer(
      () => giveUp(new ProviderError('TIMEOUT', `no answer within ${timeMs / 1000} s`, { retryable: true })),
      timeMs,
    );
    ports.signal.addEventListener('abort', aborted, { once: true });
    attempt(controller.signal)
      .then(resolve, reject)
      .finally(() => {
        timer.cancel();
        ports.signal.removeEventListener('abort', aborted);
      });
  });
}

function abortedError(): ProviderError {
  return new ProviderError('UNAVAILABLE', 'the call was aborted', { retryable: true });
}

function pause(delayMs: number, ports: RetryPorts): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      ports.signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = ports.clock.setTimer(done, delayMs);
    ports.signal.addEventListener('abort', done, { once: true });
  });
}
