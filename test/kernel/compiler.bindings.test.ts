/** What names stand for at the top level, before, between and after the cells that declare them: as V8's REPL mode. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { Guest } from '../kit/guest.ts';
import { CREATED_MS, KernelSession } from '../kit/kernel-session.ts';
import { type ReplMode, replMode } from '../kit/repl-mode.ts';

let guest: Guest;
let v8: ReplMode;
before(async () => {
  guest = await Guest.boot();
  v8 = await replMode();
});
after(() => v8.close());

/** Cells that declare N, or try to. */
const CELLS = [
  '',
  'let N = 1; 0',
  'let N',
  'const N = 2; 0',
  'class N { static toString() { return "class" } }',
  'var N = 3; 0',
  'function N() { return 4 }',
  'let N = missing()',
  'const N = missing()',
  'class N extends missing {}',
  'let N = N',
  'N; let N = 5; 0',
  'typeof N; let N',
  'N = 6; let N',
  'let other$, { N } = null',
  'throw new RangeError("no"); const N = 7',
  'await null; throw new RangeError("no"); let N = 8',
  'const N = await 9; 0',
  'let N = N + 10; 0',
  'let [N, more$] = [11, N]; 0',
  'try { N } catch (e) { e.name } let N = 12; 0',
  '(() => { N = 13 })(); const N = 13',
  'use$; function use$() { return N } let N = 14; 0',
  'globalThis.N = 15; 0',
  'let other$ = 1, N = 16, last$ = String(N); 0',
  'const many$ = [], /* , */ N = (17), never$ = missing',
];

/** What is then asked of N, one after the other. */
const PROBES = [
  'typeof N',
  'String(N)',
  'read$()',
  'eval("N = 21"); 0',
  'String(N)',
  'new Function("N = 22")(); 0',
  'String(N)',
  'write$(23); 0',
  'String(N)',
  'N = 24; 0',
  'N += 1; 0',
  'String(N)',
  'String(globalThis.N)',
];

async function inV8(code: string): Promise<string> {
  return outcome(await v8.run(code));
}

