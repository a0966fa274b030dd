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

test('probe and trace tell what went on inside a cell, line by line', async () => {
  await shell.run(['exec', 'loop', 'let sum = 0']);
  await shell.run([
    'exec',
    'loop',
    'for (const one of [1, 2, "\\u001b[31m"]) {\n  sum += one\n}\nsum.length',
  ]);
  const told = await shell.run(['probe', 'loop', '--cell', '2', '--line', '2', 'one, sum, nope']);
  assert.equal(told.code, 0);
  assert.equal(
    told.stdout,
    [
      'hit 1  one = 1  sum = 0  nope = ReferenceError: nope is not defined',
      'hit 2  one = 2  sum = 1  nope = ReferenceError: nope is not defined',
      "hit 3  one = '\\x1B[31m'  sum = 3  nope = ReferenceError: nope is not defined",
      '3 hits on line 2 of cell 2\n',
    ].join('\n'),
  );
  const at = ['probe', 'loop', '--cell', '2', '--line'];
  const lines = (await shell.run([...at, '2', 'sum', '--if', 'one > 1', '--json'])).stdout.trim().split('\n');
  const [hit, total] = lines.map((line) => JSON.parse(line));
  assert.deepEqual(hit, { hit: 1, line: 2, values: [{ expr: 'sum', value: '1' }] });
  assert.deepEqual([total.hits, total.more, total.cell], [1, 0, 2]);
  const changed = await shell.run([...at, '2', 'sum = 77']);
  assert.equal(changed.code, 3);
  assert.match(changed.stdout, /^hit 1 .*something else than the log says/s);
  assert.equal((await shell.run([...at, '2', 'sum', '--if', 'one > 9'])).code, 4);
  const missing = await shell.json([...at, '3', 'sum'], 4);
  assert.deepEqual([missing.code, missing.hint], ['NOT_FOUND', 'statements begin on: 1, 2, 4']);
  assert.equal((await shell.json(['probe', 'loop', '--cell', '9', '--line', '1', 'x'], 4)).code, 'NOT_FOUND');
  assert.equal((await shell.run([...at, '2', 'sum +'])).code, 2);
  assert.equal((await shell.run(['probe', 'loop', 'sum'])).code, 2);
  const traced = await shell.run(['trace', 'loop', '--cell', '2', '--limit', '3']);
  const head = [
    'for (const one of [1, 2, "\\u001b[31m"]) {  sum = 0',
    'sum += one  one = 1',
    'sum += one  one = 2  sum = 1',
  ];
  assert.deepEqual(traced.stdout.split('\n').slice(0, 3), [
    `1  ${head[0]}`,
    `2  ${head[1]}`,
    `2  ${head[2]}`,
  ]);
  assert.match(traced.stdout, /3 statements of cell 2, and 2 more/);
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
