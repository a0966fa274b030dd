import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { until } from '../kit/until.ts';
import { outcomeOf, Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  const { code, stderr } = await shell.run(['up']);
  assert.equal(code, 0, stderr);
});
after(() => shell.close());

test('exec prints the result of the cell; the session keeps its state', async () => {
  assert.deepEqual(await shell.run(['exec', 'plain', 'let x = 20']), { code: 0, stdout: '', stderr: '' });
  assert.deepEqual(await shell.run(['exec', 'plain', 'x += 22']), { code: 0, stdout: '42\n', stderr: '' });
});

test('console output goes to the stream it belongs to, before the result', async () => {
  const code = "console.log('out'); console.error('err'); 'result'";
  assert.deepEqual(await shell.run(['exec', 'streams', code]), {
    code: 0,
    stdout: "out\n'result'\n",
    stderr: 'err\n',
  });
});

test('exec --json is one line with the shape of the contract', async () => {
  const { code, stdout, stderr } = await shell.run(['exec', 'json', "console.log('a'); 1 + 1", '--json']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout.indexOf('\n'), stdout.length - 1);
  const { session, commandId, seq, durationMs, worker, ...rest } = JSON.parse(stdout);
  assert.equal(session, 'json');
  assert.match(commandId, /./);
  assert.ok(Array.isArray(seq) && seq.length === 2 && seq[0] < seq[1]);
  assert.ok(durationMs >= 0 && worker.length > 0);
  const expected = {
    output: '2',
    shouldExit: false,
    stdout: 'a\n',
    error: null,
    stderr: '',
    repeated: false,
  };
  assert.deepEqual(rest, expected);
});

test('a cell that throws exits with 1 and shows a stack that points into the cell', async () => {
  const code = 'function broken() {\n  throw new RangeError("too far");\n}\nbroken()';
  const { code: exit, stdout, stderr } = await shell.run(['exec', 'throwing', code]);
  assert.deepEqual([exit, stdout], [1, '']);
  assert.match(stderr, /^RangeError: too far\n[\s\S]*<cell 1>:2:/);
  const { error, output } = await shell.json(['exec', 'throwing', 'null.x'], 1);
  assert.equal(error.name, 'TypeError');
  assert.match(error.stack, /<cell 2>:1:/);
  assert.equal(output, '');
  assert.equal((await shell.run(['exec', 'throwing', '_error.name'])).stdout, "'TypeError'\n");
});

test('a cell with a syntax error exits with 1 and points at the place', async () => {
  const { code, stderr } = await shell.run(['exec', 'syntax', 'let = = 3']);
  assert.equal(code, 1);
  assert.match(stderr, /SyntaxError/);
});

test('the code comes from an argument, a file, - or a pipe', async () => {
  const file = path.join(shell.home, 'cell.ts');
  await writeFile(file, '\ufeffconst add = (a: number, b: number): number => a + b;\nadd(2, 3)\n');
  assert.equal((await shell.run(['exec', 'sources', '-f', file])).stdout, '5\n');
  assert.equal((await shell.run(['exec', 'sources', '-'], { stdin: 'add(3, 4)' })).stdout, '7\n');
  assert.equal((await shell.run(['exec', 'sources'], { stdin: 'add(4, 5)\n' })).stdout, '9\n');
  assert.equal((await shell.run(['exec', 'sources', '-f', '-'], { stdin: 'add(5, 6)' })).stdout, '11\n');
});

test('an empty cell is no error', async () => {
  assert.deepEqual(await shell.run(['exec', 'empty', '']), { code: 0, stdout: '', stderr: '' });
  assert.deepEqual(await shell.run(['exec', 'empty']), { code: 0, stdout: '', stderr: '' });
});

test('the same --id is executed once, and a retry gets the first answer', async () => {
  await shell.run(['exec', 'retry', 'let n = 0']);
  const first = await shell.json(['exec', 'retry', '++n', '--id', 'once']);
  const second = await shell.json(['exec', 'retry', '++n', '--id', 'once']);
  assert.deepEqual([first.output, first.repeated], ['1', false]);
  assert.deepEqual([second.output, second.repeated, second.seq], ['1', true, first.seq]);
  assert.equal((await shell.run(['exec', 'retry', 'n'])).stdout, '1\n');
});

test('a cell that computes longer than --timeout ends with an error; the session stays usable', async () => {
  const { error } = await shell.json(['exec', 'endless', 'for (;;);', '--timeout', '300ms'], 1);
  assert.match(`${error.name}: ${error.message}`, /time|budget/i);
  assert.equal((await shell.run(['exec', 'endless', '1 + 1'])).stdout, '2\n');
});

test('no answer within the time exits with 5, safe to retry with the same id', async () => {
  const waiting = 'await new Promise((done) => setTimeout(done, 3_600_000))';
  const failure = await shell.json(['exec', 'waiting', waiting, '--timeout', '100ms', '--id', 'w'], 5);
  assert.deepEqual([failure.code, failure.retryable, failure.commandId], ['TIMEOUT', true, 'w']);
  assert.equal((await shell.run(['interrupt', 'waiting'])).code, 0);
});

