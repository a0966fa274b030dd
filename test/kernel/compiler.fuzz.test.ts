/** The compiler against whatever people and machines may type. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createContext, Script } from 'node:vm';
import { parse } from 'acorn';
import fc from 'fast-check';
import {
  type CompilerState,
  compileCell,
  completionTarget,
  initialCompilerState,
  isIncomplete,
} from '../../actors/kernel/compiler/compile.ts';
import { Guest } from '../kit/guest.ts';

const fragments = [
  'let',
  'const',
  'var',
  'function',
  'class',
  'async',
  'await',
  'yield',
  'for',
  'of',
  'in',
  'if',
  'else',
  'x',
  'y',
  'z',
  '=',
  '=>',
  '(',
  ')',
  '{',
  '}',
  '[',
  ']',
  ';',
  ',',
  ':',
  '.',
  '...',
  '?.',
  '<',
  '>',
  '+',
  '++',
  '`',
  '${',
  '"',
  "'",
  '/',
  '//',
  '/*',
  '*/',
  '\n',
  '\\',
  '1',
  'enum',
  'type',
  'interface',
  'as',
  'import',
  'export',
  'return',
  '#!',
  '<!--',
  '-->',
  '#x',
  '@',
  'static',
  'get',
  'set',
  'new',
  'this',
  'with',
  'try',
  'catch',
  'label:',
  '\u2028',
  '\ud800',
  '\0',
  'é',
  '😀',
];
const soup = fc.array(fc.constantFrom(...fragments), { maxLength: 14 }).map((parts) => parts.join(' '));
const anything = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), soup);

/** Small programs that terminate: declarations, writes and control flow over a few names. */
const name = fc.constantFrom('a', 'b', 'c', 'd');
const { statement } = fc.letrec<{ statement: string; expression: string; block: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3 },
    fc.integer({ min: 0, max: 9 }).map(String),
    fc.tuple(tie('expression'), tie('expression')).map(([l, r]) => `(${l} + ${r})`),
    tie('expression').map((value) => `[${value}].length`),
    tie('expression').map((value) => `(() => ${value})()`),
  ),
  block: fc.array(tie('statement'), { maxLength: 3 }).map((list) => `{ ${list.join('\n')} }`),
  statement: fc.oneof(
    { maxDepth: 3 },
    tie('expression').map((value) => `${value};`),
    fc.tuple(name, tie('expression')).map(([id, value]) => `var ${id} = ${value};`),
    fc.tuple(name, tie('expression')).map(([id, value]) => `var {x: ${id} = ${value}} = {};`),
    fc.tuple(tie('expression'), tie('block')).map(([test, body]) => `if (${test}) ${body} else ${body}`),
    tie('block').map((body) => `for (var i = 0; i < 2; i++) ${body}`),
    tie('block').map((body) => `try ${body} catch (e) ${body}`),
    fc
      .tuple(tie('block'), tie('expression'))
      .map(([body, value]) => `switch (1) { case 1: ${body}; default: ${value} }`),
    tie('block'),
  ),
}));
const topLevel = fc.oneof(
  statement,
  fc.integer({ min: 0, max: 9 }).map((value) => `let L = ${value}, M;`),
  fc.constant('const K = 1;'),
  fc.constant('class C {};'),
  fc.constant('function F() { return 1 };'),
);
const program = fc
  .uniqueArray(topLevel, {
    maxLength: 5,
    selector: (text) => (/^(let|const|class)/.test(text) ? text[0] : {}),
  })
  .map((list) => list.join('\n'));

