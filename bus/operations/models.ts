/** Model calls. */
import * as v from 'valibot';
import { failure, json, largeValue, optional, type Schema, shaped, text, token, usage } from '../schema.ts';
import { AccessMode, type Json, type LargeValue } from '../types.ts';
import { operation } from './row.ts';

export interface LlmCall {
  receiptKey: string;
  session: string;
  /** What the cell passed: {prompt} or {messages}, model, temperature, maxTokens, system… */
  request: { [key: string]: Json };
  /** The scope of large values of the session (`scopeOf` its id). */
  scope?: string;
  /** Instead of `request` (then empty), when that is too large for a message. */
  large?: LargeValue;
}
/** What a provider answered; stored as the receipt. */
export interface LlmAnswer {
  response: string;
  model: string;
  usage?: { inputTokens: number; outputTokens: number };
  error?: { name: string; message: string; code?: string };
  /** Instead of `response` (then ''), when that is too large for a message; in the scope of the call. */
  large?: LargeValue;
}

const llmCall = shaped<LlmCall>({
  receiptKey: token,
  session: text,
  request: v.pipe(
    json,
    v.check(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      'Expected an object',
    ),
  ) as Schema<{ [key: string]: Json }>,
  scope: optional(token),
  large: optional(largeValue),
});
/** What an LLM actor answers, and what a receipt holds. */
export const llmAnswerSchema = shaped<LlmAnswer>({
  response: text,
  model: text,
  usage,
  error: failure,
  large: optional(largeValue),
});

export const MODEL = {
  call: operation({
    subject: 'llm',
    request: llmCall,
    reply: llmAnswerSchema,
    from: ['worker'],
    servedBy: ['llm'],
    access: AccessMode.ReadWrite,
    // The receipt holds the answer.
    idempotent: true,
    answer: 'long',
    what: 'calls a model',
  }),
};
