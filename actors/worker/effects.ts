/**
 * Performs the effects of resident sessions. One small interface for all kinds: a request that is durable
 * goes in, one answer comes out. An effect that is started twice (by an owner that took over, after a crash)
 * must give one answer: timers by their due time, model calls by their receipt key.
 */
import { decode, encode } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { type LargeStore, largeContent, scopeOf } from '../../bus/large.ts';
import { limitsOf, weightOf } from '../../bus/limits.ts';
import { longCall } from '../../bus/long-call.ts';
import type { LlmCall } from '../../bus/operations/models.ts';
import { llmAnswerSchema } from '../../bus/operations/models.ts';
import type { Bus, Clock } from '../../bus/port.ts';
import type { Subjects } from '../../bus/subjects.ts';
import type { Json } from '../../bus/types.ts';
import { parseReply } from '../../bus/wire.ts';
import type { OpenEffect } from '../session/effect-table.ts';
import { dueOf } from '../session/effect-table.ts';
import type { EffectAnswer, EffectOwner, EffectRunner, Log } from '../session/ports.ts';

export interface EffectPorts {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  log: Log;
  /** Where requests and answers are that no message takes. */
  store: LargeStore;
  /** How long one model call may take altogether, ms. */
  llmTimeoutMs?: number;
  /** How long to look for an LLM actor when none answers, ms. */
  llmSilenceMs?: number;
}

type Handler = (
  session: EffectOwner,
  effect: OpenEffect,
  answer: (answer: EffectAnswer) => void,
  signal: AbortSignal,
) => void;

/** setTimeout's longest delay; longer timers are set again. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Runs `timer` and `llm` effects; any other kind is answered with an error. */
export function makeEffectRunner(ports: EffectPorts): EffectRunner {
  const handlers: Record<string, Handler> = {
    timer: (_session, effect, answer, signal) => runTimer(ports.clock, effect, answer, signal),
    llm: (session, effect, answer, signal) => void runLlm(ports, session, effect, answer, signal),
  };
  return {
    start(session, effect, answer) {
      const abort = new AbortController();
      const once = (given: EffectAnswer) => {
        if (abort.signal.aborted) return;
        abort.abort();
        answer(given);
      };
      const handler = handlers[effect.kind];
      if (handler) handler(session, effect, once, abort.signal);
      else {
        const message = `this worker does not know effects of kind ${JSON.stringify(effect.kind)}`;
        queueMicrotask(() => once({ error: { name: 'Error', message, code: 'BAD_REQUEST' } }));
      }
      return { cancel: () => abort.abort() };
    },
  };
}

function runTimer(
  clock: Clock,
  effect: OpenEffect,
  answer: (answer: EffectAnswer) => void,
  signal: AbortSignal,
): void {
  const dueMs = dueOf(effect);
  const arm = () => {
    const leftMs = dueMs - clock.now();
    const fire = leftMs > TIMER_MAX_MS ? arm : () => answer({ value: null });
    const timer = clock.setTimer(fire, Math.max(0, Math.min(leftMs, TIMER_MAX_MS)));
    signal.addEventListener('abort', () => timer.cancel(), { once: true });
  };
  arm();
}

async function runLlm(
  ports: EffectPorts,
  session: EffectOwner,
  effect: OpenEffect,
  answer: (answer: EffectAnswer) => void,
  signal: AbortSignal,
): Promise<void> {
  const { bus, store, subjects, clock, log, llmTimeoutMs = 600_000, llmSilenceMs = 30_000 } = ports;
  const deadline = clock.now() + llmTimeoutMs;
  const scope = scopeOf(session.id);
  let silentSince: number | null = null;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const data = encode(await callOf(effect, session, ports));
      const bytes = await longCall(bus, {
        subject: subjects.llm,
        data,
        timeoutMs: Math.max(1, deadline - clock.now()),
        pingSubject: (process) => subjects.ping(process),
        clock,
        signal,
      });
      const { response, model, usage, error, large } = parseReply(llmAnswerSchema, bytes);
      const value = large ? (decode(await store.getLarge(scope, large)) as string) : response;
      answer(error ? { error, model, usage } : { value, model, usage });
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      const error = RepriseError.from(thrown);
      const now = clock.now();
      const isSilent =
        error.retryable &&
        hasCode(error, 'NO_RESPONDERS', 'DISCONNECTED', 'UNAVAILABLE', 'DRAINING', 'TIMEOUT');
      silentSince = isSilent ? (silentSince ?? now) : null;
      const lost = silentSince === null || now - silentSince > llmSilenceMs || now >= deadline;
      if (lost) {
        log.warn(
          { session: session.name, effect: effect.effect, code: error.code, error: error.message },
          'model call failed',
        );
        answer({ error: { name: 'LLMError', message: error.message, code: error.code } });
        return;
      }
      await pause(clock, Math.min(20 * 2 ** attempt, 500), signal);
    }
  }
}

/** What the LLM actor is asked; a request that no message takes is stored first. */
async function callOf(effect: OpenEffect, session: EffectOwner, ports: EffectPorts): Promise<LlmCall> {
  const request = effect.payload as { [key: string]: Json };
  const scope = scopeOf(session.id);
  const call = { receiptKey: effect.receiptKey ?? '', session: session.name, request, scope };
  if (weightOf(request) <= limitsOf(ports.bus.maxPayload).inlineBytes) return call;
  const { value, bytes } = largeContent(request);
  await ports.store.putLarge(scope, value, bytes);
  return { ...call, request: {}, large: value };
}

/** Ends after `ms`, or when nobody wants the answer any more. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      timer.cancel();
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = clock.setTimer(wake, ms);
    signal.addEventListener('abort', wake, { once: true });
  });
}
