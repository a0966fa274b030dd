/** `reprise verify`: many sessions, what is remembered of them, and what becomes of the rest when one fails. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { homeAt } from '../../actors/supervisor/home.ts';
import { VerifiedFile } from '../../cli/verified.ts';
import { outcomeOf, Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  for (const session of ['a', 'b', 'c']) {
    await shell.run(['exec', session, 'let x = 20']);
    await shell.run(['exec', session, 'x += 22; await llm("hi")']);
  }
  // Nothing is added to them any more, no checkpoint either.
  for (const session of ['a', 'c']) await shell.run(['close', session]);
});
after(() => shell.close());

const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('verify tells of each session and of all of them', async () => {
  const { code, stdout, stderr } = await shell.run(['verify', 'a', 'b', 'a']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^✓ a: \d+ events, \d+ checkpoints?, from \d+ of them on, all equal \(/m);
  assert.match(stdout, /^2 sessions: 2 verified\n/m);
  const json = await shell.run(['verify', '--all', '--json', '--schedule', '7', '--jobs', '3']);
  assert.equal(json.code, 0);
  const told = lines(json.stdout);
  assert.deepEqual(told.map(({ session }) => session).sort(), ['a', 'b', 'c']);
  for (const { verified, events, moves, divergence } of told) {
    assert.deepEqual([verified, events > 5, typeof moves, divergence], [true, true, 'number', undefined]);
  }
  assert.match(json.stderr, /^3 sessions: 3 verified\n$/);
});

test('verify goes on with the others after one that is not there, and exits with its code', async () => {
  const { code, stdout } = await shell.run(['verify', 'nobody', 'b']);
  assert.equal(code, 4);
  assert.match(stdout, /✗ nobody: there is no session "nobody" \(NOT_FOUND\)/);
  assert.match(stdout, /✓ b: /);
  assert.match(stdout, /2 sessions: 1 verified, 1 could not be verified/);
  const json = await shell.run(['verify', 'nobody', 'b', '--json', '--jobs', '1']);
  assert.deepEqual(
    lines(json.stdout).map(({ session, code }) => [session, code]),
    [
      ['nobody', 'NOT_FOUND'],
      ['b', undefined],
    ],
  );
});

test('--resume leaves out what was verified and has not changed, as thoroughly as it was', async () => {
  await shell.run(['verify', '--all']);
  await shell.run(['exec', 'b', 'x']);
  const { stdout } = await shell.run(['verify', '--all', '--resume']);
  assert.match(stdout, /✓ a: verified before, unchanged since/);
  assert.match(stdout, /✓ b: \d+ events, .*all equal/);
  assert.match(stdout, /3 sessions: 3 verified \(2 of them before\)/);
  const stricter = await shell.run(['verify', '--all', '--resume', '--schedule', 'seed']);
  assert.match(stricter.stdout, /3 sessions: 3 verified\n/);
  const known = await shell.run(['verify', 'a', '--resume', '--json']);
  assert.deepEqual(
    lines(known.stdout).map((line) => [line.session, line.known, line.verified]),
    [['a', true, true]],
  );
  assert.deepEqual(
    readdirSync(shell.home).filter((name) => name.startsWith('verified')),
    ['verified.json'],
  );
});

test('Ctrl-C ends it with how far it got, and --resume goes on from there', async () => {
  // Executing it again takes seconds.
  await shell.run(['exec', 'slow', 'let slow = 0; for (; slow < 6e7; slow++); slow']);
  const child = shell.start(['verify', 'c', 'slow', 'a', '--jobs', '1']);
  const ended = outcomeOf(child);
  await new Promise<void>((resolve) =>
    child.stdout.on('data', (text) => String(text).includes('✓ c') && resolve()),
  );
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  assert.equal(code, 130);
  assert.match(stdout, /interrupted after 1 of 3 sessions: 1 verified; --resume goes on from here/);
  const resumed = await shell.run(['verify', 'c', 'a', '--resume']);
  assert.equal(resumed.code, 0);
  assert.match(resumed.stdout, /✓ c: verified before/);
});

test('what is remembered is of one server, is put beside what others wrote, and may be of no use', () => {
  const home = homeAt(path.join(shell.home, 'elsewhere'));
  const record = { seq: 1, hash: 'h', kernel: 'k' };
  const [one, two, other] = [
    new VerifiedFile(home, 'x'),
    new VerifiedFile(home, 'x'),
    new VerifiedFile(home, 'y'),
  ];
  one.note('a', record);
  two.note('__proto__', record);
  other.note('a', { ...record, seq: 2 });
  for (const file of [one, two, other]) file.save();
  assert.deepEqual([...one.read().keys()], ['a', '__proto__']);
  assert.equal(other.read().get('a')?.seq, 2);
  one.note('a', null);
  one.save();
  assert.deepEqual([...two.read().keys()], ['__proto__']);
  const file = path.join(home.root, 'verified.json');
  const whole = readFileSync(file, 'utf8');
  for (const spoilt of [
    '',
    whole.slice(0, -9),
    '{"version":2}',
    '{"version":1,"servers":[["x",[[1,{}]]]]}',
    'null',
  ]) {
    writeFileSync(file, spoilt);
    assert.equal(one.read().size, 0);
  }
});
