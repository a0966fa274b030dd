/** Receipts: the durable answers of model calls, kept by storage under their receipt key. */
import { BlobClient } from '../../bus/blob-client.ts';
import { decode, encode, encodeCanonical, sha256 } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { Schema } from '../../bus/event-schemas.ts';
import type { LargeStore } from '../../bus/large.ts';
import { limitsOf } from '../../bus/limits.ts';
import type { Bus, Clock } from '../../bus/port.ts';
import type { BlobGetRequest, BlobPutRequest, LlmAnswer } from '../../bus/protocol.ts';
import {
  blobGetReplySchema,
  blobPutReplySchema,
  llmAnswerSchema,
  parseReply,
} from '../../bus/reply-schemas.ts';
import { parse } from '../../bus/schemas.ts';
import type { Subjects } from '../../bus/subjects.ts';

export interface Receipts {
  /**
   * @throws RepriseError UNAVAILABLE, CORRUPT, NOT_FOUND (the session was deleted); the signal's reason when it aborts.
   */
  get(receiptKey: string, signal: AbortSignal): Promise<LlmAnswer | null>;
  /**
   * Stores an answer; returns the stored one, which is another's if that came first.
   * @throws RepriseError UNAVAILABLE, or the signal's reason when it aborts: the outcome is unknown; as `get`.
   */
  put(receiptKey: string, answer: LlmAnswer, signal: AbortSignal): Promise<LlmAnswer>;
  /** Requests and answers that no message takes. */
  large(signal: AbortSignal): LargeStore;
}

const TRY_TIMEOUT_MS = 1000;
const RETRY_DELAY_MS = 100;

/**
 * Receipts through the storage actors. A storage that is away (restarting, say) is waited for, up to
 * `patienceMs`; both requests are safe to repeat.
 */
export function makeReceipts(bus: Bus, subjects: Subjects, clock: Clock, patienceMs: number): Receipts {
  async function ask<T extends object>(
    operation: string,
    request: object,
    schema: Schema<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const subject = subjects.store(operation);
    const bytes = encode(request);
    const deadline = clock.now() + patienceMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        return parseReply(schema, await bus.request(subject, bytes, { timeoutMs: TRY_TIMEOUT_MS }));
      } catch (thrown) {
        const error = RepriseError.from(thrown);
        if (!error.retryable) throw error;
        if (clock.now() + RETRY_DELAY_MS >= deadline) {
          throw new RepriseError('UNAVAILABLE', `no storage for receipts: ${error.message}`, {
            cause: error,
          });
        }
        await new Promise<void>((resolve) => clock.setTimer(resolve, RETRY_DELAY_MS));
      }
    }
  }

  async function get(key: string, signal: AbortSignal): Promise<LlmAnswer | null> {
    const request: BlobGetRequest = { kind: 'receipt', key };
    const { bytes, sealed } = await ask('blob.get.receipt', request, blobGetReplySchema, signal);
    if (sealed) throw new RepriseError('NOT_FOUND', 'the session of this call was deleted');
    return bytes === null ? null : parseReceipt(key, bytes);
  }

  return {
    get,
    large: (signal) =>
      new BlobClient(
        (operation, request, schema) => ask(operation, request, schema, signal),
        () => limitsOf(bus.maxPayload).contentBytes,
      ),
    async put(key, answer, signal) {
      const request: BlobPutRequest = { kind: 'receipt', key, bytes: receiptBytes(key, answer) };
      const { stored } = await ask('blob.put.receipt', request, blobPutReplySchema, signal);
      if (stored) return answer;
      const first = await get(key, signal);
      if (first === null)
        throw new RepriseError('UNAVAILABLE', `receipt ${key} vanished while it was stored`);
      return first;
    },
  };
}

type Stored = LlmAnswer & { sha256?: unknown; receiptKey?: unknown };

/** The answer, with the key that it answers and its hash: a receipt that is damaged, or another's, is found out. */
function receiptBytes(key: string, answer: LlmAnswer): Uint8Array {
  return encode({ ...answer, receiptKey: key, sha256: hashOf(key, answer) });
}

function hashOf(key: string, { response, model, usage, error, large }: LlmAnswer): string {
  return sha256(encodeCanonical([key, response, model, usage ?? null, error ?? null, large ?? null]));
}

function parseReceipt(key: string, bytes: Uint8Array): LlmAnswer {
  let answer: LlmAnswer;
  let hash: unknown;
  try {
    const { sha256: said, receiptKey: _, ...rest } = decode(bytes) as Stored;
    answer = parse(llmAnswerSchema, rest);
    hash = said;
  } catch (cause) {
    throw new RepriseError('CORRUPT', `receipt ${key} is no model answer`, { cause });
  }
  // Older versions wrote none.
  if (hash === undefined || hash === hashOf(key, answer)) return answer;
  throw new RepriseError('CORRUPT', `receipt ${key} is not what its hash says, or answers another call`, {
    hint: 'the store was altered or damaged; the call was not made again',
  });
}
