import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { SessionEvent } from '../../bus/types.ts';
import { until } from '../kit/until.ts';
import { outcomeOf, Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  const { code, stderr } = await shell.run(['up']);
  assert.equal(code, 0, stderr);
});
after(() => shell.close());

const exec = async (session: string, ...cells: string[]) => {
  for (const cell of cells) await shell.run(['exec', session, cell]);
};
const eventsIn = (text: string): SessionEvent[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
/** What the log has but checkpoints: those come when the session has been quiet for a while, asked for or not. */
const doneIn = async (session: string) =>
  eventsIn((await shell.run(['log', session, '--json'])).stdout).filter(({ type }) => type !== 'checkpoint');

test('ls of no sessions gives a hint; --json gives an empty array', async () => {
  assert.match((await shell.run(['ls'])).stdout, /No sessions yet.*reprise exec/);
  assert.deepEqual(await shell.json(['ls']), []);
});

test('ls lists sessions with true numbers and ISO dates', async () => {
  await exec('listed', '1', '2');
  const [found] = (await shell.json(['ls'])).filter((session: { name: string }) => session.name === 'listed');
  assert.equal(found.eventCount, (await doneIn('listed')).length + found.checkpointCount);
  assert.ok(found.size > 0 && Number.isInteger(found.checkpointCount));
  assert.equal(new Date(found.created).toISOString(), found.created);
  assert.ok(found.lastAccessed >= found.created);
  assert.match((await shell.run(['ls'])).stdout, /^SESSION .*\n[\s\S]*^listed /m);
});

test('show tells variables with types and previews, and does not touch the session', async () => {
  await exec('shown', 'const answer = 42', 'class Box {}', 'let list = [1, 2, 3]');
  const before = await doneIn('shown');
  const { metadata, state } = await shell.json(['show', 'shown']);
  assert.equal(metadata.name, 'shown');
  assert.deepEqual([state.cells, state.status, state.pending], [3, 'ready', []]);
  assert.match(state.stateId, /^[0-9a-f]{64}$/);
  assert.ok(state.heapBytes > 0);
  const find = (name: string) => state.variables.find((variable: { name: string }) => variable.name === name);
  assert.deepEqual(find('answer'), { name: 'answer', type: 'number', preview: '42', kind: 'const' });
  assert.equal(find('list').type, 'Array');
  assert.equal(find('Box').kind, 'class');
  assert.match((await shell.run(['show', 'shown'])).stdout, /^const +answer +number +42$/m);
  assert.deepEqual(await doneIn('shown'), before);
});

test('what does not exist exits with 4', async () => {
  for (const command of ['show', 'log', 'replay', 'interrupt', 'close']) {
    const { code, stderr } = await shell.run([command, 'nobody']);
    assert.equal(code, 4, `${command}: ${stderr}`);
    assert.match(stderr, /no session .nobody/);
    const failure = await shell.json([command, 'nobody'], 4);
    assert.deepEqual([failure.code, failure.retryable], ['NOT_FOUND', false]);
  }
  assert.equal((await shell.run(['rm', 'nobody', '--yes'])).code, 4);
});

test('log prints one line an event; --json prints them as stored; --from and --to choose', async () => {
  await exec('logged', '"first"', 'console.log("printed")', 'throw new Error("third")');
  const { stdout } = await shell.run(['log', 'logged', '--json']);
  const events = eventsIn(stdout);
  assert.deepEqual(
    events.map((event) => event.seq),
    events.map((_, index) => index),
  );
  assert.equal(events[0]!.type, 'session');
  const types = new Set(events.map((event) => event.type));
  for (const type of ['session', 'input', 'output', 'error'] as const) assert.ok(types.has(type), type);
  const lines = (await shell.run(['log', 'logged'])).stdout.trimEnd().split('\n');
  assert.equal(lines.length, events.length);
  const range = (await shell.run(['log', 'logged', '--from', '1', '--to', '2', '--json'])).stdout;
  assert.equal(range, `${stdout.split('\n').slice(1, 3).join('\n')}\n`);
  assert.equal((await shell.run(['log', 'logged', '--from', '100000'])).stdout, '');
});

test('log --follow prints events as they are committed, and ends cleanly on Ctrl-C', async () => {
  await exec('followed', '1');
  const child = shell.start(['log', 'followed', '--follow', '--json']);
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const outcome = outcomeOf(child);
  await until(() => text.includes('"input"'));
  await exec('followed', '"committed later"');
  await until(() => text.includes('committed later'));
  child.kill('SIGINT');
  const { code, stderr } = await outcome;
  assert.deepEqual([code, stderr], [0, '']);
});

test('log --follow ends by itself when the session ends', async () => {
  await exec('finished', '1');
  const outcome = outcomeOf(shell.start(['log', 'finished', '--follow', '--json']));
  assert.equal((await shell.run(['close', 'finished', '--reason', 'enough'])).code, 0);
  const { code, stdout } = await outcome;
  assert.equal(code, 0);
  const last = eventsIn(stdout).at(-1)!;
  assert.deepEqual([last.type, 'reason' in last && last.reason], ['closed', 'enough']);
  assert.equal((await shell.run(['exec', 'finished', '1'])).code, 4);
});

test('log | head ends without an error', async () => {
  await exec('headed', 'for (let i = 0; i < 3000; i++) console.log("x".repeat(100), i)', '1');
  const { code, stdout, stderr } = await shell.script('set -o pipefail; reprise log headed --json | head -1');
  assert.deepEqual([code, stderr, JSON.parse(stdout).type], [0, '', 'session']);
});

test('replay re-executes and verifies', async () => {
  await exec(
    'replayed',
    'let x = Math.random()',
    'await llm("hi")',
    '[x, Date.now()]',
    'throw new Error("y")',
  );
  const verdict = await shell.json(['replay', 'replayed']);
  assert.equal(verdict.verified, true);
  assert.equal(verdict.divergence, undefined);
  assert.equal(verdict.events, eventsIn((await shell.run(['log', 'replayed', '--json'])).stdout).length);
  assert.ok(Number.isInteger(verdict.checkpoints));
  assert.match((await shell.run(['replay', 'replayed'])).stdout, /^verified: /);
});

test('interrupt stops a running cell; without one it says so', async () => {
  const running = shell.run(['exec', 'looping', "await llm('x'); for (;;);"]);
  await until(async () => (await shell.run(['log', 'looping', '--json'])).stdout.includes('llm_resp'));
  assert.equal((await shell.run(['interrupt', 'looping'])).code, 0);
  assert.equal((await running).code, 1);
  assert.equal((await shell.run(['exec', 'looping', '1 + 1'])).stdout, '2\n');
});

test('interrupt of a session in which nothing runs says so', async () => {
  await exec('idle', '1');
  assert.equal((await shell.run(['interrupt', 'idle'])).stdout, "no cell runs in 'idle'\n");
});

test('rm of a session whose cell runs ends the cell, and the session does not come back', async () => {
  for (const [name, cell] of [
    ['looping away', "await llm('x'); for (;;);"],
    ['waiting away', "await llm('x'); await new Promise((done) => setTimeout(done, 3_600_000))"],
  ] as const) {
    const running = shell.run(['exec', name, cell]);
    await until(async () => (await shell.run(['log', name, '--json'])).stdout.includes('llm_resp'));
    assert.equal((await shell.run(['rm', name, '--yes'])).code, 0);
    const { code, stderr } = await running;
    assert.equal(code, 1);
    assert.match(stderr, /InterruptedError/);
    assert.equal((await shell.run(['show', name])).code, 4);
  }
});

test('rm deletes for good, and a session of the same name starts anew', async () => {
  await exec('doomed', 'let x = 1');
  assert.equal((await shell.run(['rm', 'doomed'])).code, 2);
  assert.equal((await shell.json(['rm', 'doomed', '--yes'])).deleted, true);
  assert.equal((await shell.run(['show', 'doomed'])).code, 4);
  assert.equal((await shell.run(['exec', 'doomed', 'typeof x'])).stdout, "'undefined'\n");
});
