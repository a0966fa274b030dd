/** Schemas at the boundary: what they refuse, what they keep, and that they name the place. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encode } from '../../bus/codec.ts';
import { hasCode, type RepriseError } from '../../bus/errors.ts';
import { sessionEventSchema } from '../../bus/event-schemas.ts';
import { MODEL } from '../../bus/operations/models.ts';
import { sessionRequestSchema } from '../../bus/operations/sessions.ts';
import { APPEND, STORE } from '../../bus/operations/storage.ts';
import { WORKER } from '../../bus/operations/workers.ts';
import { parse } from '../../bus/schema.ts';
import { parseReply } from '../../bus/wire.ts';
import { SessionWriter } from '../kit/commits.ts';

function problem(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(hasCode(error, 'BAD_FORMAT'), String(error));
    return (error as RepriseError).message;
  }
  return assert.fail('it was accepted');
}

const input = { type: 'input', seq: 1, code: 'x', timestamp: '2026-01-01T00:00:00.000Z' };

describe('schemas', () => {
  it('name the path of the first problem', () => {
    const commit = new SessionWriter('s').next();
    const broken = structuredClone({ commit, expected: 0 });
    (broken.commit.events[1] as { seq: unknown }).seq = 'one';
    assert.match(
      problem(() => parse(APPEND.request, broken)),
      /^commit\.events\.1\.seq: /,
    );
    assert.match(
      problem(() => parse(APPEND.request, { expected: 0 })),
      /^commit: /,
    );
    assert.match(
      problem(() => parse(APPEND.request, null)),
      /Object/,
    );
  });

  it('keep fields that they do not know, and hand back the very value', () => {
    const event = { ...input, later: { addition: true } };
    assert.equal(parse(sessionEventSchema, event), event);
    assert.deepEqual(event.later, { addition: true });
  });

  it('refuse event types and operations that they do not know', () => {
    assert.match(
      problem(() => parse(sessionEventSchema, { ...input, type: 'toString' })),
      /^type: /,
    );
    assert.match(
      problem(() => parse(sessionEventSchema, { ...input, type: 7 })),
      /^type: /,
    );
    assert.match(
      problem(() => parse(sessionRequestSchema, { op: 'constructor', session: 's' })),
      /^op: /,
    );
    assert.match(
      problem(() =>
        parse(WORKER.activate.request, { session: 's', request: { op: 'execute', session: 's' } }),
      ),
      /^request\.command/,
    );
  });

  it('refuse numbers that no log can hold', () => {
    for (const seq of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 1n, '1', null]) {
      assert.match(
        problem(() => parse(sessionEventSchema, { ...input, seq })),
        /^seq: /,
      );
    }
  });

  it('refuse times that are none, and take those with any zone', () => {
    for (const timestamp of ['', 'yesterday', '2026-01-01', '2026-01-01T00:00:00', 5]) {
      assert.match(
        problem(() => parse(sessionEventSchema, { ...input, timestamp })),
        /^timestamp: /,
      );
    }
    for (const timestamp of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123456+02:00']) {
      parse(sessionEventSchema, { ...input, timestamp });
    }
  });

  it('take any JSON as an effect payload, and nothing else', () => {
    const request = { type: 'effect_req', seq: 1, kind: 'fetch', effect: 1, timestamp: input.timestamp };
    for (const payload of [null, true, 1.5, '', [], {}, [{ a: [null] }]]) {
      parse(sessionEventSchema, { ...request, payload });
    }
    let deep: unknown = 1;
    for (let i = 0; i < 10_000; i++) deep = [deep];
    for (const payload of [Number.NaN, new Date(), Uint8Array.of(1), { a: [1n] }, new Map(), deep]) {
      assert.match(
        problem(() => parse(sessionEventSchema, { ...request, payload })),
        /^payload: /,
      );
    }
  });

  it('refuse keys that would be more than one token of a subject', () => {
    for (const key of ['', 'a.b', '*', '>', 'a b', 'x'.repeat(129)]) {
      const request = { kind: 'ckpt', key, bytes: Uint8Array.of(1) };
      assert.match(
        problem(() => parse(STORE['blob.put.ckpt'].request, request)),
        /^key: /,
      );
    }
    const call = { receiptKey: 'k', session: 's', request: [] };
    assert.match(
      problem(() => parse(MODEL.call.request, call)),
      /^request: /,
    );
  });

  it('tell a failed reply, also one with a code that only a newer version knows', () => {
    const failed = (code: string) => encode({ ok: false, error: 'no', code, retryable: true, hint: 'wait' });
    for (const [sent, code] of [
      ['STORAGE_FULL', 'STORAGE_FULL'],
      ['FROM_THE_FUTURE', 'INTERNAL'],
      ['constructor', 'INTERNAL'],
    ] as const) {
      assert.throws(
        () => parseReply(STORE['blob.put.ckpt'].reply, failed(sent)),
        (error: RepriseError) => {
          assert.deepEqual([error.code, error.retryable, error.hint], [code, true, 'wait']);
          assert.equal(typeof error.exitCode, 'number');
          return true;
        },
      );
    }
  });

  it('refuse replies that are none', () => {
    const sealed = { ok: true, bytes: null, parts: 0, sealed: true };
    assert.deepEqual(parseReply(STORE['blob.get.ckpt'].reply, encode(sealed)), {
      bytes: null,
      parts: 0,
      sealed: true,
    });
    for (const reply of [
      null,
      [],
      'x',
      {},
      { ok: true },
      { ...sealed, ok: 1 },
      { ...sealed, parts: -1 },
      { ok: false },
      { ok: 'accepted' },
    ]) {
      problem(() => parseReply(STORE['blob.get.ckpt'].reply, encode(reply)));
    }
    problem(() => parseReply(STORE['blob.get.ckpt'].reply, Uint8Array.of(0xc1)));
    problem(() => parseReply(STORE['blob.get.ckpt'].reply, new Uint8Array(0)));
  });
});
