/** Primitives, which are rendered without the inspection library: alike, and leaving nothing behind. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { format, inspect } from 'node:util';
import fc from 'fast-check';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { Guest } from '../kit/guest.ts';
import { KernelSession } from '../kit/kernel-session.ts';

let guest: Guest;
before(async () => {
  guest = await Guest.boot();
});

/** Among them strings on either side of what is rendered without the library. */
const character = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) },
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
  fc.constantFrom(
    "'",
    '"',
    '`',
    '\\',
    '\n',
    '\x7f',
    '\x9f',
    '\xa0',
    '\u2028',
    '\ud7ff',
    '\ue000',
    '%',
    '😀',
    '%s',
  ),
);
const primitive = fc.oneof(
  fc.string({ unit: character, maxLength: 30 }),
  fc.string({ maxLength: 300 }),
  fc.string({ unit: character, minLength: 197, maxLength: 203 }),
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  fc.bigInt({ min: 2n ** 64n - 2n, max: 2n ** 64n + 2n }),
  fc.constantFrom(
    -0,
    0,
    Number.NaN,
    1 / 0,
    -1 / 0,
    1e21,
    1e-7,
    5e-324,
    true,
    false,
    null,
    undefined,
    -(2n ** 64n),
  ),
);
const literal = (given: unknown): string => {
  if (typeof given === 'bigint') return `${given}n`;
  if (typeof given === 'string') return JSON.stringify(given);
  return Object.is(given, -0) ? '-0' : String(given);
};

describe('results', () => {
  it('that are primitives are written as util.inspect writes them', () => {
    fc.assert(
      fc.property(primitive, (given) => {
        assert.equal(guest.show(`(${literal(given)})`), given === undefined ? '' : inspect(given));
      }),
      { numRuns: 1000 },
    );
  });

  it('follow options that a custom inspect function has changed', async () => {
    const changed = await Guest.boot();
    changed.run(
      'let set; ({ [Symbol.for("nodejs.util.inspect.custom")](depth, options, inspect) { set = (given) => { inspect.defaultOptions = given }; return "" } })',
    );
    changed.run('set({ numericSeparator: true })');
    assert.equal(changed.show('123456'), '123_456');
    assert.deepEqual(changed.run('console.log("n", 123456n)').stdout, ['n 123_456n']);
    changed.run('set({ numericSeparator: false, maxStringLength: 3 })');
    assert.equal(changed.show('"abcdef"'), "'abc'... 3 more characters");
    changed.run('set({ maxStringLength: 10_000 })');
    assert.equal(changed.show('"abcdef"'), "'abcdef'");
  });

  it('leave nothing behind for the garbage collector, which would be in every image', async () => {
    const host = await makeKernelHost({ threads: 1, maxThreads: 1 });
    try {
      const session = await KernelSession.open(host, 's');
      await session.run('let n = 0');
      const size = async () => (await host.capture('s')).bytes.length;
      const cells = ['n = n + 1', '"text" + n', 'console.log("n is", n, true)', '({ a: [n] })', 'throw n'];
      const run = async (times: number) => {
        for (let i = 0; i < times; i++) for (const code of cells) await session.run(code);
      };
      await run(4);
      const early = await size();
      await run(40);
      const grown = (await size()) - early;
      assert.ok(grown < 1024, `200 cells made the image ${grown} bytes larger`);
    } finally {
      await host.close();
    }
  });
});

describe('console', () => {
  it('joins primitives as util.format does', () => {
    fc.assert(
      fc.property(fc.array(primitive, { maxLength: 4 }), fc.constantFrom('log', 'error'), (args, level) => {
        // Bigints are no JSON: Node throws.
        fc.pre(!`${args[0]}`.includes('%j'));
        const turn = guest.run(`console.${level}(${args.map(literal).join(', ')})`);
        assert.deepEqual(level === 'log' ? turn.stdout : turn.stderr, [format(...args)]);
      }),
      { numRuns: 1000 },
    );
  });

  it('bounds lines of many long strings', () => {
    const [line] = guest.run('const long = "x".repeat(200_000); console.log(long, long, 1)').stdout;
    assert.equal(line!.length, 256 * 1024 + '… 137859 more characters'.length);
    assert.match(line!, /^x{200000} x{62143}… 137859 more characters$/);
  });

  it('does not ask String.prototype.concat of the user', async () => {
    const hostile = await Guest.boot();
    hostile.run('try { String.prototype.concat = () => "mine" } catch {}');
    hostile.run(
      'try { Object.defineProperty(String.prototype, "concat", { value: () => "mine" }) } catch {}',
    );
    assert.deepEqual(hostile.run('console.log("a", 1); console.log({ b: `${1}c` })').stdout, [
      'a 1',
      "{ b: '1c' }",
    ]);
    assert.equal(hostile.show('"a".concat("b", 1)'), "'ab1'");
  });
});
