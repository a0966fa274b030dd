/** What cells mean: Chrome DevTools' REPL mode, run for real in the engine. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Guest } from '../kit/guest.ts';

let guest: Guest;
beforeEach(async () => {
  guest = await Guest.boot();
});

/** Runs cells in order; each is [code, expected text] or [code] when only its effect matters. */
function session(...cells: [code: string, shown?: string][]): void {
  for (const [code, shown] of cells) {
    const text = guest.show(code);
    if (shown !== undefined) assert.equal(text, shown, code);
  }
}

function failure(code: string): string {
  const turn = guest.run(code);
  assert.ok(turn.error, `expected an error from ${code}, got ${turn.result?.text}`);
  return `${turn.error.name}: ${turn.error.message}`;
}

describe('declarations across cells', () => {
  it('keep lexical names and let closures see later assignments', () => {
    session(
      ['let x = 1; const f = () => x; function g() { return x }', ''],
      ['x = 7; f()', '7'],
      ['g()', '7'],
    );
    session(['let x = 9; f() + g()', '18']);
  });

  it('may be repeated in any combination of kinds', () => {
    const forms: [kind: string, declare: (name: string, value: number) => string][] = [
      ['value', (name, value) => `let ${name} = ${value}`],
      ['value', (name, value) => `const ${name} = ${value}`],
      ['value', (name, value) => `var ${name} = ${value}`],
      ['Function:', (name) => `function ${name}() {}`],
      ['class', (name) => `class ${name} {}`],
    ];
    for (const [, first] of forms) {
      for (const [kind, second] of forms) {
        const name = `n${guest.cells}`;
        session([first(name, 1), ''], [second(name, 2), '']);
        session([name, kind === 'value' ? '2' : `[${kind} ${name}]`]);
      }
    }
  });

  it('keep var and function on globalThis, and lexical names off it', () => {
    session(
      ['var a = 1; function b() {}; let c = 2; class D {}'],
      [
        '[globalThis.a, typeof globalThis.b, globalThis.c, globalThis.D]',
        "[ 1, 'function', undefined, undefined ]",
      ],
    );
  });

  it('hoist functions within their cell, also when the name was lexical before', () => {
    session(
      ['let f = 1'],
      ['const early = f(); function f() { return "hoisted" } early', "'hoisted'"],
      ['f.name', "'f'"],
    );
    session(['async function* f() {}\nf', '[AsyncGeneratorFunction: f]']);
  });

  it('turn var of a lexical name into assignments wherever it stands', () => {
    session(['let i = 0, j = 0']);
    session(
      ['for (var i = 0; i < 3; i++);\ni', '3'],
      ['for (var i of [7, 8]);\ni', '8'],
      ['for (var [i] of [[4]]);\ni', '4'],
    );
    session(
      ['for (var i in { key: 1 });\ni', "'key'"],
      ['if (true) var i = 5; else 6\ni', '5'],
      ['var { i, fresh } = { i: 1, fresh: 2 }; [i, fresh, globalThis.fresh]', '[ 1, 2, 2 ]'],
    );
    session(['var i; i', '1'], ['for (var i;;) break; i', '1']);
  });

  it('let a name that began as var become lexical in kind', () => {
    session(['var v = 1'], ['let v = 2; v', '2'], ['const v = 3']);
    assert.equal(failure('v = 4'), 'TypeError: Assignment to constant variable.');
    session(['v', '3']);
  });

  it('keep functions of blocks inside when the name is lexical outside', () => {
    session(
      ['let l = 1'],
      ['{ function l() {} }\nl', '1'],
      ['if (1) function l() {}\nl', '1'],
      ['switch (1) { case 1: function l() {} }\nl', '1'],
    );
    session(['{ function leaks() { return 2 } }\nleaks()', '2'], ['let leaks = 3; leaks', '3']);
  });

  it('reset a let that is declared again without a value', () => {
    session(['let x = 1'], ['let x; x', '']);
  });

  it('accept names such as __proto__ and constructor', () => {
    session(
      ['let __proto__ = 1, constructor = 2'],
      ['[__proto__, constructor]', '[ 1, 2 ]'],
      ['let hasOwnProperty = 3; hasOwnProperty', '3'],
    );
  });

  it('survive a cell that threw before its declaration', () => {
    assert.equal(failure('let z = missing()'), 'ReferenceError: missing is not defined');
    assert.equal(failure('z'), 'ReferenceError: z is not initialized');
    session(['let z = 1; z', '1']);
  });

  it('refuse to redeclare what no script may', () => {
    assert.match(failure('let undefined = 1'), /already been declared/);
    assert.match(failure('let twice; let twice'), /Identifier 'twice' has already been declared/);
  });
});

