/** What a cell may pass to `llm(...)`: checked here, in the names that the documentation uses. Pure. */
import * as v from 'valibot';
import type { Json } from '../../bus/types.ts';
import { ProviderError } from './failure.ts';

const DELAY_MAX_MS = 600_000;
const TOKENS_MAX = 1_000_000;

const json = v.custom<Json>(() => true);
const jsonObject = v.record(v.string(), json);
const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const message = v.looseObject({
  role: v.picklist(['system', 'developer', 'user', 'assistant', 'tool']),
  content: v.union([v.string(), v.array(jsonObject), v.null()]),
});

const schema = v.strictObject({
  prompt: v.optional(v.string()),
  messages: v.optional(v.pipe(v.array(message), v.minLength(1))),
  system: v.optional(v.string()),
  model: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(256))),
  temperature: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(2))),
  topP: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  maxTokens: v.optional(count),
  stop: v.optional(v.union([v.string(), v.array(v.string())])),
  seed: v.optional(v.pipe(v.number(), v.integer())),
  presencePenalty: v.optional(v.pipe(v.number(), v.minValue(-2), v.maxValue(2))),
  frequencyPenalty: v.optional(v.pipe(v.number(), v.minValue(-2), v.maxValue(2))),
  reasoningEffort: v.optional(v.string()),
  responseFormat: v.optional(v.union([v.picklist(['text', 'json']), jsonObject])),
  /** Further fields of the provider's own request body. */
  extra: v.optional(jsonObject),
  // Of the echo provider; others ignore them.
  delayMs: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(DELAY_MAX_MS))),
  fail: v.optional(v.string()),
  reply: v.optional(v.string()),
  tokens: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(TOKENS_MAX))),
});

type Options = Omit<v.InferOutput<typeof schema>, 'prompt' | 'messages' | 'system'>;

export interface LlmMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string | { [key: string]: Json }[] | null;
  [key: string]: unknown;
}

/** A checked request: `system` and `prompt` have become messages. */
export interface LlmRequest extends Options {
  messages: LlmMessage[];
}

/**
 * Checks what a cell passed.
 * @throws ProviderError BAD_REQUEST naming the first field that is wrong.
 */
export function parseRequest(raw: unknown): LlmRequest {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw bad('must be a string or an object');
  const parsed = v.safeParse(schema, raw, { abortEarly: true });
  if (!parsed.success) throw bad(explain(parsed.issues[0]));
  const { prompt, messages, system, ...options } = parsed.output;
  if (prompt === undefined && messages === undefined) throw bad('needs a prompt or messages');
  if (prompt !== undefined && messages !== undefined) throw bad('has both prompt and messages: give one');
  const all: LlmMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  if (messages !== undefined) all.push(...messages);
  else all.push({ role: 'user', content: prompt! });
  return { ...options, messages: all };
}

/** Text of the newest user message (or of the newest at all). */
export function lastText(messages: LlmMessage[]): string {
  const newest = messages.findLast((each) => each.role === 'user') ?? messages.at(-1);
  return newest === undefined ? '' : textOf(newest);
}

/** The text of one message; parts that are not text (images…) count for nothing. */
export function textOf(message: LlmMessage): string {
  if (typeof message.content === 'string') return message.content;
  return (message.content ?? []).map((part) => (typeof part.text === 'string' ? part.text : '')).join('');
}

function explain(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const known = Object.keys(schema.entries).join(', ');
    return `has an unknown option '${path}' (known: ${known}; further fields of a provider go under extra)`;
  }
  const problem = issue.message.replace(/^Invalid (\w+): /, '');
  return path === null ? problem : `'${path}': ${problem}`;
}

function bad(why: string): ProviderError {
  return new ProviderError('BAD_REQUEST', `llm request ${why}`);
}
