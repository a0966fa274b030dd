import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProviderError } from '../../actors/llm/failure.ts';
import { callWithRetries, RETRY_DEFAULT, type RetryPolicy, retryDelayMs } from '../../actors/llm/retry.ts';
import { makeRouter, OPENAI_MODEL_DEFAULT } from '../../actors/llm/routing.ts';
import { makeSlots } from '../../actors/llm/slots.ts';
import type { Clock } from '../../bus/port.ts';

/** Time that jumps to the next timer as soon as everything waits. */
function jumpingClock(): Clock & { readonly waits: number[] } {
  let now = 0;
  const waits: number[] = [];
  return {
    waits,
    now: () => now,
    setTimer(callback, delayMs) {
      if (delayMs >= 60_000) return { cancel: () => {} };
      let live = true;
      setImmediate(() => {
        if (!live) return;
        now += delayMs;
        waits.push(delayMs);
        callback();
      });
      return {
        cancel: () => {
          live = false;
        },
      };
    },
  };
}

const busy = (retryAfterMs?: number) =>
  new ProviderError('RATE_LIMITED', 'slow down', { retryable: true, retryAfterMs });

async function run(outcomes: (ProviderError | string)[], policy: RetryPolicy = RETRY_DEFAULT) {
  const clock = jumpingClock();
  let attempts = 0;
  const call = callWithRetries(
    async () => {
      const outcome = outcomes[attempts++]!;
      if (typeof outcome === 'string') return outcome;
      throw outcome;
    },
    policy,
    { clock, random: () => 0.5, signal: new AbortController().signal },
  );
  const [result] = await Promise.allSettled([call]);
  return { result: result!, attempts, waits: clock.waits };
}

test('a retryable failure is tried again with growing waits', async () => {
  const { result, waits } = await run([busy(), busy(), 'done']);
  assert.deepEqual(result, { status: 'fulfilled', value: 'done' });
  assert.deepEqual(waits, [375, 750]);
});

test('it gives up after the last try, and says how many there were', async () => {
  const { result, attempts } = await run([busy(), busy(), busy(), 'never']);
  assert.equal(attempts, 3);
  assert.ok(result.status === 'rejected');
  assert.match(result.reason.message, /slow down \(3 tries\)/);
  assert.equal(result.reason.reason, 'RATE_LIMITED');
});

test('a terminal failure is not tried again', async () => {
  const { attempts } = await run([new ProviderError('DENIED', 'bad key'), 'never']);
  assert.equal(attempts, 1);
});

test('Retry-After is waited for when the budget allows, else not at all', async () => {
  assert.deepEqual((await run([busy(2000), 'done'])).waits, [2125]);
  const { result, attempts, waits } = await run([busy(3_600_000), 'never']);
  assert.equal(attempts, 1);
  assert.deepEqual(waits, []);
  assert.ok(result.status === 'rejected');
  assert.match(result.reason.message, /asked to wait 3600 s, no time left of 120 s/);
});

test('an attempt that does not end is given up, and its signal aborted', async () => {
  const clock = jumpingClock();
  const signals: AbortSignal[] = [];
  const call = callWithRetries(
    (signal) => {
      signals.push(signal);
      return new Promise<string>(() => {});
    },
    { ...RETRY_DEFAULT, attemptMs: 5000, tries: 2 },
    { clock, random: () => 0, signal: new AbortController().signal },
  );
  await assert.rejects(call, { reason: 'TIMEOUT', message: 'no answer within 5 s (2 tries)' });
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [true, true],
  );
});

test('aborting everything ends a wait and starts no further attempt', async () => {
  const abort = new AbortController();
  let attempts = 0;
  const call = callWithRetries(
    async () => {
      attempts++;
      throw busy(60_000);
    },
    RETRY_DEFAULT,
    {
      clock: jumpingClock(),
      random: () => 0,
      signal: abort.signal,
      onRetry: () => setImmediate(() => abort.abort()),
    },
  );
  await assert.rejects(call, { reason: 'UNAVAILABLE' });
  assert.equal(attempts, 1);
});

test('waits stay between half and all of the back-off; a Retry-After is never shortened', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.option(fc.nat(100_000), { nil: undefined }),
      (failed, random, asked) => {
        const delayMs = retryDelayMs(RETRY_DEFAULT, failed, random, asked);
        if (asked !== undefined) return assert.ok(delayMs >= asked && delayMs <= asked + 500);
        const full = Math.min(20_000, 500 * 2 ** (failed - 1));
        assert.ok(delayMs >= full / 2 && delayMs <= full);
      },
    ),
  );
});

test('slots let only so many run, in order, and an aborted one leaves the queue', async () => {
  const slots = makeSlots(2);
  const never = new AbortController().signal;
  const ends: (() => void)[] = [];
  const started: number[] = [];
  const task = (id: number) => () => {
    started.push(id);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const abort = new AbortController();
  const first = slots.run(task(1), never);
  void slots.run(task(2), never);
  const third = slots.run(task(3), abort.signal);
  void slots.run(task(4), never);
  await Promise.resolve();
  assert.deepEqual([started, slots.busy, slots.waiting], [[1, 2], 2, 2]);
  abort.abort(new Error('gave up'));
  await assert.rejects(third, /gave up/);
  ends[0]!();
  await first;
  await Promise.resolve();
  assert.deepEqual([started, slots.busy, slots.waiting], [[1, 2, 4], 2, 0]);
});

test('model names are routed', () => {
  const provider = (name: string) => ({ name, call: () => Promise.reject(new Error('not called')) });
  const [echo, openai] = [provider('echo'), provider('openai')];
  const both = makeRouter({ echo, openai });
  const offline = makeRouter({ echo });
  const routed = (route: typeof both, model?: string) => {
    const { provider, model: name } = route(model);
    return `${provider.name}:${name}`;
  };
  assert.equal(routed(offline), 'echo:echo');
  assert.equal(routed(both), `openai:${OPENAI_MODEL_DEFAULT}`);
  assert.equal(routed(makeRouter({ echo, openai }, 'echo/slow')), 'echo:echo/slow');
  assert.equal(routed(both, 'echo'), 'echo:echo');
  assert.equal(routed(both, 'openai/gpt-5'), 'openai:gpt-5');
  assert.equal(routed(both, 'meta/llama-3'), 'openai:meta/llama-3');
  assert.throws(() => offline('gpt-5'), { reason: 'NOT_CONFIGURED', message: /OPENAI_API_KEY/ });
  assert.throws(() => both('openai/'), { reason: 'BAD_REQUEST' });
});
