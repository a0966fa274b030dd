/** Errors inside statements that span lines: V8 itself says where they are. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Script } from 'node:vm';
import fc from 'fast-check';
import { Guest } from '../kit/guest.ts';

let guest: Guest;
before(async () => {
  guest = await Guest.boot();
  guest.run('var given = { n: {} }, same = (...all) => all, thrower = () => { throw new Error("thrown") }');
});

/** Where an expression may stand on a line of its own; `@` is the expression. */
const AROUND = [
  'same({\n  a: 1,\n b: @\n})',
  'same([\n  1,\n  [\n @, 2],\n 3])',
  'same(\n  1,\n    @,\n)',
  'same(1, same(\n 2,\n @), 3)',
  'new Map([\n["a", 1],\n["b", @]])',
  'same({\n [@]: 1 })',
  'same({\n ...@ })',
  'same(\n ...[1],\n ...@)',
  'same({\n  deep: {\n    er: [1, @],\n  },\n})',
  'same(`text\n${given}\n  ${@}`)',
  'same(\n given ?\n  @ : 1)',
  'same(\n !given ?\n  1 :\n @)',
  'same(given &&\n  @)',
  'same(given.x ||\n given.x ||\n  @, 1)',
  'same(given.x ??\n  (given,\n @))',
  'same(1,\n  await\n @)',
  'same(((a =\n @) => a)())',
  'same((() =>\n @)())',
  'same(given.x =\n @)',
  'same({ m() {},\n get g() { return 1 },\n n: @ })',
];

/** What fails there, with the part of it that is read last. */
const FAILS = ['missing', 'given.x.y', 'given.n.x.y', 'thrower()', 'same(1, missing)', 'given.nothing()'];

/** Statements that hold an expression. */
const HOLDERS = [
  (expression: string) => `const held = ${expression}`,
  (expression: string) => `${expression}`,
  (expression: string) => `if (given)\n  ${expression}`,
  (expression: string) => `for (const one of [1]) {\n ${expression} }`,
  (expression: string) => `throw ${expression}`,
];

const PRELUDE =
  'const given = { n: {} }, same = (...all) => all, thrower = () => { throw new Error("thrown") };';

/** Lines and columns of the frames inside the code, as V8 says: inside an async function, from its line 2 on. */
async function placesInV8(code: string): Promise<string[]> {
  const script = new Script(`(async () => { ${PRELUDE}\n${code}\n})()`, { filename: 'cell.js' });
  try {
    await script.runInThisContext();
  } catch (thrown) {
    return (thrown as Error).stack!.split('\n').flatMap((line) => {
      const [, at, column] = /cell\.js:(\d+):(\d+)/.exec(line) ?? [];
      const inside = at !== undefined && Number(at) > 1 && Number(at) < code.split('\n').length + 2;
      return inside ? [`${Number(at) - 1}:${column}`] : [];
    });
  }
  return assert.fail(`nothing failed: ${code}`);
}

function placesHere(code: string): string[] {
  const { error } = guest.run(`{\n${code}\n}`);
  assert.ok(error, code);
  return error.stack.split('\n').flatMap((line) => {
    const [, cell, at, column] = /<cell (\d+)>:(\d+):(\d+)/.exec(line) ?? [];
    return cell === `${guest.cells}` ? [`${Number(at) - 1}:${column}`] : [];
  });
}

describe('an error inside a statement that spans lines', () => {
  for (const around of AROUND) {
    it(`is where V8 says: ${JSON.stringify(around)}`, async () => {
      for (const fails of FAILS) {
        for (const hold of HOLDERS) {
          const code = hold(around.replace('@', () => fails));
          const expected = await placesInV8(code);
          const lines = (places: string[]) => places.map((place) => place.split(':')[0]);
          const actual = placesHere(code);
          assert.deepEqual(lines(actual), lines(expected), code);
        }
      }
    });
  }

  it('is told with its column', async () => {
    for (const around of AROUND) {
      const code = around.replace('@', 'missing');
      assert.equal(placesHere(code)[0], (await placesInV8(code))[0], code);
    }
  });
});

