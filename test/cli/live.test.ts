/** Output is seen when it happens, each line once, also when the worker that prints it is killed. */
import assert from 'node:assert/strict';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { after, before, test } from 'node:test';
import { until } from '../kit/until.ts';
import { outcomeOf, Shell } from './shell.ts';
import { skip, TerminalSession } from './terminal-session.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  const { code, stderr } = await shell.run(['up', '--workers', '2']);
  assert.equal(code, 0, stderr);
});
after(() => shell.close());

const SLEEP = 'const sleep = (ms) => new Promise((done) => setTimeout(done, ms))';

/** Starts exec and collects what it writes to standard output. */
function execute(session: string, code: string, ...options: string[]) {
  const child = shell.start(['exec', session, code, ...options]);
  child.stdin.end();
  const seen = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    seen.stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    seen.stderr += chunk;
  });
  return { child, seen, outcome: outcomeOf(child) };
}

/** The worker process that runs a session's cells. */
async function workerOf(session: string): Promise<number> {
  const { worker } = await shell.json(['exec', session, '0']);
  const { workers } = await shell.json(['status']);
  return workers.find((one: { id: string }) => one.id === worker).pid;
}

function interrupt(child: ChildProcessWithoutNullStreams): void {
  child.kill('SIGINT');
}

for (const [what, rest] of [
  ['waits', 'await new Promise(() => setTimeout(() => {}, 3_600_000))'],
  ['computes', 'for (;;);'],
] as const) {
  test(`exec shows what a cell has printed while it still ${what}`, async () => {
    const code = `console.log('one'); console.error('two'); ${rest}`;
    const { child, seen, outcome } = execute(`seen-${what}`, code);
    await until(() => seen.stdout === 'one\n' && seen.stderr === 'two\n');
    interrupt(child);
    const { code: exit, stdout, stderr } = await outcome;
    assert.deepEqual([exit, stdout], [130, 'one\n']);
    assert.equal(stderr.split('two\n').length, 2);
    assert.match(stderr, /InterruptedError/);
  });
}

const COUNT = 30;
const NUMBERS = Array.from({ length: COUNT }, (_, index) => `line ${index}\n`).join('');
for (const [what, pause] of [
  ['waits between its lines', 'await sleep(50)'],
  ['computes between its lines', 'for (let j = 0; j < 2_000_000; j++);'],
] as const) {
  test(`a killed worker in the middle of a cell that ${what}: every line once, in order`, async () => {
    const session = `killed while it ${what}`;
    await shell.run(['exec', session, SLEEP]);
    const pid = await workerOf(session);
    const code = `for (let i = 0; i < ${COUNT}; i++) { console.log('line ' + i); ${pause} }; 'end'`;
    const { seen, outcome } = execute(session, code);
    await until(() => seen.stdout.includes('line 4\n'));
    process.kill(pid, 'SIGKILL');
    const { code: exit, stdout, stderr } = await outcome;
    assert.deepEqual([exit, stdout, stderr], [0, `${NUMBERS}'end'\n`, '']);
  });
}

test('a cell that is undone keeps what it printed; nothing is shown twice', async () => {
  const grow = 'const kept = []; for (;;) kept.push(new Array(10_000).fill(1))';
  const busy = 'for (let j = 0; j < 3_000_000; j++)';
  const { outcome } = execute('undone', `console.log('before'); ${busy}; console.log('later'); ${grow}`);
  const { stdout, stderr } = await outcome;
  assert.equal(stdout, 'before\nlater\n');
  assert.match(stderr, /^MemoryLimitError/);
});

test('more output than one message takes comes whole while the cell runs', async () => {
  const code = `for (let i = 0; i < 400; i++) { console.log(i + 'x'.repeat(1000)); for (let j = 0; j < 50_000; j++); }`;
  const { stdout } = await execute('much', code).outcome;
  const expected = Array.from({ length: 400 }, (_, index) => `${index}${'x'.repeat(1000)}\n`).join('');
  assert.ok(stdout === expected);
});

test('exec --json stays one object at the end', async () => {
  await shell.run(['exec', 'json', SLEEP]);
  const { child, seen, outcome } = execute(
    'json',
    'for (let i = 0; i < 3; i++) { console.log(i); await sleep(60) }',
    '--json',
  );
  await outcome;
  assert.equal(child.exitCode, 0);
  assert.equal(JSON.parse(seen.stdout).stdout, '0\n1\n2\n');
});

