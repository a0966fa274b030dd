/** `reprise import`: a session out of a file, on a real system. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { SessionEvent } from '../../bus/types.ts';
import { butIds, jsonl } from '../kit/jsonl.ts';
import { startSystem } from '../kit/system.ts';
import { outcomeOf, Shell } from './shell.ts';

let shell: Shell;
let folder: string;
let file: string;
before(async () => {
  shell = await Shell.open();
  folder = await mkdtemp(join(tmpdir(), 'reprise-import-'));
  file = join(folder, 'demo.jsonl');
  await shell.run(['exec', 'demo', "let x = 'é\\n'.repeat(300_000)"]);
  await shell.run(['exec', 'demo', "await llm('hello') + Math.random()"]);
  await shell.run(['export', 'demo', '-o', file]);
});
after(async () => {
  await shell.close();
  await rm(folder, { recursive: true, force: true });
});

const eventsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as SessionEvent);

test('import begins a session out of a file or standard input, which goes on and replays', async () => {
  const json = await shell.json(['import', file, '--as', 'copy']);
  assert.deepEqual([json.session, json.verified, json.divergence, json.closed], ['copy', true, null, false]);
  const piped = await shell.script('reprise export copy | reprise import - --as "copy of it"');
  assert.equal(piped.code, 0, piped.stderr);
  assert.match(piped.stdout, /^copy of it: \d+ events from standard input · re-execution gives the same\n$/);
  const original = eventsOf(await readFile(file, 'utf8'));
  for (const name of ['copy', 'copy of it']) {
    // A session that rests may be given a checkpoint meanwhile.
    const own = eventsOf((await shell.run(['export', name])).stdout).slice(0, original.length);
    assert.deepEqual(butIds(own), butIds(original));
    assert.equal((await shell.run(['exec', name, 'x.length'])).stdout, '600000\n');
    assert.equal((await shell.run(['replay', name])).code, 0);
  }
});

test('a name is given, or that of the log, or that of the file; one that is taken is refused', async () => {
  assert.match((await shell.json(['import', file], 2)).error, /"demo" already/);
  const nameless = join(folder, 'plain.jsonl');
  await writeFile(
    nameless,
    jsonl([
      { type: 'session', id: 'x' },
      { type: 'input', code: 'let y = 1' },
    ]),
  );
  assert.equal((await shell.json(['import', nameless])).session, 'plain');
  assert.equal((await shell.run(['exec', 'plain', 'y'])).stdout, '1\n');
  const unnamed = await shell.json(['import', '-'], 2, { stdin: await readFile(nameless, 'utf8') });
  assert.match(unnamed.hint, /--as/);
  const once = ['import', file, '--as', 'once', '--id', 'i-1'];
  assert.equal((await shell.json(once)).id, (await shell.json(once)).id);
});

test('what is broken is named by its line, and nothing of it is imported', async () => {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const broken = lines.with(2, lines[2]!.slice(0, -9)).join('\n');
  const failure = await shell.json(['import', '-', '--as', 'broken'], 2, { stdin: broken });
  assert.match(failure.error, /^line 3: /);
  assert.match(failure.hint, /nothing was imported/);
  assert.match((await shell.json(['import', folder], 2)).error, /directory/);
  assert.match((await shell.json(['import', join(folder, 'no')], 2)).error, /cannot be read/);
  assert.equal((await shell.json(['log', 'broken'], 4)).code, 'NOT_FOUND');
  assert.deepEqual(
    (await readdir(tmpdir())).filter((name) => name.startsWith('reprise-input-')),
    [],
  );
});

test('a log that gives something else here is kept, and it is said what works', async () => {
  const events = eventsOf(await readFile(file, 'utf8'));
  const index = events.findLastIndex(({ type }) => type === 'output');
  const other = events.with(index, { ...events[index], value: 'no' } as SessionEvent);
  const { code, stdout } = await shell.run(['import', '-', '--as', 'other'], { stdin: jsonl(other) });
  assert.equal(code, 0);
  assert.match(stdout, /gives something else[\s\S]*the log says[\s\S]*no cell runs in it/);
  assert.equal((await shell.run(['replay', 'other'])).code, 3);
  assert.match((await shell.run(['show', 'other', '--at-last-good'])).stdout, /x +string/);
});

test('when the worker is killed amid an import another one begins it anew, and nobody sees a half', async () => {
  await using system = await startSystem({ workers: 2 });
  const client = await system.connect();
  const cells = Array.from({ length: 800 }, (_, index) => [
    { type: 'input', code: `let n${index} = "${'x'.repeat(1_000)}"` },
    { type: 'output', value: '' },
  ]).flat();
  const text = jsonl([{ type: 'session', id: 'x', created: '2026-01-01T00:00:00Z' }, ...cells]);
  const long = join(folder, 'long.jsonl');
  await writeFile(long, text);
  const env = { ...system.env, NODE_TEST_CONTEXT: undefined };
  const child = shell.start(['import', long, '--as', 'long', '--json'], env);
  child.stdin.end();
  const outcome = outcomeOf(child);
  let done = false;
  outcome.finally(() => {
    done = true;
  });
  for (let round = 0; !done; round++) {
    const metadata = await client.getSession('long');
    assert.ok(metadata === null || metadata.eventCount >= 1_601);
    if (round === 25)
      for (const { id } of system.state.children) if (id.startsWith('worker')) system.kill(id);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { code, stdout, stderr } = await outcome;
  assert.equal(code, 0, `${stdout}${stderr}`);
  assert.equal((await client.replay('long')).verified, true);
});
