/** Receipts in memory behind the storage subjects, with every fault a test wants. */
import { decode, encode } from '../../bus/codec.ts';
import { BLOB } from '../../bus/operations/blobs.ts';
import type { Bus, BusMessage } from '../../bus/port.ts';
import { parse } from '../../bus/schema.ts';
import { QUEUES, type Subjects } from '../../bus/subjects.ts';

export interface ReceiptStore {
  readonly receipts: Map<string, Uint8Array>;
  readonly gets: number;
  /** While set, puts are answered with this failure. */
  refusePuts: 'UNAVAILABLE' | 'STORAGE_FULL' | undefined;
  stop(): void;
}

export function startReceiptStore(bus: Bus, subjects: Subjects): ReceiptStore {
  const receipts = new Map<string, Uint8Array>();
  const large = new Map<string, Uint8Array[]>();
  let gets = 0;
  const onGet = (message: BusMessage) => {
    const { key, kind, part = 0 } = parse(BLOB['blob.get.receipt'].request, decode(message.data));
    if (kind === 'large') {
      const parts = large.get(key) ?? [];
      message.respond(encode({ ok: true, bytes: parts[part] ?? null, parts: parts.length }));
      return;
    }
    gets++;
    const bytes = receipts.get(key) ?? null;
    const sealed = bytes?.byteLength === 0; // how storage seals is its own business
    message.respond(encode({ ok: true, bytes: sealed ? null : bytes, parts: 1, sealed }));
  };
  const onPut = (message: BusMessage) => {
    const { key, kind, bytes, part } = parse(BLOB['blob.put.receipt'].request, decode(message.data));
    if (kind === 'large') {
      large.set(key, part ? [...large.get(key)!, bytes] : [bytes]);
      message.respond(encode({ ok: true, stored: true }));
      return;
    }
    if (store.refusePuts) {
      message.respond(encode({ ok: false, error: 'no', code: store.refusePuts, retryable: true }));
      return;
    }
    const stored = !receipts.has(key);
    if (stored) receipts.set(key, bytes);
    message.respond(encode({ ok: true, stored }));
  };
  const subscriptions = [
    bus.subscribe(subjects.store('blob.get.*'), onGet, { queue: QUEUES.storage }),
    bus.subscribe(subjects.store('blob.put.*'), onPut, { queue: QUEUES.storage }),
  ];
  const store: ReceiptStore = {
    receipts,
    get gets() {
      return gets;
    },
    refusePuts: undefined,
    stop() {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
  return store;
}
