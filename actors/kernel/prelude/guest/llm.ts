/** Model calls as cells make them: what a request may look like. */
import { asked } from './effects.ts';
import { expose, IntrinsicTypeError, put } from './intrinsics.ts';
import { jsonOf, jsonText } from './json.ts';
import { kindOf } from './kinds.ts';
import { sessionBehaves } from './version.ts';
import { bare } from './wall.ts';

/** `options` go with a prompt. A number there is the index of an array's `map`. */
function requestOf(input: unknown, options: unknown): unknown {
  if (typeof input === 'string') {
    if (options === undefined || typeof options === 'number') return bare({ prompt: input });
    const more = jsonOf(options, 'llm: options') as { prompt?: unknown; messages?: unknown } | null;
    if (typeof more !== 'object' || more === null || 'length' in more) {
      throw new IntrinsicTypeError(`llm: options must be an object, not ${kindOf(options)}`);
    }
    if (more.prompt !== undefined || more.messages !== undefined) {
      throw new IntrinsicTypeError('llm: options cannot hold another prompt or messages');
    }
    put(more, 'prompt', input);
    return more;
  }
  if (options !== undefined && typeof options !== 'number') {
    throw new IntrinsicTypeError('llm: options go into the request: llm({prompt | messages, model, …})');
  }
  const request = jsonOf(input, 'llm: request') as { prompt?: unknown; messages?: unknown } | null;
  if (typeof request !== 'object' || request === null || 'length' in request) {
    throw new IntrinsicTypeError('llm: pass a prompt, {prompt: string} or {messages: [{role, content}]}');
  }
  const { prompt, messages } = request;
  if (prompt !== undefined && typeof prompt !== 'string') {
    throw new IntrinsicTypeError(`llm: request.prompt must be a string, not ${kindOf(prompt)}`);
  }
  if (messages !== undefined) assertMessages(messages);
  if (prompt === undefined && messages === undefined) {
    throw new IntrinsicTypeError('llm: request needs a prompt or messages');
  }
  return request;
}

function assertMessages(messages: unknown): void {
  const list = messages as { role?: unknown; content?: unknown }[];
  if (typeof messages !== 'object' || messages === null || !('length' in messages) || list.length === 0) {
    throw new IntrinsicTypeError('llm: request.messages must be an array of {role, content}');
  }
  for (let at = 0; at < list.length; at++) {
    const message = list[at];
    const where = `llm: request.messages[${at}]`;
    if (typeof message !== 'object' || message === null) {
      throw new IntrinsicTypeError(`${where} must be an object, not ${kindOf(message)}`);
    }
    if (typeof message.role !== 'string') {
      throw new IntrinsicTypeError(`${where}.role must be a string, not ${kindOf(message.role)}`);
    }
    if (message.content === undefined) throw new IntrinsicTypeError(`${where}.content is missing`);
  }
}

/** JSON characters of a request to a model, while it had to fit into a commit. */
const REQUEST_CHARS_MAX = 600_000;

/** @throws TypeError (of the guest) */
function assertNotTooLong(payload: unknown): void {
  const { length } = jsonText(payload);
  if (length <= REQUEST_CHARS_MAX) return;
  const error = new IntrinsicTypeError(
    `llm: the request has ${length} characters; at most ${REQUEST_CHARS_MAX}`,
  );
  if (sessionBehaves('requestLimitCoded')) put(error, 'code', 'TOO_LARGE');
  throw error;
}

/** Asks a model; resolves to its text. */
function llm(input: unknown, options?: unknown): Promise<unknown> {
  return asked('llm', () => {
    const payload = requestOf(input, options);
    if (!sessionBehaves('requestsUnbounded')) assertNotTooLong(payload);
    return payload;
  });
}

export function installModels(): void {
  expose(globalThis, 'llm', llm);
}
