/** `annotate`, `annotations`, `checkpoint` and `snapshot` against a real system. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  await shell.run(['exec', 'demo', 'let x = 20']);
  await shell.run(['exec', 'other', 'let y = 1']);
});
after(() => shell.close());

test('annotate adds, changes, renames and removes, and says which', async () => {
  const added = await shell.json([
    'annotate',
    'demo',
    'good',
    '--at',
    '2',
    '--tag',
    'a',
    '--tag',
    'b',
    '-d',
    'why',
  ]);
  const { seq, created, ...rest } = added;
  const said = { checkpointSeq: 2, label: 'good', description: 'why', tags: ['a', 'b'] };
  assert.deepEqual(rest, { session: 'demo', action: 'add', ...said, repeated: false });
  assert.ok(Number.isInteger(seq) && new Date(created).toISOString() === created);
  const changed = await shell.run(['annotate', 'demo', 'good', '--at', '2', '--no-tags']);
  assert.equal(changed.stdout, "changed the annotation of 'demo' at seq 2: good\n");
  await shell.run(['annotate', 'demo', 'good', '--rename', 'better']);
  const [only, ...none] = await shell.json(['annotations', 'demo']);
  assert.deepEqual([only, none], [{ session: 'demo', ...said, label: 'better', tags: [], created }, []]);
  const again = ['annotate', 'demo', 'once', '--id', 'the-same'];
  assert.equal((await shell.json(again)).repeated, false);
  assert.equal((await shell.json(again)).repeated, true);
  assert.match(
    (await shell.run(['annotate', 'demo', 'once', '--remove'])).stdout,
    /^removed the annotation of 'demo'/,
  );
  const gone = await shell.json(['annotate', 'demo', 'once', '--remove'], 4);
  assert.equal(gone.code, 'NOT_FOUND');
  assert.ok(gone.commandId, 'to retry with');
});

test('annotations finds by tag and by words, in one session or in all', async () => {
  await shell.run(['annotate', 'demo', 'import of rows', '--tag', 'work']);
  await shell.run(['annotate', 'other', 'import of columns', '--tag', 'work', '-d', 'with \u001b[31mcolour']);
  const labels = async (...args: string[]) =>
    (await shell.json(['annotations', ...args])).map((one: { label: string }) => one.label);
  assert.deepEqual(await labels('--tag', 'work'), ['import of rows', 'import of columns']);
  assert.deepEqual(await labels('--text', 'COLUMNS import'), ['import of columns']);
  assert.deepEqual(await labels('demo', '--text', 'columns'), []);
  const { stdout } = await shell.run(['annotations', '--tag', 'work']);
  assert.match(stdout, /^SESSION +SEQ +LABEL +TAGS +MADE +DESCRIPTION\ndemo +\d+ +import of rows +work /);
  assert.ok(!stdout.includes('\u001b'));
  assert.match((await shell.run(['annotations', 'demo', '--tag', 'none'])).stdout, /^No annotations\./);
  assert.equal((await shell.run(['annotations', 'nobody'])).code, 4);
});

test('show, log and timeline tell of annotations', async () => {
  await shell.run(['annotate', 'demo', 'told', '--tag', 'x', '-d', 'everywhere']);
  assert.match((await shell.run(['show', 'demo'])).stdout, /\nAnnotations\nSEQ .*\n[\s\S]*told +x /);
  assert.ok(
    (await shell.json(['show', 'demo'])).annotations.some(({ label }: { label: string }) => label === 'told'),
  );
  assert.match((await shell.run(['log', 'demo'])).stdout, / annotation +"told" at seq \d+ #x — everywhere\n/);
  assert.match((await shell.run(['timeline', 'demo'])).stdout, /^annotations .*▾/m);
  const { annotations } = await shell.json(['timeline', 'demo']);
  assert.match(annotations.at(-1).detail, /^"told" at seq \d+ #x — everywhere$/);
  assert.equal((await shell.run(['replay', 'demo'])).code, 0);
  assert.equal((await shell.json(['exec', 'demo', 'x'])).output, '20');
});

test('checkpoint says its seq and its state, and the same when nothing has happened', async () => {
  await shell.run(['exec', 'demo', 'x += 1']);
  const taken = await shell.json(['checkpoint', 'demo']);
  assert.match(taken.stateId, /^[0-9a-f]{64}$/);
  assert.deepEqual(await shell.json(['checkpoint', 'demo']), taken);
  const told = await shell.run(['checkpoint', 'demo']);
  assert.equal(told.stdout, `checkpoint of 'demo' at seq ${taken.seq}, state ${taken.stateId}\n`);
  assert.equal((await shell.run(['checkpoint', 'nobody'])).code, 4);
});

test('a snapshot is made, listed, shown, restored and removed', async () => {
  const made = await shell.json(['snapshot', 'create', 'demo', '-d', 'to come back to', '--tag', 'keep']);
  assert.deepEqual(
    [made.id, made.sessionName, made.description, made.tags],
    [`demo@${made.checkpointSeq}`, 'demo', 'to come back to', ['keep']],
  );
  await shell.run(['exec', 'demo', 'x = 0']);
  assert.deepEqual(await shell.json(['snapshot', 'ls', '--tag', 'keep']), [made]);
  assert.match(
    (await shell.run(['snapshot', 'ls', 'demo'])).stdout,
    /^SNAPSHOT +TAGS +MADE +DESCRIPTION\ndemo@\d+ +keep /,
  );
  assert.deepEqual(await shell.json(['snapshot', 'show', made.id]), made);
  const restored = await shell.run(['snapshot', 'restore', made.id, 'again']);
  assert.equal(restored.stdout, `again goes on from ${made.id}\n`);
  assert.equal((await shell.json(['exec', 'again', 'x'])).output, '21');
  assert.equal((await shell.run(['snapshot', 'rm', made.id])).stdout, `removed snapshot ${made.id}\n`);
  for (const args of [
    ['show', made.id],
    ['rm', made.id],
    ['restore', made.id, 'late'],
  ])
    assert.equal((await shell.json(['snapshot', ...args], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.json(['snapshot', 'show', 'demo'], 2)).code, 'BAD_REQUEST');
});

test('a closed session refuses, and names the way that is left', async () => {
  await shell.run(['exec', 'ended', '1']);
  await shell.run(['close', 'ended']);
  for (const args of [
    ['annotate', 'ended', 'x'],
    ['checkpoint', 'ended'],
    ['snapshot', 'create', 'ended'],
  ]) {
    const { code, stderr } = await shell.run(args);
    assert.equal(code, 4);
    assert.match(stderr, /is closed[\s\S]*reprise fork/);
  }
});
