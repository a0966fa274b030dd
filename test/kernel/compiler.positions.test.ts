/** Where errors point: into the user's code, whatever the compiler did to it. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { compileCell, initialCompilerState } from '../../actors/kernel/compiler/compile.ts';
import { Guest } from '../kit/guest.ts';

let guest: Guest;
before(async () => {
  guest = await Guest.boot();
});

/** Frames of the error that `code` throws, the cell's number left out. */
function frames(code: string): string[] {
  const { error } = guest.run(code);
  assert.ok(error, `expected an error from ${code}`);
  return error.stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .map((line) => line.slice(7).replace(/<cell \d+>/, 'cell'));
}

describe('stack positions', () => {
  it('are those of untouched code', () => {
    assert.deepEqual(frames('missing'), ['cell:1:1']);
    assert.deepEqual(frames('\n\n   missing'), ['cell:3:4']);
    assert.deepEqual(frames('function f() {\n  missing\n}\nf()'), ['f (cell:2:3)', 'cell:4:1']);
  });

  it('do not move behind rewritten declarations', () => {
    assert.deepEqual(frames('let a = 1; missing'), ['cell:1:12']);
    assert.deepEqual(frames('const b = 1, c = b()'), ['cell:1:18']);
    assert.deepEqual(frames('class D {}; missing'), ['cell:1:13']);
    assert.deepEqual(frames('let e = 1,\n  f = 2;\n  let g = (1)()'), ['cell:3:14']);
    assert.deepEqual(frames('let // comment\n h = (1)()'), ['cell:2:9']);
    assert.deepEqual(frames('{ a: (1)() }'), ['cell:1:9']);
  });

  it('do not move in functions that were hoisted as assignments', () => {
    guest.show('let hoisted = 1');
    assert.deepEqual(frames('1\nfunction hoisted() {\n\n  missing }\nhoisted()'), [
      'hoisted (cell:4:3)',
      'cell:5:1',
    ]);
  });

  it('point at the target of a write to a const', () => {
    guest.show('const k = 1');
    assert.deepEqual(frames('1;\n  k = 2'), ['cell:2:3']);
    assert.deepEqual(frames('k = 2; missing'), ['cell:1:1']);
    assert.deepEqual(frames('try { k = 2 } catch {}; missing'), ['cell:1:25']);
  });

  it('stay when the function is called from a later cell', () => {
    guest.show('let before = 1; const later = () => {\n  missing }');
    assert.deepEqual(frames('before; later()'), ['later (cell:2:3)', 'cell:1:9']);
  });

  it('survive erased and transformed types', () => {
    assert.deepEqual(
      frames('let t: number = 1;\nfunction u(x: string): never {\n  missing }\nu("" as any)'),
      ['u (cell:3:3)', 'cell:4:1'],
    );
    assert.deepEqual(frames('enum E {\n  A,\n  B\n}\nlet v: E = E.A;\n\n  missing'), ['cell:7:3']);
    assert.deepEqual(frames('class P {\n  constructor(public a: number) {\n    missing\n  }\n}\nnew P(1)'), [
      'P (cell:3:5)',
      'cell:6:1',
    ]);
  });

  it('follow await and callbacks', () => {
    assert.deepEqual(frames('let w = 1; async function z() {\n  await 1;\n  missing\n}\nawait z()'), [
      'z (cell:3:3)',
    ]);
    assert.deepEqual(frames('[1].map(() => (1)())'), ['cell:1:18', 'map (native)', 'cell:1:5']);
  });

  it('name the line of every statement inside functions', () => {
    for (const [statement, at] of [
      ['const b = a.b.c', '3:15'],
      ['return a.b.c', ''],
      ['if (a.b.c) return', '3:9'],
      ['while (a.b.c) return', '3:12'],
      ['for (const x of a) x', '3:17'],
      ['for (let x = a.b.c; ; ) x', '3:18'],
      ['switch (a.b.c) {}', '3:13'],
      ['let { x } = a.b', '3:13'],
      ['label: for (const x of a) break label', '3:24'],
      ['class X extends a {}', '3:17'],
      ['const list = [a.b.c]', '3:14'],
      ['a.b.c = 1', '3:1'],
    ] as const) {
      const inside = `function inside(a) {\n  const one = 1;\n${statement}\n}\ninside({})`;
      assert.equal(frames(inside)[0], 'inside (cell:3:1)', statement);
      if (statement.startsWith('return')) continue;
      assert.equal(
        frames(`{\n  const a = {};\n${statement.replace('return', ';')}\n}`)[0],
        `cell:${at}`,
        statement,
      );
    }
    assert.deepEqual(frames('const fine = 1;\nconst lost =\n  1;\nlet wrong = missing'), ['cell:4:13']);
    assert.deepEqual(frames('var a1 = {};\nvar b1 = a1.b.c'), ['cell:2:15']);
  });

  it('are those of V8 for what is thrown and called', () => {
    assert.deepEqual(frames('\nthrow new Error("x")'), ['cell:2:7']);
    assert.deepEqual(frames('const w1 = "w";\n  throw new Error("a" + w1 + `${[w1].join()}`)'), ['cell:2:9']);
    assert.deepEqual(frames('throw new Error(\n  "a" +\n  "b",\n)'), ['cell:1:7']);
    assert.deepEqual(
      frames('function thrower() {\n  throw new RangeError("r")\n}\nconst r = 1 + thrower()'),
      ['thrower (cell:2:9)', 'cell:4:15'],
    );
    assert.deepEqual(frames('const o = { m(x) { throw new Error(x) } };\no.m(\n  1,\n)'), [
      'm (cell:1:26)',
      'cell:2:3',
    ]);
    assert.deepEqual(frames('function g1(x) { throw x }\nfunction g2(x) { null.x }\ng2(g1)'), [
      'g2 (cell:2:23)',
      'cell:3:1',
    ]);
  });

  it('count columns in UTF-16 units behind any text', () => {
    assert.deepEqual(frames('"é"; throw new Error("x")'), ['cell:1:12']);
    assert.deepEqual(frames('/* 😀 */ missing'), ['cell:1:10']);
    assert.deepEqual(frames('let ключ = "значение"; missing(ключ)'), ['cell:1:24']);
    assert.deepEqual(frames('const t1 = `😀\n😀`; missing'), ['cell:2:6']);
    assert.deepEqual(frames('function ф() {\n  const é = "é", b = é(missing)\n}\nф()')[0], 'ф (cell:2:22)');
  });

  it('count lines that any line terminator ends', () => {
    for (const end of ['\n', '\r\n', '\r', '\u2028', '\u2029']) {
      assert.deepEqual(frames(`1;${end} missing`), ['cell:2:2']);
      assert.deepEqual(frames(`// c${end}1; /* ${end} */${end} missing`), ['cell:4:2']);
      assert.deepEqual(frames(`let // c${end} t = missing`), ['cell:2:6']);
      assert.deepEqual(frames(`function f() {${end}  missing${end}}${end}f()`), ['f (cell:2:3)', 'cell:4:1']);
    }
    assert.deepEqual(frames('"\u2028";\n missing'), ['cell:3:2']);
    assert.deepEqual(frames('`\u2028`; missing;'), ['cell:2:4']);
  });

  it('leave no trace in the text of functions and in results', () => {
    const text = '(a) => {\n  const one = a;\n  return one.b.c\n}';
    assert.equal(guest.show(`const shown = ${text}; shown.toString() === ${JSON.stringify(text)}`), 'true');
    assert.equal(
      guest.show('class Q {\n  m() {\n    let x = Q;\n    if (x) return x\n  }\n}\n`${Q}`.includes("if(0)")'),
      'false',
    );
    assert.equal(guest.show('1;\nlet q1 = shown'), '1');
    assert.equal(guest.show('1;\n{\n  const q2 = shown;\n}'), '1');
    assert.match(guest.run('Function.prototype.toString.call({})').error!.message, /not a function/);
  });

  it('leave the text of builtins as V8 writes it', () => {
    for (const [written, builtin] of Object.entries({
      'Math.max': Math.max,
      Array,
      'new Map().get': Map.prototype.get,
    })) {
      assert.equal(guest.show(`(${written}).toString()`), `'${builtin.toString()}'`);
    }
    assert.equal(
      guest.show('`${function () {\u2028 return "\u2028" }}` === `function () {\n return "\u2028" }`'),
      'true',
    );
  });

  it('show nothing of the prelude', () => {
    const { error } = guest.run('structuredClone(() => 1)');
    assert.equal(error?.name, 'DataCloneError');
    assert.doesNotMatch(error!.stack, /prelude|native/);
  });

  it('reach users who prepare their own traces', () => {
    guest.show(
      'Error.prepareStackTrace = (e, sites) => sites.map((s) => `${s.getLineNumber()}:${s.getColumnNumber()}`)',
    );
    assert.equal(guest.show('let s = 1;\n  new Error("x").stack'), "[ '2:3' ]");
    guest.show('Error.prepareStackTrace = undefined');
    assert.equal(guest.show('new Error("x").stack.split("\\n")[0]'), "'Error: x'");
  });
});

