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
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(events[0].type, 'session');
    // A session that rests may be given a checkpoint meanwhile.
    const to = String(events.length - 1);
    assert.equal(stdout, (await shell.run(['log', session, '--json', '--to', to])).stdout);
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
  const json = await shell.json(['export', 'demo', '--to', '7', '-o', file]);
  const text = await readFile(file, 'utf8');
  assert.deepEqual(json, {
    session: 'demo',
    file,
    events: text.trimEnd().split('\n').length,
    bytes: Buffer.byteLength(text),
  });
  assert.equal(text, (await shell.run(['export', 'demo', '--to', '7', '-o', '-'])).stdout);
  await writeFile(file, 'precious');
  assert.match((await shell.json(['export', 'demo', '-o', file], 2)).error, /is there already/);
  assert.equal(await readFile(file, 'utf8'), 'precious');
  const link = join(folder, 'link');
  await symlink(file, link);
  assert.equal((await shell.run(['export', 'demo', '--to', '7', '-o', link, '--force'])).code, 0);
  assert.equal(await readFile(file, 'utf8'), text);
  assert.equal((await shell.json(['export', 'demo', '-o', folder, '--force'], 2)).code, 'BAD_REQUEST');
  assert.match((await shell.json(['export', 'demo', '-o', join(folder, 'no', 'x')], 2)).error, /written/);
  assert.equal((await shell.json(['export', 'nobody', '-o', join(folder, 'x')], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.run(['export', 'demo', '--from', '3', '--to', '1'])).code, 2);
  assert.deepEqual((await readdir(folder)).sort(), ['demo.jsonl', 'link']);
});

test('a reader that goes away ends it quietly, and a slow one gets everything', async () => {
  assert.equal((await shell.script('reprise export demo | head -1 | wc -l')).stdout.trim(), '1');
  const child = shell.start(['export', 'demo', '--to', '7']);
  child.stdin.end();
  child.stdout.pause();
  const outcome = outcomeOf(child);
  child.stdout.pause();
  setTimeout(() => child.stdout.resume(), 300);
  assert.equal((await outcome).stdout, (await shell.run(['log', 'demo', '--json', '--to', '7'])).stdout);
});

test('a bundle is verified with no server, and a byte of it that was changed is named', async () => {
  const file = join(folder, 'other.reprise');
  const { bytes } = await shell.json(['export', 'other', '--bundle', '-o', file]);
  const content = await readFile(file);
  assert.equal(content.byteLength, bytes);
  const alone = { env: { REPRISE_HOME: join(folder, 'nothing') } };
  const checked = await shell.json(['verify', file], 0, alone);
  assert.deepEqual([checked.session, checked.verified, checked.file], ['other', true, file]);
  assert.match((await shell.run(['verify', file], alone)).stdout, /^other: .*\nverified: /);
  const changed = Buffer.from(content);
  changed[content.byteLength - 400]! ^= 1;
  await writeFile(file, changed);
  const failure = await shell.json(['verify', file], 3, alone);
  assert.match(failure.error, /^record \d+ of the file \(bytes \d+ to \d+\)/);
  assert.equal((await shell.json(['import', file, '--as', 'never'], 3)).code, 'CORRUPT');
  assert.equal((await shell.json(['import', '-', '--as', 'never'], 2, { stdin: '' })).code, 'BAD_FORMAT');
  await writeFile(file, content);
  assert.equal((await shell.json(['import', file, '--as', 'copied'])).verified, true);
  assert.equal((await shell.run(['replay', 'copied'])).code, 0);
  assert.equal((await shell.run(['export', 'demo', '--bundle', '--to', '3'])).code, 2);
  assert.equal((await shell.run(['export'])).code, 2);
});
