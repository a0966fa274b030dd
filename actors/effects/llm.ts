/**
 * Model calls: `llm(prompt)`. The log tells them as the contract has it (`llm_req`, `llm_resp`). A call is made by the
 * LLM actor, under a receipt key that follows from the log: the same call in every replay, so a paid answer is not paid
 * twice.
 */
import { decode, encode, encodeCanonical, sha256 } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { largeContent, scopeOf } from '../../bus/large.ts';
import { limitsOf, weightOf } from '../../bus/limits.ts';
import { longCall } from '../../bus/long-call.ts';
import { type LlmCall, llmAnswerSchema } from '../../bus/operations/models.ts';
import type { Clock } from '../../bus/port.ts';
import type { EventOf, Json } from '../../bus/types.ts';
import { parseReply } from '../../bus/wire.ts';
import { behaves } from '../kernel/behaviours.ts';
import type { EffectKind, EffectPorts, Performing } from './kind.ts';

/** Of a message that is in `request` in full, the prompt shows no more than this. */
const PROMPT_CHARS_MAX = 2_000;

export const llm: EffectKind = {
  kind: 'llm',
  detail: promptOf,
  receiptKey: receiptKeyOf,

  requestEvent({ effect, payload }, { seq, timestamp, cell, sessionId, version }) {
    const receiptKey = receiptKeyOf(sessionId, effect, payload);
    const event: EventOf<'llm_req'> = {
      type: 'llm_req',
      seq,
      prompt: promptOf(payload),
      receiptKey,
      timestamp,
      cell,
      effect,
    };
    const { prompt, ...rest } = payload as { prompt?: Json; [key: string]: Json | undefined };
    if (typeof prompt !== 'string' || rest.messages !== undefined || !behaves(version, 'promptsOnce')) {
      return { ...event, request: payload };
    }
    return Object.keys(rest).length === 0 ? event : { ...event, request: rest as Json };
  },

  answerEvent({ effect, receiptKey = '' }, { value, model, usage, error }, { seq, timestamp }) {
    const response = typeof value === 'string' ? value : '';
    return { type: 'llm_resp', seq, response, receiptKey, timestamp, effect, model, usage, error };
  },

  perform: (...args) => callModel(...args),
};

/** The receipt key of an LLM call: the same call of the same session has the same key in every replay. */
export function receiptKeyOf(sessionId: string, effect: number, request: Json): string {
  return sha256(encodeCanonical({ sessionId, effect, request }));
}

/** The text a reader of the log should see for an LLM request: the prompt, or the beginning of the last message. */
export function promptOf(payload: Json): string {
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload)) return '';
  if (typeof payload.prompt === 'string') return payload.prompt;
  const messages = Array.isArray(payload.messages) ? payload.messages : [];
  const last = messages.at(-1);
  const content =
    last !== null && typeof last === 'object' && !Array.isArray(last) ? last?.content : undefined;
  const text = typeof content === 'string' ? content : content === undefined ? '' : JSON.stringify(content);
  return text.slice(0, PROMPT_CHARS_MAX);
}

const callModel: Performing = async (ports, effect, answer, signal) => {
  const { bus, store, subjects, clock, log, llmTimeoutMs = 600_000, llmSilenceMs = 30_000 } = ports;
  const deadline = clock.now() + llmTimeoutMs;
  const scope = scopeOf(effect.owner.id);
  let silentSince: number | null = null;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const data = encode(await callOf(effect, ports));
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
          { session: effect.owner.name, effect: effect.effect, code: error.code, error: error.message },
          'model call failed',
        );
        answer({ error: { name: 'LLMError', message: error.message, code: error.code } });
        return;
      }
      await pause(clock, Math.min(20 * 2 ** attempt, 500), signal);
    }
  }
};

/** What the LLM actor is asked; a request that no message takes is stored first. */
async function callOf(
  { owner, payload, receiptKey = '' }: Parameters<Performing>[1],
  ports: EffectPorts,
): Promise<LlmCall> {
  const request = payload as { [key: string]: Json };
  const scope = scopeOf(owner.id);
  const call = { receiptKey, session: owner.name, request, scope };
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
