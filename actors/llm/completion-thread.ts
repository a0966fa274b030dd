/** Entry point of a thread that reads one large completion (see `reading.ts`). */
import { parentPort, workerData } from 'node:worker_threads';
import { largeContent } from '../../bus/large.ts';
import { weightOf } from '../../bus/limits.ts';
import { parseCompletion } from './completion.ts';
import { ProviderError } from './failure.ts';
import { AT_ONCE_BYTES_MAX, type Outcome, type ReadingTask } from './reading.ts';

function read({ chunks, model }: ReadingTask): Outcome {
  try {
    const answer = parseCompletion(Buffer.concat(chunks), model);
    if (weightOf(answer.response) <= AT_ONCE_BYTES_MAX) return { answer };
    return { answer: { ...answer, response: '', content: largeContent(answer.response) } };
  } catch (thrown) {
    const { reason, message, retryable } = ProviderError.from(thrown);
    return { failed: { reason, message, retryable } };
  }
}

const outcome = read(workerData as ReadingTask);
const content = 'answer' in outcome ? outcome.answer.content : undefined;
parentPort!.postMessage(outcome, content ? [content.bytes.buffer as ArrayBuffer] : []);
