import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, Shell } from './shell.ts';

const noFull = existsSync('/dev/full') ? false : 'there is no /dev/full';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
});
after(() => shell.close());

const COMMANDS =
  'exec repl ls show log timeline replay verify interrupt close rm up down status doctor demo'.split(' ');

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  assert.deepEqual(await shell.run(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('--help names every command and every exit code', async () => {
  const { code, stdout } = await shell.run(['--help']);
  assert.equal(code, 0);
  for (const name of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
  for (const digit of [0, 1, 2, 3, 4, 5, 6]) assert.match(stdout, new RegExp(`\\b${digit} [a-z]`));
});

test('the help of every command has examples', async () => {
  await Promise.all(
    COMMANDS.map(async (name) => {
      const { code, stdout } = await shell.run([name, '--help']);
      assert.equal(code, 0, name);
      assert.match(stdout, /\nExamples:\n.*reprise /, name);
    }),
  );
});

test('usage errors exit with 2, say what is wrong on stderr, and write nothing', async () => {
  const wrong: [string[], RegExp][] = [
    [[], /Usage: reprise/],
    [['dance'], /unknown command 'dance'/],
    [['exec'], /missing required argument 'session'/],
    [['exec', 's', '1', '2'], /too many arguments/],
    [['exec', 's', '1', '--nonsense'], /unknown option '--nonsense'/],
    [['exec', 's', '1', '--timeout', '3'], /not a duration/],
    [['exec', 's', '1', '--timeout'], /argument missing/],
    [['exec', 's', '1', '-f', 'x.js'], /both code and a file/],
    [['exec', 's', '1', '--id', ''], /command id is empty/],
    [['exec', '', '1'], /session name is empty/],
    [['exec', 'a\nb', '1'], /control character/],
    [['exec', 'x'.repeat(513), '1'], /has 513 characters/],
    [['show', ''], /session name is empty/],
    [['log', 's', '--from', '-1'], /whole number/],
    [['log', 's', '--from', '3', '--to', '2'], /comes after/],
    [['timeline', 's', '--from', '3', '--to', '2'], /comes after/],
    [['timeline', 's', '--svg', ''], /needs the name of a file/],
    [['log', 's', '--to', '1.5'], /--to: '1.5' is not a whole number/],
    [['verify'], /names of sessions, or --all/],
    [['verify', 's', '--all'], /names of sessions, or --all/],
    [['verify', 's', '--jobs', '0'], /--jobs: '0' is not a whole number from 1/],
    [['up', '--workers', '0'], /--workers: '0' is not a whole number from 1/],
    [['exec', '-dash', '1'], /goes after --/],
    [['exec', 's', '-f', ROOT], /is a folder, not a file/],
    [['exec', 's', '-f', '/dev/zero'], /too large for a cell, which has 1 MiB/],
    [['rm', 's'], /add --yes/],
    [['repl', 'a', 'b'], /too many arguments/],
  ];
  await Promise.all(
    wrong.map(async ([args, message]) => {
      const { code, stdout, stderr } = await shell.run(args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, message);
      assert.equal(stdout, '');
    }),
  );
  assert.deepEqual(await readdir(shell.home), []);
});

test('with --json a usage error is one line on stdout, and nothing on stderr', async () => {
  for (const args of [
    ['exec', '--json'],
    ['log', 's', '--from', 'x', '--json'],
    ['rm', 's', '--json'],
  ]) {
    const { code, stdout, stderr } = await shell.run(args);
    assert.equal(code, 2);
    assert.equal(stderr, '');
    const failure = JSON.parse(stdout);
    assert.deepEqual(Object.keys(failure), ['error', 'code', 'retryable', 'hint']);
    assert.equal(failure.code, 'BAD_REQUEST');
    assert.equal(failure.retryable, false);
  }
});

test('--json after -- is a name, not an option', async () => {
  const { code, stdout, stderr } = await shell.run(['rm', '--', '--json']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /add --yes/);
});

test('a usage error names the help of its command', async () => {
  assert.match((await shell.run(['exec'])).stderr, /`reprise exec --help`/);
  assert.match((await shell.run(['dance'])).stderr, /`reprise --help`/);
});

test('standard input that is too large for a cell is refused as such', async () => {
  const { code, stderr } = await shell.run(['exec', 's'], { stdin: 'x'.repeat(5_000_000) });
  assert.equal(code, 2);
  assert.match(stderr, /standard input is too large for a cell/);
});

test('output that cannot be written is an error without a stack', { skip: noFull }, async () => {
  const { code, stderr } = await shell.script('reprise status > /dev/full');
  assert.equal(code, 5);
  assert.match(stderr, /^error: the output cannot be written: ENOSPC.*\n$/);
});

test('a file that is not there exits with 4, one that is no text with 2', async () => {
  const missing = await shell.run(['exec', 's', '-f', '/nowhere/at/all.js']);
  assert.equal(missing.code, 4);
  assert.match(missing.stderr, /does not exist/);
  const binary = path.join(shell.home, 'binary');
  await writeFile(binary, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe]));
  const { code, stderr } = await shell.run(['exec', 's', '-f', binary]);
  assert.equal(code, 2);
  assert.match(stderr, /not UTF-8/);
});

test('status and doctor of an empty folder start nothing and exit with 0', async () => {
  const status = await shell.json(['status']);
  assert.deepEqual([status.nats, status.storage, status.llm, status.workers], [null, [], [], []]);
  assert.match((await shell.run(['status'])).stdout, /stopped\n.*reprise up/);
  const { ok, checks } = await shell.json(['doctor']);
  assert.equal(ok, true);
  const names: string[] = checks.map((check: { name: string }) => check.name);
  for (const name of ['reprise', 'node', 'nats-server', 'home', 'system'])
    assert.ok(names.includes(name), name);
  assert.match((await shell.run(['doctor'])).stdout, /Nothing is wrong\.\n$/);
  assert.equal((await shell.json(['status'])).phase, 'stopped');
});

test('doctor tells of servers on PATH that cannot be used', async () => {
  const folder = path.join(shell.home, 'old');
  await mkdir(folder);
  await writeFile(path.join(folder, 'nats-server'), '#!/bin/sh\necho nats-server: v2.8.4\n');
  await chmod(path.join(folder, 'nats-server'), 0o755);
  const { stdout } = await shell.run(['doctor'], { env: { PATH: `${folder}:${process.env.PATH}` } });
  assert.match(stdout, /^• passed over +\S+old\/nats-server is version 2\.8\.4, older than 2\.9\.0$/m);
});

test('a record that is damaged counts as none', async () => {
  const run = path.join(shell.home, 'run');
  await mkdir(run, { recursive: true });
  for (const text of [
    '',
    'null',
    '{"version":1,"children":[],"supervisor":{}}',
    '{"version":1,"children":[]}',
  ]) {
    await writeFile(path.join(run, 'state.json'), text);
    assert.equal((await shell.json(['status'])).phase, 'stopped');
  }
  assert.deepEqual(await shell.json(['down']), { stopped: [] });
});

test('down says so when nothing runs', async () => {
  assert.deepEqual(await shell.run(['down']), { code: 0, stdout: 'nothing was running\n', stderr: '' });
  assert.deepEqual(await shell.json(['down']), { stopped: [] });
});

test('doctor exits with 5 when the data folder cannot be written', async () => {
  for (const file of [path.join(ROOT, 'package.json'), path.join(ROOT, 'package.json', 'below')]) {
    const { code, stdout } = await shell.run(['doctor'], { env: { REPRISE_HOME: file } });
    assert.equal(code, 5);
    assert.match(stdout, /✗ home .*cannot write in .*: it is a file, or lies below one/);
    assert.match(stdout, /REPRISE_HOME/);
    assert.match(stdout, /\n1 problem\.\n$/);
  }
});

test('colour follows FORCE_COLOR and NO_COLOR', async () => {
  const painted = '\u001b[';
  assert.ok(!(await shell.run(['status'])).stdout.includes(painted));
  const forced = await shell.run(['status'], { env: { FORCE_COLOR: '1' } });
  assert.ok(forced.stdout.includes(painted));
  const without = await shell.run(['status'], { env: { NO_COLOR: '1' } });
  assert.ok(!without.stdout.includes(painted));
});
