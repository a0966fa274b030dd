/** Results and console output against Node's own `util.inspect` and `console`. */
import assert from 'node:assert/strict';
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { Guest } from '../kit/guest.ts';

let guest: Guest;
before(async () => {
  guest = await Guest.boot();
});

/** Source text of values that every version of Node prints alike. */
const key = fc.constantFrom('a', 'b', 'key', 'a-b', '0', '12', 'constructor', '__x', 'é', 'with space', '');
const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    "it's",
    '"',
    '`',
    '\n',
    '\\',
    '\'"',
    '\x7f',
    '\ud800',
    'x'.repeat(90),
    'line\nline\n'.repeat(4),
  ),
);
const leaf = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: false }).map((value) => (Object.is(value, -0) ? '-0' : String(value))),
  text.map((value) => JSON.stringify(value).replace(/\u2028|\u2029/g, ' ')),
  fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map((value) => `${value}n`),
  fc.constantFrom(
    'null',
    'undefined',
    'true',
    'false',
    '-0',
    'NaN',
    'Infinity',
    'Symbol("s")',
    'Symbol()',
    'Symbol.iterator',
    'new Date(0)',
    'new Date(NaN)',
    '/x\\/y/gi',
    '() => 1',
    'function named() {}',
    'async () => {}',
    'function* gen() {}',
    'class A {}',
    'class B extends Map {}',
    'Object(1)',
    'Object("boxed")',
    'Object(true)',
    'Object(1n)',
    'Object(Symbol("b"))',
    'new WeakMap()',
    'new WeakSet()',
    'Object.create(null)',
    'new (class Foo { x = 1; #hidden = 2 })()',
    'new (class extends Array {})(3)',
    'Math',
    'JSON',
    'Object.assign(() => {}, { a: 1 })',
    '({ get a() { return 1 }, set a(v) {}, get b() { return 2 }, set c(v) {} })',
    'new Uint8Array([1, 2, 3])',
    'new Float64Array(2)',
    'new BigInt64Array(1)',
    '[1, , 3, , ,]',
    'new Array(150)',
    'new Array(120).fill(0)',
    'new Uint8Array(150)',
    '(function () { return arguments })(1, 2)',
    '(() => { const a = { n: 1 }; a.self = a; return a })()',
    '(() => { const m = new Map(); m.set("m", m); return m })()',
    'Object.assign(Object.create({ inherited: 1 }), { own: 2 })',
    '[["a", 1], ["b", 2]]',
    '"x".repeat(12000)',
    'Object.assign([1, 2], { extra: 3 })',
    'new (class extends Set {})([1])',
    '({ __proto__: { constructor: undefined } })',
    '(function* () {})()',
    '[1][Symbol.iterator]()',
    'new (class Tagged { get [Symbol.toStringTag]() { return "T" } })()',
    '({ [Symbol.for("nodejs.util.inspect.custom")](depth, options) { return `custom ${depth}` } })',
  ),
);
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 8 }).map((items) => `[${items.join(', ')}]`),
    fc
      .array(fc.tuple(key, tie('value')), { maxLength: 5 })
      .map(
        (entries) => `({ ${entries.map(([name, item]) => `${JSON.stringify(name)}: ${item}`).join(', ')} })`,
      ),
    fc
      .array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 })
      .map((entries) => `new Map([${entries.map(([name, item]) => `[${name}, ${item}]`).join(', ')}])`),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `new Set([${items.join(', ')}])`),
  ),
}));

const evaluate = (code: string): unknown =>
  runInContext(`(${code}\n)`, createContext({ Map, Set, Object, Array }));