for (const [how, flags, answer] of [
  ['', [], /^1\n$/],
  [' --json', ['--json'], /^\{.*"output":"1".*\}\n$/],
] as const) {
  test(`exec${how} says that there was output since the cell before, once, and where it is`, async () => {
    const name = `since${flags.length}`;
    const late = "setTimeout(() => console.log('later\\nand later'), 20)";
    assert.equal((await shell.run(['exec', name, late])).stderr, '');
    await until(async () => (await shell.run(['log', name, '--json'])).stdout.includes('later'));
    const told = await shell.run(['exec', name, '1', ...flags]);
    assert.match(told.stdout, answer);
    const [, from, to] =
      /2 lines of output since the cell before: `reprise log since\d --from (\d+) --to (\d+)`/.exec(
        told.stderr,
      )!;
    assert.match((await shell.run(['log', name, '--from', from!, '--to', to!])).stdout, /stdout +later/);
    assert.deepEqual(await shell.run(['exec', name, '2']), { code: 0, stdout: '2\n', stderr: '' });
  });
}

test('lines from a pipe: output of every kind comes once and in order', async () => {
  const lines = [
    SLEEP,
    "console.log('a'); console.error('b'); console.log('c')",
    "for (let i = 0; i < 3; i++) { console.log('slow ' + i); await sleep(40) }",
    "for (let i = 0; i < 3; i++) { console.log('busy ' + i); for (let j = 0; j < 2_000_000; j++); }",
    "'end'",
  ];
  const { stdout, stderr } = await shell.run(['repl', 'pipe'], { stdin: lines.join('\n') });
  const slow = 'slow 0\nslow 1\nslow 2\nbusy 0\nbusy 1\nbusy 2\n';
  assert.deepEqual([stdout, stderr], [`a\nc\n${slow}'end'\n`, 'b\n']);
});

const times = (text: string, part: string | RegExp) => text.split(part).length - 1;

test('on two terminals: each sees what the other does, above what is being typed', { skip }, async () => {
  const [here, there] = [
    new TerminalSession(shell, 'repl shared'),
    new TerminalSession(shell, 'repl shared'),
  ];
  const ended = [outcomeOf(here.child), outcomeOf(there.child)];
  await here.shows(/shared \[1\]> $/);
  await there.shows(/shared \[1\]> $/);
  await there.type('typed', /typed$/);
  await here.type("console.log('from here'); 6 * 7\r", /from here\r\n42\r\nshared \[2\]> $/);
  await there.shows(
    /\[1\] console\.log\('from here'\); 6 \* 7\r\n[\s\S]*from here\r\n[\s\S]*42\r\nshared \[2\]> typed$/,
  );
  await there.type("\u0015setTimeout(() => console.log('much later'), 50)\r", /shared \[3\]> $/);
  await there.type('', /much later\r\nshared \[3\]> $/);
  await here.shows(/much later\r\nshared \[3\]> $/);
  await here.type(
    "for (let i = 0; i < 4; i++) { console.log('busy ' + i); for (let j = 0; j < 2e6; j++); }\r",
    /\[4\]> $/,
  );
  await there.shows(/busy 3\r\nshared \[4\]> $/);
  for (const terminal of [here, there]) {
    // The cell's own text is shown too: by its echo, or by its heading.
    for (const line of ['busy 0', 'busy 1', 'busy 2', 'busy 3', 'much later']) {
      assert.equal(times(terminal.text, new RegExp(`${line}\\r\\n`)), 1, `${line} in ${terminal.text}`);
    }
    await terminal.type('.exit\r', /$/);
  }
  for (const outcome of await Promise.all(ended)) assert.equal(outcome.code, 0);
});

test('on a terminal: Ctrl-C gives the prompt back at once, whatever is under way', { skip }, async () => {
  const terminal = new TerminalSession(shell, 'repl stuck');
  const ended = outcomeOf(terminal.child);
  await terminal.shows(/stuck \[1\]> $/);
  await terminal.type('let value = 1\r', /\[2\]> $/);
  const pids = (await shell.json(['status'])).workers.map((one: { pid: number }) => one.pid);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await terminal.type('.show\r', /show/);
    await terminal.type('\u0003', /stuck \[2\]> $/);
    await terminal.type('val\t', /val$/);
    await terminal.type('\u0003', /stuck \[2\]> $/);
    await terminal.type('value\t + 1\r', /\r\n/);
    await terminal.type('\u0003', /$/);
    await terminal.type('\u0003', /has not ended yet[\s\S]*stuck \[2\]> $/);
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
  await terminal.type('', /stuck \[3\]> $/);
  await terminal.type('.exit\r', /$/);
  assert.equal((await ended).code, 0);
});