describe('constants', () => {
  const refusal = 'TypeError: Assignment to constant variable.';

  it('cannot be assigned, in whatever form', () => {
    session(['const k = { n: 1 }']);
    for (const code of [
      'k = 1',
      'k += 1',
      'k++',
      '--k',
      '[k] = [1]',
      '({ k } = {})',
      '({ k = 2 } = {})',
      '({ a: [k] } = { a: [1] })',
      '[...k] = []',
      'for (k of [1]);',
      'for (k in { a: 1 });',
      '(k) = 3',
      '(() => { k = 1 })()',
    ]) {
      assert.equal(failure(code), refusal, code);
    }
    session(['k', '{ n: 1 }']);
  });

  it('are constant for closures of their own cell too', () => {
    session(['const c = 1, set = () => { c = 2 }']);
    assert.equal(failure('set()'), refusal);
    session(['c', '1']);
  });

  it('evaluate the right side first and respect short circuits', () => {
    session(['let log = []; const q = 1']);
    assert.equal(failure('q = log.push("evaluated")'), refusal);
    session(['log', "[ 'evaluated' ]"], ['q ??= 5', '1'], ['q ||= 5', '1']);
    assert.equal(failure('q &&= 5'), refusal);
  });

  it('do not concern names that a scope redeclares', () => {
    session(['const s = 1']);
    session(
      ['(function (s) { s = 2; return s })()', '2'],
      ['{ let s = 3; s = 4; s }', '4'],
      ['for (let s of [5]) { s++; s }', '6'],
      ['(() => { try { throw 1 } catch (s) { s = 6; return s } })()', '6'],
    );
    session(
      ['(function () { var s = 7; s = 8; return s })()', '8'],
      ['(function s() { s = 9; return typeof s })()', "'function'"],
      ['with ({ s: 1 }) { s = 10; s }', '10'],
      ['s', '1'],
    );
  });

  it('become writable when declared again as something else', () => {
    session(['const r = 1'], ['let r = 2; r = 3; r', '3']);
  });
});

describe('results', () => {
  it('are the completion value, as of a script', () => {
    session(
      ['1; 2', '2'],
      ['if (true) { 3 } else { 4 }', '3'],
      ['for (let i = 0; i < 3; i++) i', '2'],
      ['try { 5 } finally { 6 }', '5'],
      ['var a = 7', ''],
      ['8; let b = 9', '8'],
      ['10; class C {}', '10'],
      ['11; function f() {}', '11'],
    );
    session(
      ['let c = 12', ''],
      ['', ''],
      ['// only a comment', ''],
      [';', ''],
      ['switch (1) { case 1: 13 }', '13'],
      ['label: { 14; break label }', '14'],
      ["'use strict'", "'use strict'"],
    );
  });

  it('read braces at the start as an object when all of the cell is one, or when nothing else will do', () => {
    session(
      ['{}', '{}'],
      ['{ a: 1 }', '{ a: 1 }'],
      ['{ a: 1 }.a', '1'],
      [' {a: 1, b: [2]}', '{ a: 1, b: [ 2 ] }'],
      ['{ a: 1 };', '{ a: 1 }'],
      ['{};;\n', '{}'],
      ['{ a: 1 } // one', '{ a: 1 }'],
      ['{ m() { return 1 } };', '{ m: [Function: m] }'],
      ['{} + 1', '1'],
      ['{} [1].length', '1'],
      ['{ a: 1 }; 2', '2'],
      ['{ a: 1; }', '1'],
      ['{ a: 1, b: 2 };', '{ a: 1, b: 2 }'],
      ['{ a: 1 as number };', '{ a: 1 }'],
      ['{ let x = 1; x }', '1'],
    );
  });

  it('wait for top-level await', () => {
    session(
      ['const v = await Promise.resolve(5); v + 1', '6'],
      ['for await (const x of [1, Promise.resolve(2)]) x', '2'],
      ['[await 1, await 2]', '[ 1, 2 ]'],
      ['let d = await (async () => { await null; return "late" })()\nd', "'late'"],
    );
    assert.equal(failure('await Promise.reject(new RangeError("no"))'), 'RangeError: no');
  });

  it('keep _ and _error until the user shadows them', () => {
    session(['40 + 2', '42'], ['_', '42'], ['_ + 1', '43'], ['let q = 1'], ['_', '']);
    failure('throw new Error("first")');
    session(['_error.message', "'first'"]);
    session(['_ = "mine"'], ['1 + 1'], ['_', "'mine'"], ['let _error = 1'], ['_error', '1']);
  });
});

