/** The pure parts of a diff: trees of values, lines of output, calls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffCalls, diffOutputs, type OutputLine, Telling } from '../../bus/client/diff/events.ts';
import { diffTrees, isReplaced, parseWalk, previewOf, type ValueTree } from '../../bus/client/diff/trees.ts';
import { SAMPLE_LINES, walkCode } from '../../bus/client/diff/walk.ts';
import type { SessionEvent } from '../../bus/types.ts';

const text = fc.constantFrom('Object', 'Array(1)', '1', '2');
const step = fc.constantFrom('.a', '.b', '.c', '.d');
const { tree } = fc.letrec<{ tree: ValueTree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    text.map((told) => ({ text: told, children: new Map() })),
    fc.record({
      text,
      children: fc.array(fc.tuple(step, tie('tree')), { maxLength: 4 }).map((entries) => new Map(entries)),
    }),
  ),
}));

/** `a` with the changes made. */
function applied(a: ValueTree, changes: ReturnType<typeof diffTrees>): ValueTree {
  const whole = structuredClone(a);
  for (const { steps, a: old, b: now } of changes) {
    const last = steps.at(-1);
    if (last === undefined) {
      if (isReplaced({ a: old, b: now })) return now!;
      whole.text = now!.text;
      continue;
    }
    const holder = steps.slice(0, -1).reduce((at, step) => at.children.get(step)!, whole);
    if (!now) holder.children.delete(last);
    else if (isReplaced({ a: old, b: now })) holder.children.set(last, now);
    else holder.children.get(last)!.text = now.text;
  }
  return whole;
}

/** Without the order of what it holds. */
const sorted = ({ text, children }: ValueTree): unknown => [
  text,
  [...children].sort(([x], [y]) => (x < y ? -1 : 1)).map(([step, child]) => [step, sorted(child)]),
];

test('a tree does not differ from itself, and differences applied to one give the other', () => {
  fc.assert(fc.property(tree, (a) => assert.deepEqual(diffTrees(a, structuredClone(a)), [])));
  fc.assert(
    fc.property(tree, tree, (a, b) => {
      assert.deepEqual(sorted(applied(a, diffTrees(a, b))), sorted(b));
      assert.equal(diffTrees(a, b).length, diffTrees(b, a).length);
    }),
  );
});

/** What the walk says of a tree in so much room, as the guest does: what comes after that is the rest. */
function walked(tree: ValueTree, room: number): ValueTree {
  const lines: string[] = [];
  const tell = (key: string, { text, children }: ValueTree, depth: number) => {
    lines.push(`${depth}\t${key}\tObject\t${text}`);
    for (const one of [...children.keys()].sort()) tell(`p${one.slice(1)}`, children.get(one)!, depth + 1);
  };
  tell('vx', tree, 0);
  const told = lines.slice(0, room);
  const rest = lines.slice(room);
  if (rest.length > 0) told.push(`1\tr\trest\t${rest.length} #${rest.join('|').replaceAll(/\s/g, '_')}`);
  return parseWalk([...SAMPLE_LINES, ...told, ''].join('\n'), ['x'])!.variables.get('x')!;
}

test('whatever the room, what is the same does not differ, and what differs is told', () => {
  fc.assert(
    fc.property(tree, tree, fc.integer({ min: 1, max: 12 }), (a, b, room) => {
      assert.deepEqual(diffTrees(walked(a, room), walked(a, room)), []);
      const isSame = diffTrees(a, b).length === 0;
      assert.equal(diffTrees(walked(a, room), walked(b, room)).length === 0, isSame);
    }),
    { numRuns: 500 },
  );
});

