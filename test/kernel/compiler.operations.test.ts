/** Operations over several lines that fail: V8's own REPL mode says on which line. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Script } from 'node:vm';
import { compileCell, initialCompilerState } from '../../actors/kernel/compiler/compile.ts';
import { Guest } from '../kit/guest.ts';
import { type ReplMode, replMode } from '../kit/repl-mode.ts';

const GIVEN = `var un, ob = {}, sy = Symbol(), same = (...all) => all[0],
thrower = () => { throw new Error("thrown") }, turns = function* () { yield 1; null.x };`;

let guest: Guest;
let devTools: ReplMode;
before(async () => {
  guest = await Guest.boot();
  guest.run(GIVEN);
  devTools = await replMode();
  await devTools.run(GIVEN);
});
after(() => devTools.close());

/** What fails; a line may end at each `~`. */
const FAILS = {
  operators: [
    '1n~+~1',
    'sy~+~""',
    '"a"~in~"b"',
    '1~instanceof~2',
    'sy~<~1',
    '1n~*~1',
    'sy~**~1',
    '1n~&~1',
    '1n~>>>~1n',
    '-~sy',
    '+~1n',
    '(sy~+~1)~+~2',
    '1~+~(~2~+~sy)',
    'same(1)~+~sy',
    '(~un.x)~+~1',
    '1~+~un.x',
    'typeof~un.x',
    'void~un.x',
  ],
  properties: [
    'un~.x',
    'un~[~"x"~]',
    '(~un~)~.x',
    'ob~.x~.y',
    'ob~.x~.y~(1)',
    'ob~.x~.y~=~1',
    'un~[~1]~=~2',
    'un~.x~=~same(1)',
    'ob.a~=~un~.x',
    'ob~.x~.y~++',
    'same~(~1)~.x~.y',
    'new Map~(~)~.x~.y',
    '`${1}`~.x~.y',
    '"s"~.x~.y',
    'same(() =>~1)~.x~.y(~1)',
    'ob~.x~?.~y~.z;~un~.z',
    'un?.x,~un~.x',
    '[1]~.map((x) => {~return x~})~.nope(~1)',
    '[1]~.map((x) =>~x)~.filter((x) =>~un~.x)~.map(~1)',
  ],
  calls: [
    'ob~.f~(~1~)',
    'ob~.toString()~.x~()',
    'ob.x~(~...[1]~)',
    '(~thrower~)~(~)',
    'thrower~(~1~)~+~2',
    'same(1,~thrower(~)~)',
    'same(~same(1),~un~.x)',
    'new~(~ob~.x~)',
    'new ob~.x~(~1~)',
    'new Map(~5)',
    'new (class { constructor() {~thrower(~1)~} })(~1)',
    'un~`x~${~1}`',
    '`a~${~sy~}`',
    'same(~...null)',
    '(await un~.x)',
  ],
  literals: [
    '[~1,~...null]',
    '[...same(~5)]',
    '[~1,~un~.x,~2]',
    '({~a:~un~.x,~b: 1})',
    '({~[~un~.x]:~1})',
    'same(~{~a:~1,~b:~[~1,~un~.x]})',
    '[un~.x~]~=~[1]',
  ],
  branches: ['ob.q~??~un~.x', 'ob &&~un~.x', 'ob.p?~1:~un~.x', '(1,~un~.x)'],
  functions: [
    '(()=>~un~.x)()',
    '(function(){~return (~un~.x)~})()',
    '(function(){~thrower(~1)~})()',
    '({ m() {~thrower(~)~} })~.m(~1)',
    '({ get x() {~return un.x~} })~.x~+~1',
    '(() => { for (const x of~turns(~)) {~1;~same(~1)~} })()',
    '(() => { for (const x of~turns(~))~same(~1)~ })()',
    '(() => { switch(~un~.x) {} })()',
    '(() => { if(~un~.x) 1 })()',
    '(() => { while(~un~.x) 1 })()',
    '(() => { for(;~un~.x;) 1 })()',
    '(() => { for(let i = 0; i < 3;~un~.x) {~same(~1)~} })()',
    '(() => { do {~same(~1)~} while(~un~.x) })()',
    '(() => { try {~same(~1)~} finally {~un~.x~} })()',
    '(() => {~"use strict";~undeclared~=~1~})()',
    '(() => { const k = 1;~k~=~2~})()',
    '(() => { q~=~1;~let q })()',
    '(() => {~same(~q);~let q })()',
    '(() => { throw new Error(~un~.x) })()',
    '(() => { throw new Error(~1) })()',
  ],
  classes: ['new (class{~x=~un~.y~})', 'new (class extends Array {~x=~un~.y~})', '(class extends~un~.x {})'],
};

/** Where it stands. */
const AROUND = [
  '@',
  'var made =~@',
  'if (ob) {~@~}',
  'same(~@~)',
  '(() => {~const k =~@~})()',
  '(() => {~return (~@~)~})()',
  'var made = [~1,~@~]',
  'same(1) +~(@)',
  'for (const k of [1]) {~same(~1);~@~}',
];

