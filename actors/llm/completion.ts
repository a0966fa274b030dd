/** What a server's chat completion says. Pure. */
import { LARGE_BYTES_MAX, mebibytes, weightOf } from '../../bus/limits.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';
import { ProviderError } from './failure.ts';

const MODEL_CHARS_MAX = 256;
/** As much of what came instead of text is told. */
const CAME_CHARS_MAX = 80;

/**
 * Reads the JSON of a chat completion.
 * @throws ProviderError UNAVAILABLE when it is broken off, PROVIDER when it is none or has no text for `llm` to return,
 * TOO_LARGE when that text is too long to be passed on.
 */
export function parseCompletion(bytes: Uint8Array, modelAsked: string): LlmAnswer {
  if (bytes.byteLength === 0) throw noJson();
  let completion: unknown;
  try {
    completion = JSON.parse(new TextDecoder().decode(bytes));
  } catch (thrown) {
    // A proxy or the server died in the middle of it.
    const message = `malformed answer: ${(thrown as Error).message}`;
    throw new ProviderError('UNAVAILABLE', message, { retryable: true, cause: thrown });
  }
  const answer = answerOf(completion, modelAsked);
  if (weightOf(answer.response) <= LARGE_BYTES_MAX) return answer;
  throw new ProviderError(
    'TOO_LARGE',
    `the answer has more than ${mebibytes(LARGE_BYTES_MAX)}: ask for less (maxTokens)`,
  );
}

/** What answers is no API. */
export const noJson = (): ProviderError =>
  new ProviderError('PROVIDER', 'the server did not answer JSON: check the base URL (it often ends in /v1)');

function answerOf(completion: unknown, modelAsked: string): LlmAnswer {
  if (!isRecord(completion)) throw noJson();
  const choice = Array.isArray(completion.choices) ? completion.choices[0] : undefined;
  if (!isRecord(choice) || !isRecord(choice.message)) {
    const { error } = completion;
    const reported = isRecord(error) ? error.message : error;
    const told = typeof reported === 'string' && reported !== '' ? `: ${reported}` : '';
    throw new ProviderError('PROVIDER', `the answer has no choices${told}`);
  }
  const answer: LlmAnswer = {
    response: textOfMessage(choice.message, choice.finish_reason),
    model: typeof completion.model === 'string' ? completion.model.slice(0, MODEL_CHARS_MAX) : modelAsked,
  };
  const usage = usageOf(completion.usage);
  if (usage !== undefined) answer.usage = usage;
  return answer;
}

/** What a call took, when the server says it: a number that it does not give is not made up. */
function usageOf(usage: unknown): LlmAnswer['usage'] {
  if (!isRecord(usage)) return undefined;
  const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = usage;
  return isCount(inputTokens) && isCount(outputTokens) ? { inputTokens, outputTokens } : undefined;
}

/**
 * The text of a completion's message: its content (some servers give it in parts), or its refusal. A model that says
 * nothing has said the empty text.
 * @throws ProviderError PROVIDER when what it says is no text, when it asks for a tool instead, or was cut before it
 * began.
 */
function textOfMessage(message: Record<string, unknown>, finishReason: unknown): string {
  const { content, refusal, tool_calls: calls, function_call: call } = message;
  const text = Array.isArray(content) ? textOfParts(content) : textOf(content, 'content');
  if (text !== '') return text;
  const refused = textOf(refusal, 'refusal');
  if (refused !== '') return refused;
  if ((Array.isArray(calls) && calls.length > 0) || isRecord(call)) {
    throw new ProviderError('PROVIDER', 'the model asks for a tool to be called, which llm() cannot do');
  }
  // Models that reason may spend all they were given before they say anything.
  if (finishReason === 'length') {
    throw new ProviderError(
      'PROVIDER',
      "the model reached its limit of tokens before it said anything (finish_reason 'length'): raise maxTokens, lower reasoningEffort, or shorten the prompt",
    );
  }
  if (finishReason === 'content_filter') {
    throw new ProviderError('PROVIDER', "the server withheld the answer (finish_reason 'content_filter')");
  }
  // Parts of which none is text are an answer, but not one that is passed on.
  if (Array.isArray(content) && !content.every(isSilent)) throw noText('content', content);
  return '';
}

/** Parts that are not text (images, a model's reasoning) are left out. */
function textOfParts(parts: unknown[]): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else if (isRecord(part)) text += textOf(part.text ?? part.refusal, 'content');
    else if (part !== null) throw noText('content', part);
  }
  return text;
}

/** Says nothing: an empty text. */
const isSilent = (part: unknown): boolean =>
  part === null || part === '' || (isRecord(part) && (part.text === '' || part.refusal === ''));

function textOf(value: unknown, field: string): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') throw noText(field, value);
  return value;
}

function noText(field: string, came: unknown): ProviderError {
  const shown = JSON.stringify(came);
  const brief = shown.length > CAME_CHARS_MAX ? `${shown.slice(0, CAME_CHARS_MAX)}…` : shown;
  return new ProviderError('PROVIDER', `the answer's ${field} has no text, it is ${brief}`);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
