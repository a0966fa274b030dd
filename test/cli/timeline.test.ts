/** `reprise timeline` against a real session. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  await shell.run(['exec', 'demo', 'let x = 20']);
  await shell.run(['exec', 'demo', 'await Promise.all([llm("one <b>"), llm("two")])']);
  await shell.run(['exec', 'demo', 'console.log("a\\nb"); throw new Error("\\u001b[31mno")']);
});
after(() => shell.close());

test('timeline draws cells, calls and their outcomes, without escapes through a pipe', async () => {
  const { code, stdout } = await shell.run(['timeline', 'demo']);
  assert.equal(code, 0);
  assert.match(stdout, /^demo\nseq 0 to \d+ · ready · 3 cells · 2 calls, up to 2 at once\n/);
  assert.match(stdout, /^1 let x = 20 .*█/m);
  assert.match(stdout, /^ +llm one <b> +.*━/m);
  assert.match(stdout, /✗ Error: \\x1b\[31m/);
  assert.ok(!stdout.includes('\u001b'));
  const painted = await shell.run(['timeline', 'demo'], { env: { FORCE_COLOR: '1' } });
  assert.ok(painted.stdout.includes('\u001b[32m█'));
  assert.ok(!painted.stdout.includes('\u001b[31mno'));
});

test('timeline gives programs one object of a stable shape', async () => {
  const { session, from, to, state, cells, calls, checkpoints } = await shell.json(['timeline', 'demo']);
  assert.deepEqual(
    [session, from, state, cells.length, Array.isArray(checkpoints)],
    ['demo', 0, 'ready', 3, true],
  );
  assert.ok(to >= 10);
  assert.deepEqual(
    cells.map((cell: { outcome: string }) => cell.outcome),
    ['result', 'result', 'error'],
  );
  for (const call of calls) {
    const { effect, kind, seq, answeredSeq, start, end, ok } = call;
    assert.equal(typeof effect, 'number');
    assert.deepEqual([kind, ok, seq < answeredSeq, start <= end], ['llm', true, true, true]);
  }
  const part = await shell.json(['timeline', 'demo', '--from', '1', '--to', '2']);
  assert.deepEqual([part.from, part.to, part.cells.length, part.calls.length], [1, 2, 1, 0]);
});

test('timeline writes an SVG, and says when it cannot', async () => {
  const file = path.join(shell.home, 'demo.svg');
  const { code, stdout } = await shell.run(['timeline', 'demo', '--svg', file]);
  assert.deepEqual([code, stdout], [0, '']);
  const svg = await readFile(file, 'utf8');
  assert.match(svg, /<title id="title">Timeline of session demo<\/title>/);
  assert.match(svg, /prefers-color-scheme: dark/);
  assert.match(svg, /llm one &#60;b&#62;/);
  const both = await shell.json(['timeline', 'demo', '--svg', file]);
  assert.equal(both.cells.length, 3);
  const failed = await shell.run(['timeline', 'demo', '--svg', path.join(shell.home, 'none', 'x.svg')]);
  assert.equal(failed.code, 2);
  assert.match(failed.stderr, /--svg: ENOENT/);
});

test('timeline of what does not exist has the exit codes of all commands', async () => {
  assert.equal((await shell.run(['timeline', 'nobody'])).code, 4);
  const beyond = await shell.run(['timeline', 'demo', '--from', '9999']);
  assert.deepEqual([beyond.code, beyond.stdout], [0, 'demo\nno events in this range\n']);
});

test('a session that is closed or waits is told as such', async () => {
  const waiting = shell.start(['exec', 'waits', 'await new Promise(() => setTimeout(() => 0, 1e8))']);
  const state = async (name: string) => (await shell.run(['timeline', name, '--json'])).stdout;
  while (!(await state('waits')).includes('"state":"waiting"'));
  const picture = await shell.run(['timeline', 'waits']);
  assert.match(picture.stdout, /►.* waits/);
  await shell.run(['close', 'waits']);
  waiting.kill();
  assert.match(await state('waits'), /"state":"closed"/);
});