/** A line ends at one place, or at all. */
function* broken(text: string): Generator<string> {
  const parts = text.split('~');
  for (let one = 1; one < parts.length; one++) {
    yield `${parts.slice(0, one).join(' ')}\n${parts.slice(one).join(' ')}`;
  }
  yield parts.join('\n ');
}

const linesOf = (frames: readonly string[]): string[] => frames.map((frame) => frame.split(':')[0]!);

/** Frames inside the cell that is run. */
function framesHere(code: string): string[] {
  const { error } = guest.run(code);
  assert.ok(error, code);
  return [...error.stack.matchAll(/<cell (\d+)>:(\d+:\d+)/g)].flatMap(([, cell, at]) =>
    cell === `${guest.cells}` ? [at!] : [],
  );
}

describe('an operation over several lines that fails', () => {
  for (const [kind, all] of Object.entries(FAILS)) {
    it(`is told with the lines that V8 tells: ${kind}`, async () => {
      for (const fails of all) {
        for (const around of AROUND) {
          if (fails.includes('await') && around.includes('=>')) continue;
          for (const code of broken(around.replace('@', () => fails))) {
            const expected = await devTools.frames(code);
            assert.ok(expected, code);
            // `++` on a line of its own is a SyntaxError.
            if (expected.length === 0) continue;
            // Frames of what an earlier cell has defined are told with that cell's lines.
            const own = expected.length - (/thrower|turns/.test(fails) ? 1 : 0);
            assert.deepEqual(linesOf(framesHere(code)), linesOf(expected.slice(-own)), code);
          }
        }
      }
    });
  }

  it('is told where a class is made, when its static members fail', async () => {
    for (const code of [
      'class Held {\n static s =\n  undefined.x\n}',
      'class Blocks {\n\n static {\n undefined.x }\n}',
    ]) {
      assert.equal((await devTools.frames(code))?.at(-1), '1:1');
      assert.match(guest.run(code).error!.stack, />:1:1\n.*$|>:1:1$/, code);
    }
  });

  it('is told on the line of the class by a constructor that nobody wrote', async () => {
    for (const code of [
      'class Fields {\n x = null.y;\n}\nnew Fields()',
      'class Base { constructor() {\n null.x } }\nclass Derived extends Base {\n x =\n  1 }\n1,\nnew Derived',
    ]) {
      assert.deepEqual(linesOf(framesHere(code)), linesOf((await devTools.frames(code))!), code);
    }
  });
});

it('whatever is written over several lines stays JavaScript', () => {
  for (const folder of ['actors/session', 'actors/worker', 'actors/kernel', 'cli', 'test/kernel']) {
    const url = new URL(`../../${folder}/`, import.meta.url);
    for (const file of readdirSync(url).filter((name) => name.endsWith('.ts'))) {
      const source = readFileSync(new URL(file, url), 'utf8');
      const code = source.replace(/^(import|export \{)[^;]*;$|^export /gm, '');
      const compiled = compileCell(code, initialCompilerState, 1);
      if (!compiled.ok) continue;
      // In an async function, as cells may await.
      new Script(`async () => {${compiled.body}}`, { filename: file });
    }
  }
});

it('chains and sums may have thousands of lines', () => {
  const chain = `var link = { next() { return this } }\nlink${'\n.next()'.repeat(1000)} === link`;
  assert.equal(guest.show(chain), 'true');
  const sum = `link${'+\nlink'.repeat(3000)}`;
  assert.ok(compileCell(sum, initialCompilerState, 1).ok);
});

it('functions with operations over several lines show the text that they were written in', () => {
  for (const text of [
    '(a) =>\n a\n .b\n +\n a\n .c',
    'async (a) => a +\n a',
    'async (a) => a\n [a\n .b]',
    'function (a) { for (const x of a) {\n x\n .y\n }\n a\n .b\n [1]\n .c = `${a\n .b}` }',
    'function (a) { for (const x of a)\n x(\n1, ...a\n.b)\n return a }',
    '() => -\nmissing\n(1)',
    '(a) => ({\n a,\n [a]:\n a\n .b })',
    '(a) => a\n ?.b\n .c\n [1]',
  ]) {
    assert.equal(guest.show(`(${text}).toString() === ${JSON.stringify(text)}`), 'true', text);
  }
});

it('a statement that begins with such an operation is no call of the line above', () => {
  assert.equal(guest.show('let text = "a"\ntext\n .length\n .toFixed(\n1)'), "'1.0'");
  assert.equal(guest.show('var list = [3]\nlist\n .at(0)'), '3');
  assert.equal(guest.show('if (list)\n list\n .x = 5\nelse\n list\n .y = 6\nlist\n .x'), '5');
});

it('sessions of version 5 have the positions that they had', () => {
  const body = (version: number) => {
    const compiled = compileCell('un\n.x\n+\n1', initialCompilerState, 1, version);
    return compiled.ok ? compiled.body : '';
  };
  assert.equal(body(5), '\nun\n.x\n+\n1');
  assert.notEqual(body(6), body(5));
});
