/** `reprise export`: the log as a file. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { outcomeOf, Shell } from './shell.ts';

let shell: Shell;
let folder: string;
before(async () => {
  shell = await Shell.open();
  folder = await mkdtemp(join(tmpdir(), 'reprise-export-'));
  await shell.run(['exec', 'demo', 'let x = 1']);
  await shell.run(['exec', 'demo', "x = 'é\\n'.repeat(300_000); await llm('hello')"]);
  await shell.run(['fork', 'demo', 'other', '--at', '2']);
  await shell.run(['exec', 'other', 'x += 1']);
});
after(async () => {
  await shell.close();
  await rm(folder, { recursive: true, force: true });
});

test('export writes one event a line, as the log holds them, and a fork whole', async () => {
  for (const session of ['demo', 'other']) {
    const { code, stdout } = await shell.run(['export', session]);
    assert.equal(code, 0);
    assert.equal(stdout, (await shell.run(['log', session, '--json'])).stdout);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(events[0].type, 'session');
    assert.deepEqual(
      events.map(({ seq = 0 }) => seq),
      events.map((_, index) => index),
    );
    assert.equal(stdout.includes('"large"'), false);
  }
  const { stdout } = await shell.run(['export', 'demo', '--from', '1', '--to', '2']);
  assert.equal(stdout.trimEnd().split('\n').length, 2);
});

test('a file is whole or not there, and one that is there is replaced by --force alone', async () => {
  const file = join(folder, 'demo.jsonl');
  const json = await shell.json(['export', 'demo', '-o', file]);
  const text = await readFile(file, 'utf8');
  assert.deepEqual(json, {
    session: 'demo',
    file,
    events: text.trimEnd().split('\n').length,
    bytes: Buffer.byteLength(text),
  });
  assert.equal(text, (await shell.run(['export', 'demo', '-o', '-'])).stdout);
  await writeFile(file, 'precious');
  assert.match((await shell.json(['export', 'demo', '-o', file], 2)).error, /is there already/);
  assert.equal(await readFile(file, 'utf8'), 'precious');
  const link = join(folder, 'link');
  await symlink(file, link);
  assert.equal((await shell.run(['export', 'demo', '-o', link, '--force'])).code, 0);
  assert.equal(await readFile(file, 'utf8'), text);
  assert.equal((await shell.json(['export', 'demo', '-o', folder, '--force'], 2)).code, 'BAD_REQUEST');
  assert.match((await shell.json(['export', 'demo', '-o', join(folder, 'no', 'x')], 2)).error, /written/);
  assert.equal((await shell.json(['export', 'nobody', '-o', join(folder, 'x')], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.run(['export', 'demo', '--from', '3', '--to', '1'])).code, 2);
  assert.deepEqual((await readdir(folder)).sort(), ['demo.jsonl', 'link']);
});

test('a reader that goes away ends it quietly, and a slow one gets everything', async () => {
  assert.equal((await shell.script('reprise export demo | head -1 | wc -l')).stdout.trim(), '1');
  const child = shell.start(['export', 'demo']);
  child.stdin.end();
  child.stdout.pause();
  const outcome = outcomeOf(child);
  child.stdout.pause();
  setTimeout(() => child.stdout.resume(), 300);
  assert.equal((await outcome).stdout, (await shell.run(['log', 'demo', '--json'])).stdout);
});
