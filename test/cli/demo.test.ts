import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../kit/until.ts';
import { outcomeOf, Shell } from './shell.ts';

let shell: Shell;
let temporary: string;
before(async () => {
  shell = await Shell.open();
  temporary = await mkdtemp(path.join(tmpdir(), 'reprise-demo-test-'));
});
after(async () => {
  await rm(temporary, { recursive: true, force: true });
  await shell.close();
});

const pidsIn = (text: string) =>
  [...text.matchAll(/pid (\d+(?:, \d+)*)/g)].flatMap(([, pids]) => pids!.split(', ').map(Number));
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('the demo shows all it claims and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await shell.run(['demo'], { env: { TMPDIR: temporary } });
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /kill -9 \d+/);
  assert.match(stdout, /✓ worker .* answered after/);
  assert.match(stdout, /heap hash(es)? matched/);
  assert.match(stdout, /All of it held: \d+ checks in/);
  const pids = pidsIn(stdout);
  assert.ok(pids.length >= 10);
  await until(() => !pids.some(isAlive));
  assert.deepEqual(await readdir(temporary), []);
});

test('Ctrl-C in the middle of the demo cleans up, too', async () => {
  const child = shell.start(['demo'], { TMPDIR: temporary });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const outcome = outcomeOf(child);
  await until(() => text.includes('A session runs cells'), 60_000);
  child.kill('SIGINT');
  assert.equal((await outcome).code, 130);
  const pids = pidsIn(text);
  assert.ok(pids.length >= 5);
  await until(() => !pids.some(isAlive));
  assert.deepEqual(await readdir(temporary), []);
});
