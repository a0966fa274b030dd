/** The wire format: what survives a journey, and that hashes do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonical, decode, encode, encodeCanonical, wired } from '../../bus/codec.ts';
import type { Json } from '../../bus/types.ts';

/** Text with every trap: halves of surrogate pairs, NUL, pairs, keys that mean something to an object. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc
    .array(fc.constantFrom('a', '\u0000', 'é', '\ud83d', '\ude00', '\u{1f600}', '\uffff'), { maxLength: 80 })
    .map((parts) => parts.join('')),
  fc.constantFrom('__proto__', 'constructor', 'toJSON', 'toString', 'then', 'length', '0', '10', '2', ''),
);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 64, 1e300, 5e-324),
);
const json = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(text, number, fc.boolean(), fc.constant(null)),
    fc.array(tie('json'), { maxLength: 5 }),
    // JSON.parse makes '__proto__' a key of its own, as a guest's payload may have it.
    fc
      .array(fc.tuple(text, tie('json')), { maxLength: 5 })
      .map(
        (pairs) =>
          JSON.parse(
            `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`,
          ) as Json,
      ),
  ),
})).json;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('the codec', () => {
  it('gives the same canonical bytes after any number of journeys, whatever the JSON', () => {
    fc.assert(
      fc.property(json, (value) => {
        const once = encodeCanonical(value);
        assert.equal(hex(encodeCanonical(decode(once))), hex(once));
        assert.equal(hex(encodeCanonical(decode(encode(value)))), hex(once));
        assert.equal(hex(encode(canonical(value))), hex(once));
      }),
      { numRuns: 1_000 },
    );
  });

  it('says beforehand what a value is after its journey', () => {
    fc.assert(
      fc.property(json, (value) => {
        assert.deepEqual(decode(encode(value)), wired(value));
        assert.deepEqual(decode(encodeCanonical(value)), canonical(value));
      }),
    );
  });

  it('replaces half a surrogate pair, short text or long, value or key', () => {
    for (const length of [0, 1, 10, 40, 80, 300]) {
      const padding = 'x'.repeat(length);
      assert.equal(decode(encode(`${padding}\ud83d`)), `${padding}\ufffd`);
      assert.deepEqual(decode(encode({ [`${padding}\ude00`]: [padding] })), {
        [`${padding}\ufffd`]: [padding],
      });
    }
    assert.equal(decode(encode('\u{1f600}')), '\u{1f600}');
  });

  it('keeps dates, bytes and keys that shadow methods', () => {
    const value = {
      constructor: 1,
      toJSON: 'x',
      date: new Date(-5),
      bytes: Uint8Array.of(1, 2),
      none: null,
    };
    const back = decode(encode(value)) as typeof value;
    assert.deepEqual({ ...back, bytes: [...back.bytes] }, { ...value, bytes: [1, 2] });
  });

  it('leaves out undefined values and a key __proto__, and pollutes nothing', () => {
    const hostile = JSON.parse('{"b": 1, "__proto__": {"polluted": true}, "a": {"__proto__": 1}}');
    for (const bytes of [encode(hostile), encodeCanonical(hostile)]) {
      const back = decode(bytes) as Record<string, unknown>;
      assert.equal(back.polluted, undefined);
      assert.deepEqual(back, { a: {}, b: 1 });
    }
    assert.deepEqual(decode(encode({ a: undefined, b: 1 })), { b: 1 });
    // {"__proto__": {"polluted": 1}}, as another encoder may send it
    const sent = decode(Buffer.from('81a95f5f70726f746f5f5f81a8706f6c6c7574656401', 'hex')) as object;
    assert.equal((sent as { polluted?: unknown }).polluted, undefined);
    assert.equal(Object.getPrototypeOf(sent), Object.prototype);
  });

  it('says BAD_FORMAT to what no message can hold', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    for (const value of [cycle, deep, Symbol('x'), 2n ** 70n]) {
      assert.throws(() => encode(value), { code: 'BAD_FORMAT' });
      assert.throws(() => encodeCanonical(value), { code: 'BAD_FORMAT' });
    }
  });

  it('says BAD_FORMAT to all that is not one whole value of the format, and goes on', () => {
    const good = encode({ a: [1, 'two', Uint8Array.of(3)] });
    const extension = (type: number, content: number[]) => [0xc7, content.length, type, ...content];
    const bad = [
      [],
      [...good, 0],
      [...good.subarray(0, -1)],
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      Array(8).fill([0xdf, 0x01, 0xff, 0xff, 0xff]).flat(),
      Array(100_000).fill(0x91),
      // big integer, set, error, regular expression, typed array, reference: readable by msgpackr alone
      extension(0x42, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      [0xd4, 0x73, 0, 0x91, 1],
      [0xd4, 0x65, 0, 0x92, 0xa5, 0x45, 0x72, 0x72, 0x6f, 0x72, 0xa1, 0x78],
      [0xd4, 0x78, 0, 0x92, 0xa1, 0x78, 0xa0],
      extension(0x74, [1, 2, 3]),
      [0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1],
    ];
    for (const bytes of bad) {
      assert.throws(() => decode(Uint8Array.from(bytes)), { code: 'BAD_FORMAT' }, `${bytes.slice(0, 20)}`);
      assert.equal(hex(encode(decode(good))), hex(good));
    }
  });

  it('decodes any bytes or says BAD_FORMAT, and is none the worse for it', () => {
    const good = encodeCanonical({ a: { b: ['text', 1.5, null] }, date: new Date(1) });
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(good.byteLength - 1), fc.nat(255)), { maxLength: 4 }),
        (random, flips) => {
          const damaged = Uint8Array.from(good);
          for (const [at, to] of flips) damaged[at] = to;
          for (const bytes of [random, damaged]) {
            try {
              decode(bytes);
            } catch (error) {
              assert.equal((error as { code?: string }).code, 'BAD_FORMAT');
            }
            assert.equal(hex(encodeCanonical(decode(good))), hex(good));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
