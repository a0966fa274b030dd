/** `reprise at`: back to any event, from a shell and from a prompt. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Shell } from './shell.ts';
import { skip, TerminalSession } from './terminal-session.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  await shell.run(['exec', 'demo', 'let x = 1']);
  await shell.run(['exec', 'demo', 'x = 2; console.log("two")']);
  await shell.run(['exec', 'demo', 'x = 3']);
});
after(() => shell.close());

test('at shows a session as it was, and runs code there', async () => {
  const shown = await shell.run(['at', 'demo', '2']);
  assert.equal(shown.code, 0);
  assert.match(shown.stdout, /demo at seq 2/);
  assert.match(shown.stdout, /let +x +number +1/);
  const run = await shell.run(['at', 'demo', '2', 'console.log("then"); x + 1']);
  assert.deepEqual([run.code, run.stdout], [0, 'then\n2\n']);
  const thrown = await shell.run(['at', 'demo', '2', 'throw new Error("no")']);
  assert.equal(thrown.code, 1);
  assert.match(thrown.stderr, /Error: no/);
  const json = await shell.json(['at', 'demo', '5', 'x']);
  const { session, seq, cell, output, error } = json;
  assert.deepEqual(
    { session, seq, cell, output, error },
    { session: 'demo', seq: 5, cell: 2, output: '2', error: null },
  );
  assert.deepEqual(json.variables, [{ name: 'x', type: 'number', preview: '2', kind: 'let' }]);
});

test('at says what does not exist, with the exit codes of all commands', async () => {
  assert.equal((await shell.json(['at', 'nobody', '1'], 4)).code, 'NOT_FOUND');
  assert.match((await shell.json(['at', 'demo', '999'], 4)).error, /its newest is/);
  assert.equal((await shell.run(['at', 'demo', 'soon'])).code, 2);
  assert.equal((await shell.run(['at', 'demo'])).code, 2);
});

test('bisect names the event since which something holds, in one session or in all', async () => {
  const found = await shell.run(['bisect', 'demo', 'x > 1']);
  assert.equal(found.code, 0);
  // Where the second cell entered: a checkpoint may stand before it.
  const log = (await shell.run(['log', 'demo', '--json'])).stdout.trim().split('\n');
  const second = log.map((line) => JSON.parse(line)).find(({ type, cell }) => type === 'input' && cell === 2);
  assert.match(found.stdout, new RegExp(`demo: since seq ${second.seq}, cell 2`));
  assert.match(found.stdout, /- false\n\+ true/);
  const { seq, before, after } = await shell.json(['bisect', 'demo', 'x', '--monotonic']);
  assert.deepEqual([seq, before, after], [1, 'ReferenceError: x is not defined', '1']);
  assert.equal((await shell.run(['bisect', 'demo', 'x > 99'])).code, 4);
  assert.equal((await shell.run(['bisect', '--all', 'x === 3'])).code, 0);
  assert.equal((await shell.run(['bisect', 'demo'])).code, 2);
  assert.equal((await shell.run(['bisect', 'nobody', 'true'])).code, 4);
});

test('fork goes on from any event, tree shows from where, and what is removed stays for its forks', async () => {
  const json = await shell.json(['fork', 'demo', 'what if', '--at', '2']);
  assert.deepEqual([json.session, json.parent], ['what if', { session: 'demo', seq: 2 }]);
  assert.equal((await shell.run(['exec', 'what if', 'x += 41'])).stdout, '42\n');
  assert.equal((await shell.run(['exec', 'demo', 'x'])).stdout, '3\n');
  assert.match((await shell.run(['show', 'what if'])).stdout, /^fork of +demo at seq 2$/m);
  assert.equal((await shell.run(['fork', 'what if', 'deeper'])).code, 0);
  assert.match((await shell.run(['tree'])).stdout, /demo .*\n└─ what if .*from seq 2.*\n {3}└─ deeper/);
  assert.equal((await shell.run(['rm', 'what if', '--yes'])).code, 0);
  assert.match((await shell.run(['tree', 'deeper'])).stdout, /^what if .*removed.*\n└─ deeper/);
  assert.equal((await shell.run(['replay', 'deeper'])).code, 0);
  assert.equal((await shell.json(['fork', 'demo', 'deeper'], 2)).code, 'BAD_REQUEST');
  assert.equal((await shell.json(['fork', 'nobody', 'x'], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.json(['fork', 'demo', 'x', '--at', '999'], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.run(['tree', 'nobody'])).code, 4);
  assert.equal((await shell.run(['fork', 'demo'])).code, 2);
});

test('on a terminal it is a prompt that moves through time', { skip }, async () => {
  const terminal = new TerminalSession(shell, 'at demo 5');
  const ended = new Promise((resolve) => terminal.child.once('close', resolve));
  await terminal.shows(/demo@5> $/);
  await terminal.type('x * 10\r', /20\r?\n.*demo@5> $/s);
  await terminal.type('.goto 2\r', /demo@2> $/);
  await terminal.type('x * 10\r', /10\r?\n.*demo@2> $/s);
  await terminal.type('.forward 5\r', /demo@7> $/);
  await terminal.type('.back 2\r', /demo@5> $/);
  await terminal.type('.diff\r', /- x = 3.*\+ x = 2/s);
  await terminal.type('.nonsense\r', /there is no command \.nonsense/);
  terminal.child.stdin.write('.exit\r');
  assert.equal(await ended, 0);
});
