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

/** What destructuring and its neighbours are written like; every line reads back what it bound or wrote to. */
const FORMS = [
  'const { a : b } = { a : 1 } ; b ;',
  'let { a : b , c : [ d , ... e ] , ... f } = { a : 1 , c : [ 2 , 3 ] , g : 4 } ; [ b , d , e , f . g ] + "" ;',
  'var { [ "a" + 1 ] : b = 5 , "c" : c , 7 : d } = { a1 : undefined , c : 2 , 7 : 3 } ; [ b , c , d ] + "" ;',
  'var o = { } , k = "x" ; ( { a : o . y , b : o [ k ] , c : ( o . z ) , ... o . r } = { a : 1 , b : 2 , c : 3 , d : 4 } ) ; JSON . stringify ( o ) ;',
  'var o = { } ; [ o . a , o [ "b" ] , ... o . c ] = [ 1 , 2 , 3 , 4 ] ; JSON . stringify ( o ) ;',
  'var s = "" ; for ( const { name : n , age : { v : g } } of [ { name : "a" , age : { v : 1 } } ] ) s += n + g ; s ;',
  'var o = { } , s = "" ; for ( { a : o . b } of [ { a : 1 } ] ) s += o . b ; for ( o [ "c" ] in { q : 1 } ) s += o . c ; s ;',
  'var s = "" ; for ( var { length : l } in { abc : 1 } ) s += l ; s ;',
  'function g ( { x : y } , [ { z : w } ] = [ { z : 2 } ] , ... { length : m } ) { return [ y , w , m ] + "" } g ( { x : 1 } , undefined , 5 ) ;',
  'var g = ( { x : y , q : { r : t = 3 } = { } } ) => y + t ; g ( { x : 1 } ) ;',
  'var g = async ( { x : y } ) => y ; typeof g ( { x : 1 } ) ;',
  'var o = { m ( { x : y } ) { return y } , set p ( { x : y } ) { this . v = y } } ; o . p = { x : 2 } ; [ o . m ( { x : 1 } ) , o . v ] + "" ;',
  'class C { static m ( { x : y } ) { return y } f = ( ( { x : y } ) => y ) ( { x : 2 } ) } ; [ C . m ( { x : 1 } ) , new C ( ) . f ] + "" ;',
  'var r ; try { null . x } catch ( { name : m , message : { length : l } } ) { r = m + ( l > 0 ) } r ;',
  'var r ; try { throw [ { x : 1 } ] } catch ( [ { x : y } ] ) { r = y } r ;',
  'var b , o = { a : [ 1 , { c : 2 } ] } ; ( { a : [ , { c : b } ] } = o ) ; var { a : { length : n } } = o ; [ b , n ] + "" ;',
  'var x = 1 , o = { a : x , b : x ? { c : x } : [ x ] , [ "d" ] : x , get e ( ) { return x } , async f ( ) { } } ; JSON . stringify ( o ) ;',
  'var o = { a : 1 } ; o ?. a + ( o . b ?? ( o . b ||= 2 ) ) + ( delete o . a , "a" in o ) + ` ${ o . b } ` ;',
  'switch ( typeof null ) { case "object" : var q = [ ... "ab" ] [ 1 ] ; break ; default : q = 2 } q ;',
];

/** A form with breaks at some of its gaps, as long as it goes on meaning the same. */
const broken = fc
  .tuple(fc.constantFrom(...FORMS), fc.array(fc.nat({ max: 3 }), { minLength: 120, maxLength: 120 }))
  .map(([form, dice]) => {
    const parts = form.split(' ');
    return parts.reduce((text, part, index) => `${text}${dice[index] === 0 ? '\n' : ' '}${part}`);
  });

/** The meaning of a text: its tree without places. */
const meaning = (code: string): string | null => {
  try {
    return JSON.stringify(parse(code, { ecmaVersion: 'latest' }), (key, value) =>
      /^(start|end|raw)$/.test(key) ? undefined : value,
    );
  } catch {
    return null;
  }
};

describe('line breaks', () => {
  it('change no value, wherever they may stand in patterns and what is like them', async () => {
    const guest = await Guest.boot();
    const values = new Map(FORMS.map((form) => [form, new Script(form).runInContext(createContext({}))]));
    const oneBreakEach = FORMS.flatMap((form) =>
      [...form.matchAll(/ /g)].map(({ index }) => `${form.slice(0, index)}\n${form.slice(index + 1)}`),
    );
    const check = (code: string) => {
      const form = code.replaceAll('\n', ' ');
      if (meaning(code) !== meaning(form)) return;
      const turn = guest.run(code);
      assert.equal(turn.error, undefined, code);
      assert.equal(turn.result?.text.replace(/^'|'$/g, ''), String(values.get(form)), code);
    };
    oneBreakEach.forEach(check);
    fc.assert(fc.property(broken, check), { numRuns: 300 });
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