test('names with spaces, dots, wildcards, dashes, unicode and 300 characters are different sessions', async () => {
  const names = [
    'a b',
    'a.b',
    'a.*',
    '>',
    '-dash',
    '--json',
    'päivää 日本 😀',
    'x'.repeat(300),
    '../up',
    '$x;',
  ];
  for (const [index, name] of names.entries()) {
    const { code, stderr } = await shell.run(['exec', '--', name, `let me = ${index}`]);
    assert.equal(code, 0, `${name}: ${stderr}`);
  }
  for (const [index, name] of names.entries()) {
    assert.equal((await shell.run(['exec', '--', name, 'me'])).stdout, `${index}\n`, name);
  }
  const listed = (await shell.json(['ls'])).map((session: { name: string }) => session.name);
  for (const name of names) assert.ok(listed.includes(name), name);
});

test('a cell of 5 MB is refused clearly, and leaves no trace', async () => {
  await shell.run(['exec', 'large', 'let kept = 1']);
  const stdin = `/*${' '.repeat(5 * 1024 * 1024)}*/ kept = 2`;
  const { code, stderr } = await shell.run(['exec', 'large'], { stdin });
  assert.ok(code === 1 || code === 2, `exit code ${code}`);
  assert.match(stderr, /too large|exceeds|longer than|limit|larger than/i);
  assert.ok(stderr.length < 2_000, 'the cell is not echoed');
  assert.equal((await shell.run(['exec', 'large', 'kept'])).stdout, '1\n');
});

test('100 MB of console output is cut, and said so', async () => {
  const code = "const line = 'x'.repeat(1024); for (let i = 0; i < 100 * 1024; i++) console.log(line); 'end'";
  const { code: exit, stdout, stderr } = await shell.run(['exec', 'noisy', code]);
  assert.equal(exit, 0, stderr.slice(0, 500));
  assert.ok(stdout.length < 20 * 1024 * 1024, `${stdout.length} characters came through`);
  assert.match(stderr, /dropped/i);
  assert.match(stdout, /'end'\n$/);
});

test('a long answer comes through a pipe whole', async () => {
  const { code, stdout } = await shell.script(
    `reprise exec piped "console.log('y'.repeat(200000)); 1" | { sleep 0.2; wc -c; }`,
  );
  assert.equal(code, 0);
  assert.ok(Number(stdout.trim()) >= 200_003, stdout);
});

test('model calls in a cell reach the offline provider', async () => {
  const { stdout, code } = await shell.run(['exec', 'model', "await llm('hello there')"]);
  assert.deepEqual([code, stdout], [0, "'echo: hello there'\n"]);
});

test('exit() closes the session: later cells exit with 4', async () => {
  const { shouldExit } = await shell.json(['exec', 'leaving', 'exit()']);
  assert.equal(shouldExit, true);
  const { code, stderr } = await shell.run(['exec', 'leaving', '1']);
  assert.equal(code, 4);
  assert.match(stderr, /CLOSED/);
});

test('Ctrl-C interrupts the cell, waits for its answer, and leaves the session usable', async () => {
  const child = shell.start(['exec', 'struck', "await llm('x'); for (;;);", '--id', 'loop']);
  const outcome = outcomeOf(child);
  await until(async () => (await shell.run(['log', 'struck', '--json'])).stdout.includes('llm_resp'));
  child.kill('SIGINT');
  const { code, stderr } = await outcome;
  assert.equal(code, 130, stderr);
  assert.match(stderr, /interrupting/);
  assert.match(stderr, /interrupt/i);
  assert.equal((await shell.run(['exec', 'struck', '2 + 2'])).stdout, '4\n');
});

test('a second Ctrl-C leaves at once with 130, even when nobody answers', async () => {
  const { workers } = await shell.json(['status']);
  const child = shell.start(['exec', 'twice', "await llm('x'); for (;;);"]);
  let told = '';
  child.stderr.on('data', (chunk) => {
    told += chunk;
  });
  const outcome = outcomeOf(child);
  await until(async () => (await shell.run(['log', 'twice', '--json'])).stdout.includes('llm_resp'));
  for (const { pid } of workers) process.kill(pid, 'SIGSTOP');
  try {
    child.kill('SIGINT');
    await until(() => told.includes('interrupting'));
    child.kill('SIGINT');
    assert.equal((await outcome).code, 130);
  } finally {
    for (const { pid } of workers) process.kill(pid, 'SIGCONT');
  }
  await shell.run(['interrupt', 'twice']);
  assert.equal((await shell.run(['exec', 'twice', '1 + 1'])).stdout, '2\n');
});

test('colour only where it is wanted', async () => {
  const args = ['exec', 'colourful', 'throw new Error("x")'];
  assert.ok(!(await shell.run(args)).stderr.includes('\u001b'));
  assert.ok((await shell.run(args, { env: { FORCE_COLOR: '1' } })).stderr.includes('\u001b[31m'));
});
