/** Looks (variables, completions) at values that are hostile to being looked at: bounded, and nothing of theirs runs. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { LOOKING_FUEL } from '../../actors/kernel/limits.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { KernelSession } from '../kit/kernel-session.ts';

const TRAPS = ['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor', 'isExtensible'];
const handler = (body: string) => `{ ${TRAPS.map((trap) => `${trap}() { ${body} }`).join(', ')} }`;
const TARGET = '({ size: 1, sort: 2 })';

/** Makes a value; what its preview and the completions of `value.s` are. */
const HOSTILE: Record<string, { code: string; preview: RegExp; members: string[] }> = {
  'a proxy whose traps throw': {
    code: `new Proxy(${TARGET}, ${handler('throw new Error("trap")')})`,
    preview: /^\{ size: 1, sort: 2 \}$/,
    members: ['size', 'sort'],
  },
  'a proxy whose traps never end': {
    code: `new Proxy(${TARGET}, ${handler('for (;;);')})`,
    preview: /^\{ size: 1, sort: 2 \}$/,
    members: ['size', 'sort'],
  },
  'a proxy of a proxy': {
    code: `new Proxy(new Proxy(${TARGET}, ${handler('for (;;);')}), ${handler('for (;;);')})`,
    preview: /^\{ size: 1, sort: 2 \}$/,
    members: ['size', 'sort'],
  },
  'an heir of a proxy': {
    code: `Object.create(new Proxy(${TARGET}, ${handler('for (;;);')}))`,
    preview: /./,
    members: ['size', 'sort'],
  },
  'a revoked proxy': {
    code: `(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()`,
    preview: /^<Revoked Proxy>$/,
    members: [],
  },
  'a string of 16M characters': {
    code: '"s".repeat(2 ** 24)',
    preview: /^'s{100}/,
    members: [
      'search',
      'slice',
      'small',
      'split',
      'startsWith',
      'strike',
      'sub',
      'substr',
      'substring',
      'sup',
    ],
  },
  'an array of 16M bytes': {
    code: 'new Uint8Array(2 ** 24)',
    preview: /^Uint8Array\(16777216\)/,
    members: ['set', 'slice', 'some', 'sort', 'subarray'],
  },
  'an object whose own rendering never ends': {
    code: '({ s1: 1, [Symbol.for("nodejs.util.inspect.custom")]() { for (;;); } })',
    preview: /^<cannot be shown/,
    members: ['s1'],
  },
  'an object whose own rendering takes all memory': {
    code: '({ s1: 1, [Symbol.for("nodejs.util.inspect.custom")]() { for (const l = []; ; ) l.push(new Uint8Array(1e6).fill(1)); } })',
    preview: /^<cannot be shown/,
    members: ['s1'],
  },
};

describe('a look', () => {
  let host: KernelHost;
  let count = 0;
  before(async () => {
    host = await makeKernelHost({ threads: 1, maxThreads: 1 });
  });
  after(() => host.close());
  const open = () => KernelSession.open(host, `s${++count}`);

  for (const [what, { code, preview, members }] of Object.entries(HOSTILE)) {
    it(`shows what can be shown beside and of ${what}`, async () => {
      const session = await open();
      await session.run(`let first = 1; var value = ${code}; let last = "end"; 0`);
      const before = await session.stateId();
      const { variables } = await host.inspect(session.name);
      const shown = Object.fromEntries(variables.map((one) => [one.name, one.preview]));
      assert.equal(shown.first, '1');
      assert.equal(shown.last, "'end'");
      assert.match(shown.value!, preview);
      const found = await host.complete(session.name, 'value.s', 7);
      assert.deepEqual(found.completions, members);
      assert.equal(await session.stateId(), before);
    });
  }

  it('has a budget: when many never end, those that are left are withheld', async () => {
    const session = await open();
    const endless = '({ [Symbol.for("nodejs.util.inspect.custom")]() { for (;;); } })';
    await session.run(
      `var list = 0; ${Array.from({ length: 50 }, (_, at) => `var v${at} = ${endless};`).join('')} 0`,
    );
    const { variables } = await host.inspect(session.name);
    assert.equal(variables.length, 51);
    assert.ok(
      variables.every(({ name, preview }) => name === 'list' || preview.startsWith('<cannot be shown')),
    );
    assert.ok(LOOKING_FUEL < 1_000);
  });

  const SLOW = 'Object.defineProperty(new Error("e"), "stack", { get() { for (;;); } })';
  const FULL =
    '({ [Symbol.for("nodejs.util.inspect.custom")]() { for (const l = []; ; ) l.push(new Uint8Array(1e6).fill(1)); } })';
  for (const [what, bad, many] of [
    ['four errors whose stack never ends', SLOW, 4],
    ['eighteen errors whose stack never ends', SLOW, 18],
    ['two renderings that take all memory', FULL, 2],
  ] as const) {
    it(`shows the variables before, between and behind ${what}`, async () => {
      const session = await open();
      const good = (at: number) => `var good${at} = { at: ${at} };`;
      const pairs = Array.from({ length: many }, (_, at) => `var bad${at} = ${bad}; ${good(at + 1)}`);
      await session.run(`${good(0)} ${pairs.join(' ')} 0`);
      const { variables } = await host.inspect(session.name);
      assert.equal(variables.length, 2 * many + 1);
      for (const { name, preview } of variables) {
        if (name.startsWith('bad')) assert.match(preview, /^<cannot be shown: it takes too long/, name);
        else assert.equal(preview, `{ at: ${name.slice(4)} }`, name);
      }
    });
  }

  it('keeps what it has shown when its budget ends, and says of the rest that it was not reached', async () => {
    const session = await open();
    const list = Array.from({ length: 150 }, (_, at) => `var bad${at} = ${SLOW};`).join('');
    await session.run(`var first = 1; ${list} var last = 1; 0`);
    const { variables } = await host.inspect(session.name);
    const previews = Object.fromEntries(variables.map(({ name, preview }) => [name, preview]));
    assert.equal(previews.first, '1');
    assert.match(previews.bad0!, /^<cannot be shown: it takes too long/);
    assert.match(previews.last!, /^<cannot be shown: others take/);
  });

  it('lists all variables although showing one makes and removes others', async () => {
    const session = await open();
    const meddling =
      '({ [Symbol.for("nodejs.util.inspect.custom")]() { delete globalThis.a; globalThis.z = 1; return "done"; } })';
    await session.run(`var meddler = ${meddling}; globalThis.a = 1; var bad = ${SLOW}; globalThis.b = 2; 0`);
    const { variables } = await host.inspect(session.name);
    assert.deepEqual(variables.map(({ name }) => name).sort(), ['a', 'b', 'bad', 'meddler']);
    assert.equal(variables.find(({ name }) => name === 'b')!.preview, '2');
  });

  it('does not ask what users put in place of built-ins', async () => {
    const session = await open();
    await session.run('var word = { sum: 1 }; RegExp.prototype.exec = () => { for (;;); }; 0');
    assert.deepEqual((await host.complete(session.name, 'word.s', 6)).completions, ['sum']);
    assert.equal((await host.inspect(session.name)).variables[0]?.preview, '{ sum: 1 }');
  });
});