/** Where classes and statements hold an expression on a line of its own. */
const HELD = [
  'new (class {\n a = 1\n b = @\n})',
  'new (class {\n a =\n  @\n})',
  'new (class {\n #a = same(1,\n  @)\n})',
  '(class {\n static a = given\n static b = @\n})',
  '(class {\n [@] = 1 })',
  '(class {\n m() {}\n [@]() {} })',
  'new (class {\n a = (() =>\n  @)() })',
  'switch (1) {\n case 0:\n case @: }',
  'switch (\n @) { default: }',
  'if (\n @) 1',
  'while (\n @) 1',
  'do 1; while (\n @)',
  'for (;\n @;) 1',
  'for (;;\n @) continue',
  'for (const one of\n @) 1',
  'for (const one in\n @) 1',
  '(() => { return (\n @) })()',
  '(\n\n @)',
  'same(given[\n @])',
  'given.x?.[\n 1]; given[\n @]',
];

describe('an error in what a class or a statement holds', () => {
  for (const held of HELD) {
    it(`is on the line where V8 says: ${JSON.stringify(held)}`, async () => {
      for (const fails of FAILS) {
        const code = held.replace('@', () => fails);
        // V8 says of a name alone that it is where its statement begins.
        if (fails === 'missing' && /^(if|switch|\(\n|\(\(\) => \{ return)/.test(held)) continue;
        const [expected] = await placesInV8(code);
        assert.equal(placesHere(code)[0]?.split(':')[0], expected?.split(':')[0], code);
      }
    });
  }
});

it('a call over several lines stands where it begins, whatever its arguments were', async () => {
  for (const code of [
    'thrower(\n  given.n,\n  same(1),\n)',
    'thrower(same(\n  1), [\n given.n.x, 5])',
    'new (class { constructor() { thrower() } })(\n  given.n,\n)',
    'given.n.f = thrower; given\n .n\n .f(given.n,\n  same(2))',
    'same(\n  thrower(\n    given.n,\n    ...[given.n]))',
  ]) {
    assert.deepEqual(placesHere(code), await placesInV8(code), code);
  }
});

describe('code over several lines', () => {
  const leaf = fc.constantFrom('1', 'given', 'given.x', 'given.n', '"s"', 'same(1)', '() => 1', '/re/');
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('expression'), { maxLength: 3 }).map((all) => `[\n${all.join(',\n')}]`),
      fc.array(tie('expression'), { maxLength: 3 }).map((all) => `same(\n${all.join(', ')})`),
      tie('expression').map((one) => `({\na: ${one},\n...${one.startsWith('(') ? one : `(${one})`} })`),
      fc
        .tuple(tie('expression'), fc.constantFrom('&&', '||', '??'), tie('expression'))
        .map(([left, operator, right]) => `((${left}) ${operator}\n(${right}))`),
      fc
        .tuple(tie('expression'), tie('expression'), tie('expression'))
        .map(([test, one, other]) => `((${test}) ?\n${one} :\n${other})`),
      tie('expression').map((one) => `((k) =>\nsame(k,\n${one}))(given)`),
      tie('expression').map((one) => `\`\${given}\n\${same(${one}).length}\``),
      tie('expression').map((one) => `new (class {\na = 1;\n[same(1)] =\n${one};\nstatic b =\n${one} })`),
      tie('expression').map((one) => `(() => { for (const k of\n[${one}]) return (\n${one}) })()`),
      tie('expression').map(
        (one) => `(() => { switch (\n${one}) { case\n1:\ndefault: return given[\n${one}] } })()`,
      ),
    ),
  }));

  it('means what it meant, and functions show the text that they were written in', () => {
    fc.assert(
      fc.property(expression, (code) => {
        const text = `() =>\n${code.startsWith('{') ? `(${code})` : code}`;
        const shown = guest.show(
          `const made = ${text}, written = ${JSON.stringify(text)};
[made.toString() === written, Object.is(...[made(), (0, eval)(written)()].map(JSON.stringify))]`,
        );
        assert.equal(shown, '[ true, true ]', code);
      }),
      { numRuns: 300 },
    );
  });
});
