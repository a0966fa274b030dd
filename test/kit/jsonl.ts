/** Logs as text, and what of them is the same in a copy. */
import { contractLog } from '../../bus/client/contract-log.ts';
import { jsonLines } from '../../bus/client/lines.ts';
import type { SessionEvent } from '../../bus/types.ts';

/** Events of a text, by way of bytes in chunks that end anywhere. */
export async function* eventsIn(
  text: string | Uint8Array,
  chunkBytes = 1_000,
): AsyncGenerator<SessionEvent, void> {
  yield* contractLog(jsonLines(chunks(Buffer.from(text as string), chunkBytes)));
}

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

export const jsonl = (events: readonly object[]): string =>
  events.map((event) => `${JSON.stringify(event)}\n`).join('');

/** Events without what a copy has of its own: ids, name, and the keys that follow from the id. */
export function butIds(events: readonly SessionEvent[]): object[] {
  return events.map((event) => {
    const { receiptKey: _, copied: __, asked, ...rest } = event as Record<string, unknown>;
    if (asked) rest.asked = (asked as { effect: number }[]).map(({ effect }) => effect);
    if (event.type !== 'session') return rest;
    const { id: ___, name: ____, origin: _____, commandId: ______, ...begin } = rest;
    return begin;
  });
}
