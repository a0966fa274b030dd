/** A forged history: well-formed, with an unbroken hash chain, but not what the cells really gave. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readCredentials } from '../../actors/supervisor/credentials.ts';
import { ProcessManager } from '../../actors/supervisor/process-manager.ts';
import { commitHash, decode, encode } from '../../bus/codec.ts';
import { connectBus } from '../../bus/nats.ts';
import type { AppendRequest, ReadReply } from '../../bus/operations/logs.ts';
import { makeSubjects, sessionToken } from '../../bus/subjects.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
  assert.equal((await shell.run(['exec', 'original', '6 * 7'])).stdout, '42\n');
});
after(() => shell.close());

/** Appends the first cell of `original` as the history of a new session, with other events. */
async function forge(session: string, change: (event: SessionEvent) => SessionEvent): Promise<void> {
  const system = new ProcessManager({ env: shell.environment() });
  const { url, prefix } = system.connection();
  // A client's user may not do this: whoever forges has the worker's.
  const { user, password } = readCredentials(system.home)!.worker;
  const bus = await connectBus({ url, user, pass: password, role: 'worker', name: 'forger' });
  try {
    const subjects = makeSubjects(prefix);
    const ask = async (subject: string, request: object) =>
      decode(await bus.request(subject, encode(request), { timeoutMs: 5_000 }));
    const read = (await ask(subjects.store('read'), { session: 'original', from: 0, to: 2 })) as ReadReply;
    // A slow first cell is committed in two parts: its input at once, its output when it is there.
    const { commit } = read.commits[0]!;
    const { running: _, ...head } = commit.head;
    const events = read.commits.flatMap((stored) => stored.commit.events).slice(0, 3);
    const token = sessionToken(session);
    const forged = {
      ...commit,
      session: token,
      commit: `forged-${session}`,
      head: { ...head, name: session },
      events: events.map(change),
    };
    const request: AppendRequest = { commit: { ...forged, hash: commitHash(forged) }, expected: 0 };
    const reply = (await ask(subjects.append(token), request)) as { ok: boolean };
    assert.equal(reply.ok, true, JSON.stringify(reply));
  } finally {
    await bus.close();
  }
}

test('a log whose output differs from what its cells give exits with 3 and shows both sides', async () => {
  await forge('forged', (event) => (event.type === 'output' ? { ...event, value: '43' } : event));
  const verdict = await shell.json(['replay', 'forged'], 3);
  assert.equal(verdict.verified, false);
  assert.equal(verdict.divergence.kind, 'output');
  assert.match(verdict.divergence.expected, /43/);
  assert.match(verdict.divergence.actual, /42/);
  const shown = await shell.json(['show', 'forged', '--at-last-good']);
  assert.equal(shown.state.seq, 0, 'before the cell that gives something else');
  assert.equal(shown.divergence.seq, 2);
  const { code, stdout } = await shell.run(['replay', 'forged']);
  assert.equal(code, 3);
  assert.match(stdout, /^diverged .* seq 2 \(output\)\n {2}in the log: .*43.*\n {2}re-derived: .*42/);
});

test('the same history unchanged verifies', async () => {
  await forge('copied', (event) => event);
  assert.equal((await shell.json(['replay', 'copied'])).verified, true);
  const { stdout } = await shell.run(['show', 'copied', '--at-last-good']);
  assert.match(stdout, /^nothing is wrong with its log: this is the newest state\n/);
});

test('verify names the event, both sides and the line of the cell, and goes on with the other sessions', async () => {
  const { code, stdout } = await shell.run(['verify', 'forged', 'original', '--jobs', '1']);
  assert.equal(code, 3);
  assert.match(
    stdout,
    /✗ forged: diverged, first difference at seq 2 \(output\)\n {2}in the log: .*43.*\n {2}re-derived: .*42.*\n {2}cell 1, line 1: 6 \* 7\n✓ original/,
  );
  assert.match(stdout, /2 sessions: 1 verified, 1 diverged/);
  const { stdout: json } = await shell.run(['verify', 'forged', '--json']);
  const { verified, divergence, place } = JSON.parse(json);
  assert.deepEqual([verified, divergence.seq, place], [false, 2, { cell: 1, line: 1, text: '6 * 7' }]);
});
