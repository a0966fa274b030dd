/** `reprise diff`, from a shell. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DiffReply } from '../../bus/client/diff/diff.ts';
import { renderDiff } from '../../cli/render/diff.ts';
import { makePalette } from '../../cli/render/palette.ts';
import { Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  await shell.run(['exec', 'demo', 'let x = { a: 1 }']);
  await shell.run(['fork', 'demo', 'what if', '--at', '2']);
  await shell.run(['exec', 'what if', 'x.a = 2; console.log("other"); await llm("hi")']);
});
after(() => shell.close());

test('diff says where two moments part and what differs, with the exit codes of diff(1)', async () => {
  const same = await shell.run(['diff', 'demo', 'demo']);
  assert.equal(same.code, 0);
  assert.match(same.stdout, /^demo at seq (\d+) and demo at seq \1 · parted at seq \1 · nothing differs\n$/);
  const { code, stdout } = await shell.run(['diff', 'demo', 'what if']);
  assert.equal(code, 1);
  assert.match(stdout, /parted at seq 2 · 1 variable, 2 lines, 1 call\n/);
  assert.match(stdout, /\nVariables\n- x\.a = 1\n\+ x\.a = 2\n/);
  assert.match(stdout, /\nOutput\n\+ other\n\+ result: 'echo: hi'\n/);
  assert.match(stdout, /\nCalls\n\+ llm \{"prompt":"hi"\} → "echo: hi"\n$/);
  const json = await shell.json(['diff', 'what if', 'demo', '--at-a', '3', '--at-b', '2']);
  assert.deepEqual(
    [json.a, json.b, json.parted, json.variables, json.same],
    [{ session: 'what if', seq: 3 }, { session: 'demo', seq: 2 }, 2, [], true],
  );
});

test('diff says what does not exist', async () => {
  assert.equal((await shell.json(['diff', 'demo', 'nobody'], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.json(['diff', 'demo', 'demo', '--at-b', '99'], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.run(['diff', 'demo'])).code, 2);
  assert.equal((await shell.run(['diff', 'demo', 'demo', '--at-a', 'x'])).code, 2);
});

test('what differs is red and green, a call that was answered otherwise stands once, bounds are said', () => {
  const reply: DiffReply = {
    a: { session: 'a', seq: 3 },
    b: { session: 'b\u001b[2J', seq: 4 },
    parted: null,
    variables: [{ path: 'x["\u0007"]', a: '"1\n"' }],
    outputs: { a: [], b: [{ seq: 3, stream: 'stderr', text: 'oh' }] },
    calls: [
      { kind: 'llm', request: { prompt: 'p' }, a: { seq: 1, answer: 'yes' }, b: { seq: 2 } },
      { kind: 'llm', request: { prompt: 'q' }, b: { seq: 2, error: { name: 'LLMError', message: 'no' } } },
    ],
    same: false,
    bounds: ['values', 'unseen', 'previews', 'events'],
  };
  const text = renderDiff(reply, makePalette(true));
  assert.match(text, /unrelated/);
  assert.ok(text.includes('\u001b[31m- x["\\x07"] = "1 "\u001b[39m\n'));
  assert.ok(text.includes('\u001b[32m+ stderr: oh\u001b[39m\n'));
  assert.ok(!text.includes('\u001b[2J'));
  const plain = renderDiff(reply, makePalette(false));
  assert.match(plain, /\n {2}llm \{"prompt":"p"\}\n- {3}"yes"\n\+ {3}no answer yet\n/);
  assert.match(plain, /\+ llm \{"prompt":"q"\} → ✗ LLMError: no\n/);
  assert.equal(plain.match(/^\(.*\)$/gm)?.length, 4);
});
