/**
 * Reads a server's answer within bounds. An actor that does not answer pings for half a second counts as hung, and its
 * calls are asked again elsewhere; so what takes long to parse and to encode is read in a thread of its own, one at a time, and never copied here.
 */
import { once } from 'node:events';
import { LARGE_BYTES_MAX, mebibytes } from '../../bus/limits.ts';
import { startThread } from '../role/thread-start.ts';
import { noJson, parseCompletion } from './completion.ts';
import { type LlmErrorCode, ProviderError } from './failure.ts';
import type { ProvidedAnswer } from './provider.ts';
import { makeSlots } from './slots.ts';

/** More than any answer that could be passed on, escaped and with all that may surround it. */
const BODY_BYTES_MAX = 2 * LARGE_BYTES_MAX;
/** A body up to here is parsed, and its text encoded, in some 10 ms. */
export const AT_ONCE_BYTES_MAX = 1024 * 1024;
/** Enough for the longest body, its text and the objects of a completion. */
const THREAD_HEAP_MB = 1024;

/** What a thread is to read. */
export interface ReadingTask {
  chunks: Uint8Array<ArrayBuffer>[];
  model: string;
}
/** What came of it. */
export type Outcome =
  | { answer: ProvidedAnswer }
  | { failed: { reason: LlmErrorCode; message: string; retryable: boolean } };

const threads = makeSlots(1);

/**
 * The answer that a response's body is.
 * @throws ProviderError TOO_LARGE as soon as that is known; UNAVAILABLE when the body breaks off; as `parseCompletion`.
 */
export async function readAnswer(
  response: Response,
  model: string,
  signal: AbortSignal,
): Promise<ProvidedAnswer> {
  const { chunks, bytes } = await readBody(response);
  if (!isJson(response)) throw noJson();
  if (bytes <= AT_ONCE_BYTES_MAX) return parseCompletion(Buffer.concat(chunks), model);
  return threads.run(() => readApart({ chunks, model }, signal), signal);
}

function isJson(response: Response): boolean {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
  return type.includes('application/json') || type.endsWith('+json');
}

async function readBody(response: Response): Promise<{ chunks: Uint8Array<ArrayBuffer>[]; bytes: number }> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  // Leaving the loop ends the response.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_MAX) {
      throw new ProviderError('TOO_LARGE', `the server's answer has more than ${mebibytes(BODY_BYTES_MAX)}`);
    }
    // Each its own memory, which can be handed over.
    chunks.push(chunk.byteLength === chunk.buffer.byteLength ? chunk : chunk.slice());
  }
  return { chunks, bytes };
}

async function readApart(task: ReadingTask, signal: AbortSignal): Promise<ProvidedAnswer> {
  const thread = startThread('completion-thread', 'actors/llm/completion-thread.ts', {
    workerData: task,
    transferList: task.chunks.map(({ buffer }) => buffer),
    resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
    execArgv: [],
  });
  try {
    const [outcome] = (await once(thread, 'message', { signal })) as [Outcome];
    if ('answer' in outcome) return outcome.answer;
    const { reason, message, retryable } = outcome.failed;
    throw new ProviderError(reason, message, { retryable });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') throw thrown;
    throw new ProviderError('TOO_LARGE', "reading the server's answer takes too much memory");
  } finally {
    // What it still does is of no use to anybody.
    thread.on('error', () => {});
    void thread.terminate();
  }
}
