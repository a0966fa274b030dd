/** Values that are too large for a commit or a message are kept apart, and come back as they were. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { scopedKey } from '../../bus/blob-keys.ts';
import { canonical, encodeCanonical } from '../../bus/codec.ts';
import { sessionEventSchema } from '../../bus/event-schemas.ts';
import { CUT_BYTES_MAX, cutShort, largeContent, restoredEvents, scopeOf } from '../../bus/large.ts';
import { parse } from '../../bus/schema.ts';
import type { Json, SessionEvent } from '../../bus/types.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { largeStore } from '../kit/large-store.ts';

const timestamp = '2026-01-01T00:00:00.000Z';
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc
    .integer({ min: 400, max: 20_000 })
    .chain((n) => fc.constantFrom('x'.repeat(n), '漢'.repeat(n), '😀'.repeat(n))),
);
const json = fc.oneof(
  text,
  fc.jsonValue(),
  fc.array(text),
  fc.dictionary(fc.string(), text, { noNullPrototype: true }),
) as fc.Arbitrary<Json>;
const error = fc.record({ name: fc.constant('Error'), message: text });
const events: fc.Arbitrary<SessionEvent> = fc
  .oneof(
    fc.record({ type: fc.constant('input' as const), code: text }),
    fc.record({ type: fc.constant('output' as const), value: text }),
    fc.record({ type: fc.constant('error' as const), message: text, name: text, stack: text }),
    fc.record({
      type: fc.constant('llm_req' as const),
      prompt: text,
      receiptKey: fc.constant('k'),
      request: json,
    }),
    fc.record({
      type: fc.constant('llm_resp' as const),
      response: text,
      receiptKey: fc.constant('k'),
      error,
    }),
    fc.record({
      type: fc.constant('effect_req' as const),
      kind: fc.constant('x'),
      effect: fc.constant(1),
      payload: json,
    }),
    fc.record({
      type: fc.constant('effect_resp' as const),
      kind: fc.constant('x'),
      effect: fc.constant(1),
      value: json,
    }),
  )
  .map((event) => ({ ...event, seq: 7, timestamp }) as SessionEvent);

describe('an event that is kept apart', () => {
  it('leaves a valid event that is small, and comes back as it was', async () => {
    const client = largeStore(new MemoryBlobs(), 20_000);
    await fc.assert(
      fc.asyncProperty(events, async (made) => {
        const event = canonical(made);
        const { value, bytes } = largeContent(event);
        const cut = cutShort(event, value);
        assert.equal(parse(sessionEventSchema, cut), cut);
        assert.ok(encodeCanonical(cut).byteLength <= CUT_BYTES_MAX);
        await client.putLarge(scopeOf('id'), value, bytes);
        assert.deepEqual(await restoredEvents([cut], 'id', client), [event]);
      }),
    );
  });

  it('is CORRUPT, with its key, when its content is missing, altered, or of another event', async () => {
    const event: SessionEvent = { type: 'input', seq: 3, code: 'x'.repeat(9_000), timestamp };
    const { value, bytes } = largeContent(event);
    const cut = cutShort(event, value);
    const blobs = new MemoryBlobs();
    const client = largeStore(blobs, 20_000);
    const corrupt = { code: 'CORRUPT', message: new RegExp(value.sha256) };
    await assert.rejects(restoredEvents([cut], 'id', client), corrupt);
    await blobs.put('large', scopedKey(scopeOf('id'), value.sha256), bytes.slice(1));
    await assert.rejects(restoredEvents([cut], 'id', client), corrupt);
    await client.putLarge(scopeOf('another'), value, bytes);
    await assert.rejects(restoredEvents([{ ...cut, seq: 4 }], 'another', client), corrupt);
  });
});