function here(code: string): string {
  const { error, result } = guest.run(code);
  if (error !== undefined) return outcome(`throws ${error.name}: ${error.message}`);
  const text = result?.text ?? '';
  return text === ''
    ? 'undefined'
    : text.replace(/^'(.*)'$/, '$1').replace(/^(\[Function|\[class).*/, '[function]');
}

/** Errors by their kind: the words are the engine's. */
const outcome = (text: string): string =>
  /already been declared|^throws SyntaxError: Identifier/.test(text)
    ? 'refused'
    : text.replace(/^throws (\w+):.*/, 'throws $1').replace(/^Uncaught: /, '');

let names = 0;

/** A session of two cells and all probes, with the first difference. */
async function compare(first: string, second: string): Promise<string | undefined> {
  const name = `n${names++}`;
  const own = (code: string) => code.replace(/\bN\b/g, name).replace(/\$/g, `_${name}`);
  const cells = [
    first,
    'var read$ = () => String(N), write$ = (value) => { N = value }; 0',
    second,
    ...PROBES,
  ];
  const done: string[] = [];
  for (const cell of cells.map(own)) {
    if (cell === '') continue;
    const expected = await inV8(cell);
    // It refuses some kinds over others, which cells may (`docs/cells.md`).
    if (expected === 'refused') return undefined;
    const actual = here(cell);
    done.push(`${cell}  // ${actual}`);
    // Writing to a constant without a value is a ReferenceError by the language, a TypeError in V8.
    const both = `${actual} ${expected}` === 'throws ReferenceError throws TypeError';
    if (actual !== expected && !both) return `${done.join('\n')} but ${expected} in V8`;
  }
  return undefined;
}

describe('names at the top level', () => {
  for (const first of CELLS) {
    it(`are what they are in V8 after ${JSON.stringify(first)}`, async () => {
      for (const second of CELLS) assert.equal(await compare(first, second), undefined);
    });
  }
});

/** Ways in which a cell ends before it comes to a declaration. */
const ENDS: Record<string, (session: KernelSession, declare: string) => Promise<unknown>> = {
  'an error': (session, declare) => session.run(`missing; ${declare}`),
  'an error after an await': (session, declare) => session.run(`await 1; missing; ${declare}`),
  'a strike': (session, declare) => session.run(`while (true); ${declare}`, { timeoutMs: 100 }),
  'a strike after an await': (session, declare) =>
    session.run(`await 1; while (true); ${declare}`, { timeoutMs: 100 }),
  'exit()': (session, declare) => session.run(`exit(); ${declare}`),
  'a promise that nothing settles': (session, declare) =>
    session.run(`await new Promise(() => {}); ${declare}`),
  'being abandoned': async (session, declare) => {
    await session.run(`await new Promise((done) => setTimeout(done, 10)); ${declare}`);
    await session.abandon('user');
  },
};

describe('a name whose cell ended before its declaration', () => {
  it('has no value, and may be declared again and again, also in an image', async () => {
    const host = await makeKernelHost({ threads: 1 });
    try {
      for (const [end, run] of Object.entries(ENDS)) {
        const session = await KernelSession.open(host, end);
        await run(session, 'let a = 1');
        await run(session, 'const b = 1; class c {}');
        await run(session, 'let [a, d] = [1, 2]');
        await host.park(end);
        for (const name of ['a', 'b', 'c', 'd']) {
          const { error } = await session.run(name);
          assert.equal(error?.message, `${name} is not initialized`, end);
        }
        assert.equal(
          await session.value('const a = 1, d = 2; let b = 3; class c {}; [a, b, d]'),
          '[ 1, 3, 2 ]',
        );
        const { error } = await session.run('eval("a = 5")');
        assert.equal(error?.name, 'TypeError', end);
        await run(session, 'const a = 7');
        assert.equal(await session.value('a'), '1', end);
      }
    } finally {
      await host.close();
    }
  });
});

describe('constants that are declared again', () => {
  it('are constant once their cell has ended, in whatever way', async () => {
    const host = await makeKernelHost({ threads: 1 });
    try {
      for (const [end, run] of Object.entries(ENDS)) {
        const session = await KernelSession.open(host, end);
        await session.run('const k = 1; const set = (v) => { k = v }');
        await run(session, 'const k = 2');
        for (const write of ['eval("k = 3")', 'set(3)', 'new Function("k = 3")()', '({ k } = { k: 3 })']) {
          assert.equal((await session.run(write)).error?.name, 'TypeError', `${write} after ${end}`);
        }
        assert.equal(await session.value('k'), '1', end);
        assert.equal(await session.value('const k = k + 1, more = k; [k, more]'), '[ 2, 2 ]', end);
        assert.equal((await session.run('eval("k = 3")')).error?.name, 'TypeError', end);
        assert.equal(await session.value('let k = 4; eval("k = 5"); k'), '5', end);
      }
    } finally {
      await host.close();
    }
  });

  it('are as they were when the engine refuses the cell', async () => {
    guest.run('const kept = 1');
    const refused = guest.run('let kept = 2; /(?<a>x)(?<a>y)/');
    assert.equal(refused.error?.name, 'SyntaxError');
    assert.equal(guest.run('eval("kept = 3")').error?.name, 'TypeError');
    assert.equal(guest.show('kept'), '1');
  });
});

it('sessions of version 1 go on as they began', async () => {
  const host = await makeKernelHost({ threads: 1 });
  try {
    await host.open('old', { boot: { sessionId: 'old', createdMs: CREATED_MS, seed: 's', version: 1 } });
    const session = new KernelSession(host, 'old');
    assert.equal(await session.value('let x = x; typeof x'), "'undefined'");
    await session.run('let y = missing()');
    assert.equal(await session.value('typeof y'), "'undefined'");
    assert.equal(await session.value('const c = 1; eval("c = 2"); c'), '2');
    assert.equal((await session.run('c = 3')).error?.message, 'Assignment to constant variable.');
    assert.equal(await session.value('{ a: 1 };'), '1');
    assert.equal(await session.value('{} + 1'), "'[object Object]1'");
    assert.equal((await session.run('5 // old\u2028 6')).error?.name, 'SyntaxError');
    assert.equal(await session.value('{ let o = 2; for (var o of [3]) ; } o'), '3');
  } finally {
    await host.close();
  }
});
