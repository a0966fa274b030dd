/**
 * A kind of effect: all that is to be said of it, in one file of its own. What cells call, how its request and its
 * answer stand in the log, whether it wakes a sleeping session, what a reader sees, and how a worker performs it.
 *
 * An effect that is performed twice (by an owner that took over, after a crash) must give one answer.
 */
import type { AnswerEvent, RequestEvent } from '../../bus/effect-events.ts';
import type { LargeStore } from '../../bus/large.ts';
import type { Bus, Clock } from '../../bus/port.ts';
import type { Schema } from '../../bus/schema.ts';
import type { Subjects } from '../../bus/subjects.ts';
import type { Json } from '../../bus/types.ts';
import type { KernelRequest } from '../kernel/port.ts';

/** An effect without an answer. */
export interface OpenEffect {
  effect: number;
  kind: string;
  seq: number;
  payload: Json;
  receiptKey?: string;
}

/** What the world says to a request: a value, or an error with which the guest's promise is rejected. */
export interface EffectAnswer {
  value?: Json;
  error?: { name: string; message: string; code?: string };
  model?: string;
  usage?: { inputTokens: number; outputTokens: number };
}

/** The session that an effect belongs to. */
export interface EffectOwner {
  name: string;
  id: string;
}

/** What the log says of a request beside the request. */
export interface RequestFacts {
  seq: number;
  timestamp: string;
  cell: number | undefined;
  sessionId: string;
  /** Version of the behaviours that the session was born with. */
  version: number;
}

/** What a worker performs effects with. */
export interface EffectPorts {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  log: { warn(facts: object, message: string): void };
  /** Where requests and answers are that no message takes. */
  store: LargeStore;
  /** How long one model call may take altogether, ms. */
  llmTimeoutMs?: number;
  /** How long to look for an LLM actor when none answers, ms. */
  llmSilenceMs?: number;
}

/** How an effect is performed: it answers once, unless `signal` says first that nobody waits any more. */
export type Performing = (
  ports: EffectPorts,
  effect: OpenEffect & { owner: EffectOwner },
  answer: (answer: EffectAnswer) => void,
  signal: AbortSignal,
) => void | Promise<void>;

export interface EffectKind {
  readonly kind: string;
  /** Global function by which cells ask, with one JSON value; absent: the prelude has functions of its own for it. */
  readonly call?: string;
  /** What a request must be; what does not fit is answered with an error. */
  readonly request?: Schema<Json>;
  /** What an answer's value must be. */
  readonly reply?: Schema<Json>;
  /** When it ends by itself, ms since the epoch: a session that waits for nothing else may sleep until then. */
  dueAt?(payload: Json): number;
  /** A line for readers. */
  detail(payload: Json): string;
  /** Under which key a session's answer is kept; absent: it leaves no receipt. */
  receiptKey?(sessionId: string, effect: number, payload: Json): string;
  /** The event by which the log tells of the request. */
  requestEvent(request: KernelRequest, facts: RequestFacts): RequestEvent;
  /** The event by which the answer enters. */
  answerEvent(open: OpenEffect, answer: EffectAnswer, facts: { seq: number; timestamp: string }): AnswerEvent;
  perform: Performing;
}

/** A kind whose requests and answers stand in the log as they are. */
export function plainKind(
  kind: string,
  rest: Pick<EffectKind, 'perform'> & Partial<Omit<EffectKind, 'kind' | 'requestEvent' | 'answerEvent'>>,
): EffectKind {
  return {
    detail: (payload) => JSON.stringify(payload),
    ...rest,
    kind,
    requestEvent: ({ effect, payload }, { seq, timestamp, cell }) => ({
      type: 'effect_req',
      seq,
      kind,
      effect,
      timestamp,
      cell,
      payload,
    }),
    answerEvent: ({ effect }, { value = null, error }, { seq, timestamp }) => ({
      type: 'effect_resp',
      seq,
      kind,
      effect,
      timestamp,
      value: error ? undefined : value,
      error,
    }),
  };
}