describe('results', () => {
  it('are written as util.inspect writes them', () => {
    fc.assert(
      fc.property(value, (code) => {
        const expected = inspect(evaluate(code));
        assert.equal(guest.show(`(${code}\n)`), expected === 'undefined' ? '' : expected, code);
      }),
      { numRuns: 400 },
    );
  });

  it('show errors with their stack in the cell, causes and properties', () => {
    const shown = guest.show(
      'Object.assign(new Error("out", { cause: new TypeError("in") }), { code: "E" })',
    );
    assert.equal(
      shown.replace(/<cell \d+>:1:\d+/g, 'cell:1'),
      "Error: out\n    at cell:1 {\n  code: 'E',\n  [cause]: TypeError: in\n      at cell:1\n}",
    );
    assert.equal(
      guest.show('const e = new RangeError("m"); e.stack = undefined; [e]'),
      inspect([Object.assign(new RangeError('m'), { stack: undefined })]),
    );
    assert.match(
      guest.show('new (class MyError extends Error {})("m")'),
      /^MyError: m\n {4}at <cell \d+>:1:\d+$/,
    );
    assert.match(
      guest.show('new AggregateError([new Error("one")], "many")'),
      /^AggregateError: many\n[\s\S]*\[errors\]: \[\n {4}Error: one\n/,
    );
  });

  it('show the state of promises', () => {
    assert.equal(
      guest.show('[Promise.resolve(1), new Promise(() => {}), Promise.reject(2)]'),
      '[ Promise { 1 }, Promise { <pending> }, Promise { <rejected> 2 } ]',
    );
  });

  it('do not run the traps of proxies', () => {
    assert.doesNotMatch(
      guest.show(
        'const trap = () => { throw new Error("trapped") }; [new Proxy({ a: 1 }, { get: trap, ownKeys: trap, getPrototypeOf: trap, has: trap })]',
      ),
      /trapped/,
    );
    assert.equal(
      guest.show('new Proxy(class {}, {}).name + Proxy.name + Proxy.length + ("prototype" in Proxy)'),
      "'Proxy2false'",
    );
  });

  it('survive whatever rendering throws', () => {
    assert.equal(
      guest.show('({ [Symbol.for("nodejs.util.inspect.custom")]() { throw new Error("custom") } })'),
      '[cannot be rendered: Error: custom]',
    );
    assert.equal(
      guest.show('({ get [Symbol.toStringTag]() { throw 1 } })'),
      '{ [Symbol(Symbol.toStringTag)]: [Getter] }',
    );
  });

  // Expectations are spelled out: the newest Node writes some of these otherwise than its LTS lines.
  for (const [code, shown] of [
    ['({ [Symbol("x")]: 1, [Symbol()]: 2 })', '{ [Symbol(x)]: 1, [Symbol()]: 2 }'],
    ['Object.defineProperty({}, Symbol("x"), { value: 1 })', '{}'],
    ['Object.assign([1], { [Symbol("x")]: 1 })', '[ 1, [Symbol(x)]: 1 ]'],
    ['new ArrayBuffer(2)', 'ArrayBuffer { [Uint8Contents]: <00 00>, byteLength: 2 }'],
    [
      'new DataView(new ArrayBuffer(1))',
      'DataView {\n  byteLength: 1,\n  byteOffset: 0,\n  buffer: ArrayBuffer { [Uint8Contents]: <00>, byteLength: 1 }\n}',
    ],
    ['new Proxy({ a: 1 }, {})', '{ a: 1 }'],
    ['[new Proxy(new Proxy([1], {}), {}), new Proxy(class A {}, {})]', '[ [ 1 ], [class A] ]'],
    ['(() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy })()', '<Revoked Proxy>'],
    [
      '/(?<n>b)/.exec("abc")',
      "[\n  'b',\n  'b',\n  index: 1,\n  input: 'abc',\n  groups: [Object: null prototype] { n: 'b' }\n]",
    ],
    ['"ab".match(/a/)', "[ 'a', index: 0, input: 'ab', groups: undefined ]"],
    ['new Map([[1, 2]]).keys()', 'Object [Map Iterator] {}'],
    ['[new Set([1])[Symbol.iterator]()]', '[ Object [Set Iterator] {} ]'],
    ['new URLSearchParams("a=1&b=x")', "URLSearchParams { 'a' => '1', 'b' => 'x' }"],
    ['[new URLSearchParams()]', '[ URLSearchParams {} ]'],
    ['new AbortController()', 'AbortController { signal: AbortSignal { aborted: false } }'],
    ['new (class Mine extends EventTarget {})()', 'Mine {}'],
    ['new TextDecoder()', "TextDecoder { encoding: 'utf-8', fatal: false, ignoreBOM: false }"],
    [
      'new URL("http://u:p@a.b:8/c?d=e#f")',
      "URL {\n  href: 'http://u:p@a.b:8/c?d=e#f',\n  origin: 'http://a.b:8',\n  protocol: 'http:',\n  username: 'u',\n  password: 'p',\n  host: 'a.b:8',\n  hostname: 'a.b',\n  port: '8',\n  pathname: '/c',\n  search: '?d=e',\n  searchParams: URLSearchParams { 'd' => 'e' },\n  hash: '#f'\n}",
    ],
  ] as const) {
    it(`show ${code.slice(0, 60)}`, () => {
      assert.equal(guest.show(code), shown);
    });
  }

  it('show a DOMException with its place in the cell', () => {
    assert.match(
      guest.show('[new DOMException("m", "AbortError")]'),
      /^\[\n {2}DOMException \[AbortError\]: m\n {6}at <cell \d+>:1:\d+\n\]$/,
    );
    const { error } = guest.run('\natob("!")');
    assert.match(error!.stack, /^DOMException \[InvalidCharacterError\]: .*\n {4}at <cell \d+>:2:\d+$/);
  });

  it('know what things are, whatever their tags and prototypes say', () => {
    for (const code of [
      'Object.setPrototypeOf(new Map([[1, 2]]), null)',
      'Object.setPrototypeOf(new Set([1]), null)',
      'Object.create(Map.prototype)',
      'Object.create(Date.prototype)',
      'new (class extends Map { get [Symbol.toStringTag]() { return "Forged" } })()',
      '({ __proto__: Promise.prototype })',
    ]) {
      assert.equal(guest.show(code), inspect(evaluate(code)), code);
    }
  });

  it('are bounded in size', () => {
    const turn = guest.run('Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => ["k" + i, i]))');
    assert.ok(turn.result!.text.length < 30_000);
    assert.equal(turn.result!.truncated, true);
    assert.match(turn.result!.text, /only the first 1000 keys/);
    const wide = guest.run(
      'const row = () => Array.from({ length: 100 }, () => "0123456789".repeat(20)); Array.from({ length: 100 }, () => [row(), row()])',
    );
    assert.ok(wide.result!.text.length <= 256 * 1024 + 100);
    assert.match(guest.show('new Array(2_000_000).fill(1)'), /1999900 more items/);
    assert.match(guest.show('new Uint8Array(3_000_000)'), /2999900 more items/);
    assert.match(guest.show('new Set(Array.from({ length: 200_000 }, (_, i) => i))'), /199900 more items/);
    assert.match(
      guest.show('let deep = []; for (let i = 0; i < 100_000; i++) deep = [deep]; deep'),
      /^\[ \[ \[ \[Array\] \] \] \]$/,
    );
    assert.match(guest.run('console.log("x".repeat(1_000_000))').stdout[0]!, /x… 737856 more characters$/);
  });
});

describe('errors', () => {
  it('of any kind become name, message and text', () => {
    const error = (code: string) => guest.run(code).error!;
    assert.deepEqual(error('throw 5'), { name: 'Uncaught', message: '5', stack: '5' });
    assert.equal(error('throw { a: 1 }').message, '{ a: 1 }');
    assert.equal(error('throw null').stack, 'null');
    assert.equal(error('null.x').name, 'TypeError');
    assert.equal(error('class MyError extends Error { name = "Mine" }; throw new MyError("m")').name, 'Mine');
    assert.equal(
      error('throw Object.defineProperty(new Error("m"), "message", { get() { throw 1 } })').name.length > 0,
      true,
    );
    assert.equal(error('(function r() { r() })()').name, 'RangeError');
    assert.equal(error('(function r() { r() })()').stack, 'RangeError: Maximum call stack size exceeded');
    const named = error(
      'class Base extends Error {}\nclass Named extends Base { constructor(m) { super(m); this.name = "Named" } }\nfunction f() { throw new Named("boo") }\nf()',
    );
    assert.match(named.stack, /^Named: boo\n {4}at f \(<cell \d+>:3:\d+\)\n {4}at <cell \d+>:4:1/);
    assert.equal(guest.show('1 + 1'), '2');
  });
});

describe('console', () => {
  /** What Node prints for the same calls. */
  function node(code: string): { out: string; err: string } {
    const streams = { out: '', err: '' };
    const sink = (name: 'out' | 'err') =>
      new Writable({
        write(chunk, _encoding, done) {
          streams[name] += chunk;
          done();
        },
      });
    const console = new Console({ stdout: sink('out'), stderr: sink('err') });
    runInContext(code, createContext({ console, Map, Set, Object, Array }));
    return streams;
  }

  for (const code of [
    'console.log("plain", 1, { a: [1, { b: {} }] }, [undefined, null], "text")',
    'console.log("%s|%d|%i|%f|%j|%o|%O|%c|%%|%x", "s", "42", 3.7, "2.5", { a: 1 }, [1], { a: { b: { c: {} } } }, "css", "rest")',
    'console.log("%s", { a: 1 }, "%s"); console.log("%s %s", "one"); console.log("100%"); console.log()',
    'console.info(1); console.debug("2"); console.warn("3"); console.error("4", { a: 1 })',
    'console.group("outer"); console.log("in\\nside"); console.group(); console.log({ a: 1 }); console.groupEnd(); console.warn("w"); console.groupEnd(); console.groupEnd(); console.log("out")',
    'console.count(); console.count("x"); console.count(); console.countReset(); console.count()',
    'console.assert(true, "no"); console.assert(false); console.assert(false, "why %s", "this"); console.assert(false, { a: 1 })',
    'console.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 }); console.dir([1])',
    'console.table([{ a: 1, b: "x" }, { a: 2, c: { d: 1 } }]); console.table([[1, 2], [3, 4]], ["1"]); console.table(new Map([["k", { z: 1 }]])); console.table(new Set([1])); console.table([1, "two"]); console.table(5)',
    'console.log("%s", () => 1, Symbol("s"), -0, 5n); console.log("%d %i", 5n, -0); console.log("a%", 1)',
  ]) {
    it(`prints what Node prints: ${code.slice(0, 60)}`, () => {
      const expected = node(code);
      const turn = guest.run(code);
      const joined = (lines: string[]) => lines.map((line) => `${line}\n`).join('');
      assert.equal(joined(turn.stdout), expected.out);
      assert.equal(joined(turn.stderr), expected.err);
    });
  }

  it('measures time on the clock of the step', () => {
    guest.run('console.time("t")');
    guest.nowMs += 1500;
    assert.deepEqual(
      guest.run('console.timeLog("t", 1); console.timeEnd("t"); console.timeEnd("t")').stdout,
      ['t: 1.500s 1', 't: 1.500s'],
    );
  });

  it('traces to stderr, with frames of cells only', () => {
    assert.match(
      guest.run('function f() { console.trace("here %d", 1) }\nf()').stderr[0]!,
      /^Trace: here 1\n {4}at f \(<cell \d+>:1:\d+\)\n {4}at <cell \d+>:2:1$/,
    );
  });
});