describe('scripts as people write them', () => {
  it('are sloppy unless they say otherwise', () => {
    session(
      ['(function () { return this === globalThis })()', 'true'],
      ['this === globalThis', 'true'],
      ['implicit = 1; implicit', '1'],
      ['"use strict"; let s = 1; (function () { return this === undefined })()', 'true'],
    );
    assert.equal(failure('"use strict"; undeclared = 1'), 'ReferenceError: undeclared is not defined');
  });

  it('may carry a hashbang, HTML comments, directives and labels', () => {
    session(
      ['#!/usr/bin/env node\n5', '5'],
      ['<!-- old\n6', '6'],
      ['7\n--> old', '7'],
      ['1 // old\u20282', '2'],
      ['1 // old\u20292', '2'],
      ['1 // old\r2', '2'],
      ['<!-- old\u20283', '3'],
      ['4 /* old\u2028 */ - 1', '3'],
      ['"\u2028".length // old\u2028+ 1', '2'],
      ['outer: for (;;) { for (;;) break outer }', ''],
    );
  });

  it('do not need semicolons around rewritten declarations', () => {
    session(
      ['let y = () => {}\n(1)', '1'],
      ['let a = 1\nlet b = 2\n;[a, b]', '[ 1, 2 ]'],
      ['class K {}\n[1].length', '1'],
      ['a\nlet c = 3\nc', '3'],
      ['let f = 1'],
      ['a\nfunction f() {}\n(2)', '2'],
      ['const k = 1'],
      ['try {\n  a\n  k = 2\n} catch (e) { e.name }', "'TypeError'"],
    );
  });

  it('name their anonymous functions and classes', () => {
    session(
      ['let arrow = () => 1, made = class {}, { inner = function () {} } = {}'],
      ['[arrow.name, made.name, inner.name]', "[ 'arrow', 'made', 'inner' ]"],
    );
  });

  it('say clearly what a cell cannot do', () => {
    assert.equal(failure('import fs from "fs"'), 'SyntaxError: import is not available in a cell');
    assert.equal(failure('export const a = 1'), 'SyntaxError: export is not available in a cell');
    assert.match(failure('return 1'), /^SyntaxError: Illegal return/);
    for (const code of [
      'let await',
      'var await = 1',
      'function await() {}',
      'class await {}',
      '{ let await }',
    ]) {
      assert.match(failure(code), /^SyntaxError: .*(await|Unexpected)/, code);
    }
    assert.equal(guest.show('({ await: 1 }).await'), '1');
    assert.equal(guest.show('(function () { var await = 2; return await })()'), '2');
    assert.match(failure('import.meta'), /^SyntaxError: Cannot use 'import.meta'/);
    assert.match(failure('using x = null'), /^SyntaxError: 'using' declarations/);
    assert.match(failure('await import("x")'), /could not load module 'x'/);
    assert.match(failure('function f() { await x }'), /^SyntaxError: 'await' works only in async functions/);
    assert.match(failure('[1].map((x) => await x)'), /^SyntaxError: 'await' works only in async functions/);
    assert.match(failure('() => { yield 1 }'), /^SyntaxError: 'yield' works only in generator/);
    assert.match(failure('if (1) break'), /^SyntaxError: Illegal break statement/);
    assert.match(failure('continue'), /^SyntaxError: Illegal continue statement/);
    assert.match(failure('1 = 2'), /^SyntaxError: Invalid left-hand side in assignment/);
    for (const code of ['@dec class A {}', 'class A { @dec m() {} }', 'class A { @dec m(): void {} }']) {
      assert.equal(failure(code), 'SyntaxError: Decorators are not available in a cell', code);
    }
    for (const code of ['const a = <div>x</div>', '<A b={1}/>', '() => <></>']) {
      assert.equal(failure(code), 'SyntaxError: JSX is not available in a cell', code);
    }
    assert.match(failure('const html = "<b>x</b>"; foo bar'), /Unexpected identifier/);
  });

  it('leave no trace when they do not compile', () => {
    const before = guest.state;
    failure('let fresh = 1; ]');
    assert.deepEqual(guest.state, before);
    assert.match(failure('fresh'), /fresh is not defined/);
  });
});

describe('TypeScript', () => {
  it('is accepted with its types erased', () => {
    session(
      ['let n: number = 5; n', '5'],
      ['interface P { a: number }\nconst p = { a: 1 } as P; p', '{ a: 1 }'],
      ['function id<T>(x: T): T { return x }\nid<string>("generic")', "'generic'"],
      ['class Q<T> { private v?: T; constructor(v: T) { this.v = v } }\nnew Q<number>(1)', 'Q { v: 1 }'],
      ['const t = <T,>(x: T) => x; t(3)', '3'],
      ['n!', '5'],
      ['{ a: n as any }', '{ a: 5 }'],
      ['import type { X } from "y"; 1', '1'],
      ['let late: number = await Promise.resolve(6); late', '6'],
    );
  });

  it('keeps a generic call from being read as comparisons', () => {
    session(
      ['const f = (x) => [x]'],
      ['f<number>(5)', '[ 5 ]'],
      ['f<string, number>("a")', "[ 'a' ]"],
      ['1 < 2 > (0)', 'true'],
    );
  });

  it('transforms what erasing cannot', () => {
    session(
      ['enum Colour { Red, Green = 5 }\nColour.Green', '5'],
      ['Colour[0]', "'Red'"],
      ['namespace Space { export const a = 1 }\nSpace.a', '1'],
      ['namespace Space { export const b = Space.a + typeof a }\nSpace.b', "'1undefined'"],
      [
        'class Point { constructor(public x: number, readonly y = 2) {} }\nnew Point(1)',
        'Point { x: 1, y: 2 }',
      ],
      ['<number>5', '5'],
      ['const list: unknown = <const>["x"]; list', "[ 'x' ]"],
      ['enum E { A }\nlet s: string = `a$' + '{1 + (2 as any)}b`; s', "'a3b'"],
    );
  });
});
