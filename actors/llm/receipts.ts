/** Receipts: the durable answers of model calls, kept by storage under their receipt key. */
import { decode, encode, encodeCanonical, sha256 } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { LargeStore } from '../../bus/large.ts';
import type { BlobPutRequest } from '../../bus/operations/blobs.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';
import { llmAnswerSchema } from '../../bus/operations/models.ts';
import type { Bus, Clock } from '../../bus/port.ts';
import { parse } from '../../bus/schema.ts';
import { StorageClient } from '../../bus/storage-client.ts';
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

/**
 * Receipts through the storage actors. A storage that is away (restarting, say) is waited for, up to
 * `patienceMs`; both requests are safe to repeat.
 */
export function makeReceipts(bus: Bus, subjects: Subjects, clock: Clock, patienceMs: number): Receipts {
  const storage = new StorageClient({ bus, subjects, clock, waitMs: patienceMs });

  async function get(key: string, signal: AbortSignal): Promise<LlmAnswer | null> {
    const { bytes, sealed } = await storage.ask('blob.get.receipt', { kind: 'receipt', key }, signal);
    if (sealed) throw new RepriseError('NOT_FOUND', 'the session of this call was deleted');
    return bytes === null ? null : parseReceipt(key, bytes);
  }

  return {
    get,
    large: (signal) => storage.blobs(signal),
    async put(key, answer, signal) {
      const request: BlobPutRequest = { kind: 'receipt', key, bytes: receiptBytes(key, answer) };
      const { stored } = await storage.ask('blob.put.receipt', request, signal).catch(heldBack);
      if (stored) return answer;
      const first = await get(key, signal);
      if (first === null)
        throw new RepriseError('UNAVAILABLE', `receipt ${key} vanished while it was stored`);
      return first;
    },
  };
}

/** Whoever waits for an answer goes on waiting while the disk is full: it is paid for. */
function heldBack(thrown: unknown): never {
  if (!hasCode(thrown, 'STORAGE_FULL')) throw thrown;
  throw new RepriseError('UNAVAILABLE', `no storage for receipts: ${thrown.message}`, { cause: thrown });
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