describe('syntax errors', () => {
  const stack = (code: string): string => {
    const compiled = compileCell(code, initialCompilerState, 3);
    assert.ok(!compiled.ok, code);
    assert.equal(compiled.error.name, 'SyntaxError');
    return compiled.error.stack;
  };

  it('point at the token that is wrong', () => {
    assert.equal(stack('a b'), "SyntaxError: Unexpected identifier or keyword 'b'\n    at <cell 3>:1:3");
    assert.equal(stack('let x = 1;\n  let y = }'), "SyntaxError: Unexpected token '}'\n    at <cell 3>:2:11");
    assert.equal(stack('if ('), 'SyntaxError: Unexpected end of input\n    at <cell 3>:1:5');
    assert.equal(stack('{ a: 1'), 'SyntaxError: Unexpected end of input\n    at <cell 3>:1:7');
    assert.equal(
      stack('\n  import a from "b"'),
      'SyntaxError: import is not available in a cell\n    at <cell 3>:2:3',
    );
  });

  it('come from TypeScript when its parser understood more', () => {
    assert.equal(stack('let a: number = 1;\nlet b: = 2'), stack('let a: number = 1;\nlet b: = 2'));
    assert.match(stack('let a: number = 1;\nlet b = }'), /<cell 3>:2:9$/);
  });
});