test('a walk is read only when the sample came out as it must; texts and keys come back whole', () => {
  const lines = (...more: string[]) => `${[...SAMPLE_LINES, ...more].join('\n')}\n`;
  assert.equal(parseWalk('', []), null);
  assert.equal(parseWalk("'a text'", []), null);
  assert.equal(parseWalk(lines().replace('NaN', '0'), []), null);
  const { variables, isCut, isOver } = parseWalk(
    lines(
      '0\tvx\tObject\tObject',
      '1\tpa\\u000ab\tstring\tq"\\u0009\\u005c\\ud83d\\ude00',
      `1\tySymbol(s)\tref\t${SAMPLE_LINES.length + 1}`,
      '1\tySymbol(s)\tref\t-1',
      '1\tgs1\tstring\tab\\>9 #f',
      '1\tgo1\tthrows\tTypeError',
      '1\tr\trest\t3 #ff +',
    ),
    ['x'],
  )!;
  assert.deepEqual([isCut, isOver], [true, true]);
  assert.deepEqual(
    [...variables.get('x')!.children].map(([step, { text }]) => `${step} = ${text}`),
    [
      '["a\\nb"] = "q\\"\\t\\\\😀"',
      '[Symbol(s)] = → x',
      '[Symbol(s)]#2 = → something in x',
      '.get("1") = "ab"… (9 characters, #f)',
      '.get(1) = <throws TypeError>',
      '.… = 3 more #ff',
    ],
  );
  fc.assert(
    fc.property(
      tree,
      fc.integer({ min: 20, max: 200 }),
      (one, units) => previewOf(one, units).length < units + 40,
    ),
  );
  // Whatever a variable of the session is called, the code is a script.
  const code = walkCode(
    [
      { name: 'if', kind: 'global' },
      { name: 'out', kind: 'let' },
      { name: '$', kind: 'var' },
    ],
    3,
  );
  assert.equal(typeof new Function(code), 'function');
});

const line = fc.record({
  seq: fc.nat(),
  stream: fc.constantFrom<OutputLine['stream']>('stdout', 'result'),
  text: fc.constantFrom('a', 'b', 'c'),
});

test('lines without those that only one has are the same lines on both sides', () => {
  fc.assert(
    fc.property(fc.array(line), fc.array(line), (a, b) => {
      const only = diffOutputs(a, b);
      const common = (all: OutputLine[], own: OutputLine[]) =>
        all.filter((one) => !own.includes(one)).map(({ stream, text }) => [stream, text]);
      assert.deepEqual(common(a, only.a), common(b, only.b));
      assert.deepEqual(diffOutputs(a, a), { a: [], b: [] });
    }),
  );
});

test('too many edits are not searched through: what is between the common ends differs', () => {
  const many = (word: string): OutputLine[] =>
    Array.from({ length: 5_000 }, (_, seq) => ({ seq, stream: 'stdout', text: `${word} ${seq}` }));
  const end: OutputLine = { seq: 0, stream: 'stdout', text: 'end' };
  const { a, b } = diffOutputs([end, ...many('a'), end], [end, ...many('b'), end]);
  assert.deepEqual([a.length, b.length], [5_000, 5_000]);
});

const timestamp = '2026-01-01T00:00:00.000Z';
const asked = (seq: number, prompt: string): SessionEvent => ({
  type: 'llm_req',
  seq,
  prompt,
  receiptKey: `k${seq}`,
  effect: seq,
  timestamp,
});
const answered = (seq: number, effect: number, response: string): SessionEvent => ({
  type: 'llm_resp',
  seq,
  response,
  receiptKey: `k${effect}`,
  effect,
  timestamp,
});

function tellingOf(events: SessionEvent[]): Telling {
  const telling = new Telling();
  for (const event of events) telling.take(event);
  return telling;
}

test('calls are matched by what they ask, in whatever order; each answer belongs to its request', () => {
  const a = tellingOf([
    asked(1, 'x'),
    asked(2, 'y'),
    asked(3, 'x'),
    answered(4, 2, 'Y'),
    answered(5, 1, 'X'),
    answered(6, 3, 'X2'),
  ]);
  const b = tellingOf([
    asked(1, 'y'),
    asked(2, 'x'),
    asked(3, 'z'),
    answered(4, 1, 'Y'),
    answered(5, 2, 'other'),
  ]);
  assert.deepEqual(diffCalls(a.calls, a.calls), []);
  assert.deepEqual(diffCalls(a.calls, b.calls), [
    { kind: 'llm', request: { prompt: 'x' }, a: { seq: 1, answer: 'X' }, b: { seq: 2, answer: 'other' } },
    { kind: 'llm', request: { prompt: 'x' }, a: { seq: 3, answer: 'X2' } },
    { kind: 'llm', request: { prompt: 'z' }, b: { seq: 3 } },
  ]);
});
