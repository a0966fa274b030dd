import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../kit/until.ts';
import { outcomeOf, Shell } from './shell.ts';
import { skip, TerminalSession } from './terminal-session.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  const { code, stderr } = await shell.run(['up']);
  assert.equal(code, 0, stderr);
});
after(() => shell.close());

const repl = (session: string, lines: string[]) => shell.run(['repl', session], { stdin: lines.join('\n') });

test('cells piped in run one after the other; only their answers are printed', async () => {
  const lines = ['let x = 1', 'x + 1', '', 'console.log("printed")', 'await Promise.resolve(x + 2)', '_ + 1'];
  assert.deepEqual(await repl('piped', lines), { code: 0, stdout: '2\nprinted\n3\n4\n', stderr: '' });
});

test('a cell goes on over lines until it is complete', async () => {
  const lines = ['function twice(n) {', '  return n * 2', '}', 'twice(', '21)', '`a', 'b`'];
  assert.equal((await repl('lines', lines)).stdout, "42\n'a\\nb'\n");
});

test('lines that arrive while a cell waits are run afterwards, multi-line cells included', async () => {
  const lines = ["const answer = await llm('slow')", 'function f() {', 'return answer', '}', 'f()'];
  assert.equal((await repl('queue', lines)).stdout, "'echo: slow'\n");
});

test('an error is shown on stderr, and the next cell runs', async () => {
  const { code, stdout, stderr } = await repl('errors', ['throw new RangeError("no")', '"still here"']);
  assert.deepEqual([code, stdout], [0, "'still here'\n"]);
  assert.match(stderr, /^RangeError: no\n/);
});

test('a last cell that never became complete shows its error', async () => {
  const { stdout, stderr } = await repl('cut', ['1 + 1', 'function f() {']);
  assert.equal(stdout, '2\n');
  assert.match(stderr, /SyntaxError/);
});

test('.show, .log and .help tell; .exit leaves without running the rest', async () => {
  const { code, stdout } = await repl('dots', [
    'const seen = 7',
    '.show',
    '.log',
    '.help',
    '.exit',
    '"never"',
  ]);
  assert.equal(code, 0);
  assert.match(stdout, /^const +seen +number +7$/m);
  assert.match(stdout, /^ +1 .* input +\[1\] const seen = 7$/m);
  assert.match(stdout, /^\.exit +Leave/m);
  assert.ok(!stdout.includes('never'));
  assert.equal((await shell.run(['exec', 'dots', 'seen'])).stdout, '7\n');
});

test('.break gives up the cell that is being typed', async () => {
  assert.equal((await repl('broken', ['function f() {', '.break', '1 + 1'])).stdout, '2\n');
});

test('exit() in a cell leaves the repl; the session has ended', async () => {
  const { code, stdout } = await repl('ended', ['1', 'exit()', '"never"']);
  assert.equal(code, 0);
  assert.ok(!stdout.includes('never'));
  assert.equal((await repl('ended', ['1'])).code, 4);
});

test('without a name it opens the session main', async () => {
  assert.equal((await shell.run(['repl'], { stdin: 'let here = 1' })).code, 0);
  assert.equal((await shell.run(['exec', 'main', 'here'])).stdout, '1\n');
});

test('on a terminal: prompt with the cell number, completion, Ctrl-C, history', { skip }, async () => {
  const terminal = new TerminalSession(shell, 'repl tty');
  const ended = outcomeOf(terminal.child);
  await until(() => /tty \[1\]> $/.test(terminal.text));
  await terminal.type('const longName = 5\r', /tty \[2\]> $/);
  await terminal.type('longN', /longN$/);
  await terminal.type('\t', /longName$|ame$/);
  await terminal.type(' + 1\r', /\r\n6\r\n[\s\S]*tty \[3\]> $/);
  await terminal.type('{\r', /\.\.\. $/);
  await terminal.type('\u0003', /tty \[3\]> $/);
  await terminal.type("await llm('q'); for (;;);\r", /\r\n/);
  await until(async () => (await shell.run(['log', 'tty', '--json'])).stdout.includes('llm_resp'));
  await terminal.type('\u0003', /nterrupt[\s\S]*tty \[4\]> $/);
  await terminal.type('.exit\r', /$/);
  assert.equal((await ended).code, 0);
  const history = await readFile(path.join(shell.home, 'repl_history'), 'utf8');
  assert.match(history, /longName \+ 1/);
});

test(
  "on a terminal: a timer's callback that loops is named when it hinders a cell, and stopped",
  { skip },
  async () => {
    const terminal = new TerminalSession(shell, 'repl looping');
    const ended = outcomeOf(terminal.child);
    await terminal.shows(/looping \[1\]> $/);
    await terminal.type('setTimeout(() => { for (;;); }, 1); 5\r', /\r\n5\r\n[\s\S]*looping \[2\]> $/);
    await until(async () => (await shell.json(['show', 'looping'])).state.status === 'running');
    await terminal.type('6\r', /\r\n/);
    await terminal.type('\u0003', /callback computes before it: .*`\.interrupt`.*[\s\S]*looping \[\d\]> $/);
    await terminal.type(
      '.interrupt\r',
      /interrupted a timer's callback in 'looping'[\s\S]*looping \[\d\]> $/,
    );
    await terminal.type('6 + 1\r', /\r\n7\r\n/);
    await terminal.type('.exit\r', /$/);
    assert.equal((await ended).code, 0);
  },
);

test('on a terminal: Ctrl-D leaves', { skip }, async () => {
  const terminal = new TerminalSession(shell, 'repl eof');
  const ended = outcomeOf(terminal.child);
  await until(() => /eof \[1\]> $/.test(terminal.text));
  await terminal.type('\u0004', /$/);
  assert.equal((await ended).code, 0);
});

test('on a terminal: rm asks, and takes only yes for yes', { skip }, async () => {
  await shell.run(['exec', 'asked', '1']);
  for (const [answer, gone] of [
    ['n', false],
    ['', false],
    ['y', true],
  ] as const) {
    const terminal = new TerminalSession(shell, 'rm asked');
    const ended = outcomeOf(terminal.child);
    await until(() => /Delete session 'asked' \(.*\) for good\? \[y\/N\] $/.test(terminal.text));
    terminal.child.stdin.write(`${answer}\r`);
    assert.equal((await ended).code, 0);
    assert.equal((await shell.run(['show', 'asked'])).code, gone ? 4 : 0);
  }
});

test('on a terminal: exec without code says how to give it', { skip }, async () => {
  const terminal = new TerminalSession(shell, 'exec asked');
  const { code } = await outcomeOf(terminal.child);
  assert.equal(code, 2);
  assert.match(terminal.text, /no code was given/);
});
