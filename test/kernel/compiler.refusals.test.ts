/** What is neither JavaScript nor TypeScript does not run, wherever it stands, and no name is ever another. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tokenizer } from 'acorn';
import { compileCell, initialCompilerState } from '../../actors/kernel/compiler/compile.ts';
import { CELL_SYNTAX } from '../../actors/kernel/compiler/syntax.ts';
import { BEGAN } from '../../actors/kernel/marker.ts';

/** Early errors and broken syntax that a lenient reader repairs; each with the line it is on. */
const WRONG: [code: string, line: number][] = [
  ['{ let o = 2; for (var o of [3]) ; }', 1],
  ['{ let f = 1;\nvar f = 2 }', 2],
  ['{ function g() {}\nvar g }', 2],
  ['{ async function g() {}\nfunction g() {} }', 2],
  ['(() => { let a;\n{ var a } })', 2],
  ['for (let i of []) {\nvar i }', 2],
  ['for (const i = 0;;) {\nvar i }', 2],
  ['try {} catch ([e]) {\nvar e }', 2],
  ['switch (1) { case 1: let s;\ndefault: var s }', 2],
  ['switch (1) { case 1: class S {}\ndefault: let S }', 2],
  ['for (false; false\n) {}', 2],
  ['(async x\n => x)', 2],
  ['({ async\nm() {} })', 2],
  ['({ g\\u0065t x() { return 1 } })', 1],
  ['for (var w \\u006ff []) ;', 1],
  ['(function () { n\\u0065w.target })', 1],
  ['(function () { new.t\\u0061rget })', 1],
  ['(() => { return new import("x") })', 1],
  ['var \\u{110000}', 1],
  ['if (false) { throw\n1 }', 2],
  ['{ lab: lab: ; }', 1],
  ['(function (a) { "use strict"; with (a) ; })', 1],
];

/** The same names, used as they may be. */
const RIGHT = [
  '{ let o = 2; for (let o of [3]) o; }',
  '{ let f = 1; (() => { var f = 2; { let f = 3; f } })() }',
  'switch (1) { case 1: let s = 1; { let s = 2; s } }',
  '(async (x) => { let y = x; { let x = y; class y {} } })',
  '(function g() { { function g() {} } var g })',
  'try {} catch (e) { var e }',
];

/** Cells that hold another text, from the lines they put before it; some can be erased, some must be transformed. */
const AROUND: Record<string, (text: string) => [code: string, linesBefore: number]> = {
  alone: (text) => [text, 0],
  'behind an annotation': (text) => [`let n: number = 1;\n${text}`, 1],
  'behind a generic call': (text) => [`id<number>(5);\n${text}`, 1],
  'behind <const>': (text) => [`let list = <const>['<const>'];\n${text}`, 1],
  'behind an assertion': (text) => [`let n = <Map<string, () => void>>m;\n${text}`, 1],
  'behind an assertion that ends its line': (text) => [`() => { throw <Error>\nnew Error() };\n${text}`, 2],
  'behind an enum': (text) => [`enum E { A = "}", B }\n${text}`, 1],
  'behind wide characters': (text) => [`/*\t日本 */ enum E { A } const enum F { é }\n${text}`, 1],
  'behind many enums': (text) => [
    `${Array.from({ length: 40 }, (_, at) => `enum E${at} { A = "}", B = 2, "c" = 'enum x {'.length }`).join('\n')}\n${text}`,
    40,
  ],
  'behind many assertions': (text) => [
    `${'same(<any>x, "= <any>y", <T>(x: T) => x);\n'.repeat(40)}${text}`,
    40,
  ],
  'between enums': (text) => [`enum E { A }\n${text};\nenum E { B = 2 }`, 1],
  'inside a namespace': (text) => [`namespace N.M {\nexport const c = 1;\n${text}\n}`, 2],
  'behind merged declarations': (text) => [
    `class C {}\nnamespace C { export enum E { A } }\nfunction D() {}\nnamespace D {}\n${text}`,
    4,
  ],
  'inside a class with parameter properties': (text) => [
    `class P { constructor(private readonly x: number, public y = 2) {}\nm() {\n${text}\n} }`,
    2,
  ],
  'behind an import of a name': (text) => [`import A = N.B;\n${text}`, 1],
};

describe('a cell that is neither JavaScript nor TypeScript', () => {
  for (const [place, around] of Object.entries(AROUND)) {
    it(`is a SyntaxError on the right line, ${place}`, () => {
      for (const [wrong, line] of WRONG) {
        const [code, before] = around(wrong);
        const compiled = compileCell(code, initialCompilerState, 1);
        assert.ok(!compiled.ok, `accepted: ${code}`);
        assert.match(compiled.error.stack, new RegExp(`<cell 1>:${before + line}:\\d+$`), code);
      }
    });
  }
});

describe('a cell that is right', () => {
  for (const [place, around] of Object.entries(AROUND)) {
    it(`keeps every name, ${place}`, () => {
      for (const right of RIGHT) {
        const [code] = around(right);
        const compiled = compileCell(code, initialCompilerState, 1);
        assert.ok(compiled.ok, `refused: ${code}: ${!compiled.ok && compiled.error.message}`);
        const written = new Set(code.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu));
        for (const token of tokenizer(compiled.body, CELL_SYNTAX)) {
          if (token.type.label !== 'name') continue;
          const name = compiled.body.slice(token.start, token.end);
          assert.ok(written.has(name) || name === BEGAN, `${name} is not a name of ${code}`);
        }
      }
    });
  }

  it('is refused by name when it could run under another name only', () => {
    const compiled = compileCell('namespace N {\n  class N {}\n}', initialCompilerState, 1);
    assert.ok(!compiled.ok);
    assert.match(
      compiled.error.stack,
      /'N' is the name of an enum or namespace around it.*\n {4}at <cell 1>:2:9$/,
    );
  });
});

it('errors stand where they are, behind tabs and wide characters too', () => {
  for (const [code, place] of [
    ['\tlet n: number = ;', '1:18'],
    ['"日本😀é"; let n: number = ;', '1:26'],
    ['1\rlet n: number = ;', '2:17'],
    ['namespace N {\n  await 1 }', '2:9'],
  ] as const) {
    const compiled = compileCell(code, initialCompilerState, 1);
    assert.ok(!compiled.ok);
    assert.equal(compiled.error.stack.split('<cell 1>:')[1], place, code);
  }
});

it('sessions of version 1 go on reading leniently', () => {
  const cell = compileCell('{ let o = 2; for (var o of [3]) ; }', initialCompilerState, 1, 1);
  assert.ok(cell.ok && /let o1 = 2/.test(cell.body.replace(/\s+/g, ' ')));
});
