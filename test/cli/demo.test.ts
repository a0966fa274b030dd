import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
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

/** Command lines of all processes (Linux; elsewhere none are seen). */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}

/** What a demo left behind; the cache of the TypeScript loader is not its own. */
async function leftIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('tsx-'));
}

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
  assert.deepEqual(await leftIn(temporary), []);
});

for (const [moment, sign, processes] of [
  ['while everything starts', 'Starting real processes', 0],
  ['in the middle', 'A session runs cells', 5],
  ['while everything starts again', 'down: nothing runs', 5],
] as const) {
  test(`Ctrl-C ${moment} cleans up, too`, async () => {
    const child = shell.start(['demo'], { TMPDIR: temporary });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const outcome = outcomeOf(child);
    await until(() => text.includes(sign), 60_000);
    const [home] = await leftIn(temporary);
    child.kill('SIGINT');
    assert.equal((await outcome).code, 130);
    const pids = pidsIn(text);
    assert.ok(pids.length >= processes);
    await until(() => !pids.some(isAlive));
    await until(async () => !(await commandLines()).some((line) => line.includes(home!)));
    assert.deepEqual(await leftIn(temporary), []);
  });
}