describe('the compiler', () => {
  it('never throws, and what it accepts parses again', () => {
    fc.assert(
      fc.property(anything, (code) => {
        const compiled = compileCell(code, initialCompilerState, 1);
        if (!compiled.ok) {
          assert.equal(compiled.error.name, 'SyntaxError');
          assert.match(compiled.error.stack, /<cell 1>:\d+:\d+$/);
          return;
        }
        const script = { ecmaVersion: 'latest', allowAwaitOutsideFunction: true } as const;
        parse(compiled.body, script);
        if (compiled.declare !== null) parse(compiled.declare, script);
        assert.deepEqual(JSON.parse(JSON.stringify(compiled.next)), compiled.next);
      }),
      { numRuns: 1500 },
    );
  });

  it('refuses programs too deep for it', () => {
    for (const code of [
      '('.repeat(1e5),
      '['.repeat(5e4) + ']'.repeat(5e4),
      `${'{'.repeat(3e4)}${'}'.repeat(3e4)}`,
    ]) {
      const compiled = compileCell(code, initialCompilerState, 1);
      assert.ok(!compiled.ok);
    }
  });

  it('compiles any cell after any other', () => {
    fc.assert(
      fc.property(fc.array(program, { minLength: 2, maxLength: 4 }), (cells) => {
        let state: CompilerState = initialCompilerState;
        for (const code of cells) {
          const compiled = compileCell(code, state, 1);
          assert.ok(compiled.ok, code);
          state = compiled.next;
        }
      }),
      { numRuns: 150 },
    );
  });

  it('gives every first cell the value that a script has', async () => {
    const guest = await Guest.boot();
    await fc.assert(
      fc.asyncProperty(program, async (code) => {
        fc.pre(!/^\s*\{/.test(code));
        const fresh = new Script(code).runInContext(createContext({}));
        // Names of earlier runs are declared already: what is under test is their redeclaration, too.
        const shown = guest.show(code);
        assert.equal(
          shown,
          fresh === undefined ? '' : typeof fresh === 'function' ? shown : String(fresh),
          code,
        );
      }),
      { numRuns: 150 },
    );
  });
});

describe('the line editor helpers', () => {
  it('never throw', () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: -2, max: 60 }), (code, cursor) => {
        assert.equal(typeof isIncomplete(code), 'boolean');
        const target = completionTarget(code, cursor);
        assert.ok(target.from >= 0 && target.from <= code.length);
        assert.ok(code.slice(target.from).startsWith(target.prefix));
      }),
      { numRuns: 500 },
    );
  });

  it('know unfinished input', () => {
    const open = [
      'function f() {',
      'if (x) {',
      '[1,',
      'foo(',
      '`abc',
      '`a${',
      '/* c',
      '1 +',
      'const x =',
      "'a\\",
      'let a: number =',
      'function f(a: number) {',
      'class A { m() {',
      '{',
      'x => {',
      'a ? b :',
      '({',
      'f(// c',
    ];
    for (const code of open) assert.equal(isIncomplete(code), true, code);
    const whole = [
      '',
      '1',
      '// c',
      'a b',
      "'abc",
      ')',
      'let x: number = 1',
      'function f() {}',
      '{}',
      'return 1',
      'let = ;',
      '/re',
      'if (x) }',
    ];
    for (const code of whole) assert.equal(isIncomplete(code), false, code);
  });

  it('find what is being completed', () => {
    const target = (code: string) => {
      const { expression, prefix } = completionTarget(code, code.length);
      return [expression, prefix];
    };
    assert.deepEqual(target('con'), [null, 'con']);
    assert.deepEqual(target('Math.ma'), ['Math', 'ma']);
    assert.deepEqual(target('x + a.b?.c.'), ['a.b?.c', '']);
    assert.deepEqual(target("'abc'.to"), ["'abc'", 'to']);
    assert.deepEqual(target('list[0].na'), ['list[0]', 'na']);
    assert.deepEqual(target("o['k'].x"), ["o['k']", 'x']);
    assert.deepEqual(target('[1, 2].ma'), ['[1, 2]', 'ma']);
    assert.deepEqual(target('this.x'), ['this', 'x']);
    assert.deepEqual(target('f().x'), [null, '']);
    assert.deepEqual(target('(a).x'), [null, '']);
    assert.deepEqual(target('"in a string Math.'), [null, '']);
    assert.deepEqual(target('// Math.'), [null, '']);
    assert.deepEqual(target('`Math.'), [null, '']);
    assert.deepEqual(target('`${Math.ab'), ['Math', 'ab']);
    assert.deepEqual(target('let q = { a: obj.de'), ['obj', 'de']);
    assert.deepEqual(completionTarget('Math.max(1)', 8), { expression: 'Math', prefix: 'max', from: 5 });
  });
});
