/** A log that somebody tampered with, as whoever works with its session sees it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ProcessManager } from '../../actors/supervisor/process-manager.ts';
import { readState } from '../../actors/supervisor/system-state.ts';
import { connectBus } from '../../bus/nats.ts';
import { makeSubjects, sessionToken } from '../../bus/subjects.ts';
import { JetStreamApi } from '../../storage/jetstream-api.ts';
import { until } from '../kit/until.ts';
import { Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
});
after(() => shell.close());

/** Does something to the log stream, as whoever governs the server can: no user of the system's may do it. */
async function tamper(
  session: string,
  act: (api: JetStreamApi, subject: string, stream: string) => Promise<void>,
): Promise<void> {
  const manager = new ProcessManager({ env: shell.environment() });
  const system = manager.connection();
  const config = join(manager.home.nats, 'server.conf');
  const text = readFileSync(config, 'utf8');
  if (!text.includes('user: root')) {
    writeFileSync(config, text.replace('users: [', 'users: [ { user: root, password: root }'));
    process.kill(readState(manager.home)!.nats.process!.pid, 'SIGHUP');
  }
  const enter = () => connectBus({ url: system.url, user: 'root', pass: 'root', name: 'tamperer' });
  let bus = await enter().catch(() => null);
  await until(async () => {
    bus ??= await enter().catch(() => null);
    return bus !== null;
  });
  const api = new JetStreamApi(bus!);
  try {
    const subjects = makeSubjects(system.prefix);
    await act(api, subjects.log(sessionToken(session)), subjects.streams.log.name);
  } finally {
    api.close();
    await bus!.close();
  }
}

test('an old commit that is published once more does not rewind its session, and everybody says where', async () => {
  for (const cell of ['let x = 1', 'x += 1', 'x += 1']) {
    assert.equal((await shell.run(['exec', 'copied', cell])).code, 0);
  }
  await tamper('copied', async (api, subject, stream) => {
    const second = await api.nextOf(
      stream,
      subject,
      Number((await api.nextOf(stream, subject, 1))!.headers!.get('Nats-Sequence')) + 1,
    );
    await api.request(subject, second!.data);
  });
  await shell.run(['down']);
  const up = await shell.run(['up']);
  assert.equal(up.code, 0, up.stderr);

  const exec = await shell.run(['exec', 'copied', 'x']);
  assert.equal(exec.code, 3, exec.stdout + exec.stderr);
  assert.match(exec.stderr, /log position \d+ \(seq \d+\) was not appended behind the commit that it names/);

  const { verified, divergence } = await shell.json(['replay', 'copied'], 3);
  assert.equal(verified, false);
  assert.equal(divergence.kind, 'chain');
  assert.ok(divergence.seq > 0 && divergence.position > 0, JSON.stringify(divergence));

  const log = await shell.run(['log', 'copied']);
  assert.equal(log.code, 3);
  const lines = log.stdout.trimEnd().split('\n');
  const broken = lines.findIndex((line) => line.includes('✗ the log is broken here'));
  assert.ok(broken >= 7, log.stdout);
  assert.ok(lines.length > broken + 1, 'what was published is shown too');
  const json = await shell.run(['log', 'copied', '--json']);
  assert.equal(
    json.stdout
      .trimEnd()
      .split('\n')
      .every((line) => JSON.parse(line).type),
    true,
  );
  assert.match(json.stderr, /the log is broken here/);

  const shown = await shell.json(['show', 'copied', '--at-last-good']);
  assert.equal(shown.divergence.kind, 'chain');
  assert.deepEqual(
    shown.state.variables.map(({ name, preview }: { name: string; preview: string }) => [name, preview]),
    [['x', '3']],
  );
  const text = await shell.run(['show', 'copied', '--at-last-good']);
  assert.match(
    text.stdout,
    /^the log is good up to seq \d+; this is the state after it\nwrong +seq \d+ \(chain/,
  );

  // Whoever looks at many sessions is told of it.
  const listed = await shell.run(['ls']);
  assert.match(listed.stdout, /1 session in trouble\n {2}copied: CORRUPT .*was not appended/);
  const [{ trouble }] = await shell.json(['ls']);
  assert.equal(trouble.code, 'CORRUPT');
  assert.match((await shell.run(['status'])).stdout, /1 session in trouble\n {2}copied: CORRUPT/);
  assert.equal((await shell.json(['status'])).troubles[0].session, 'copied');

  const doctor = await shell.run(['doctor']);
  assert.equal(doctor.code, 5);
  assert.match(doctor.stdout, /✗ logs +copied: .*was not appended/);

  const rm = await shell.run(['rm', 'copied', '--yes']);
  assert.equal(rm.code, 0, rm.stderr);
  assert.match((await shell.run(['doctor'])).stdout, /Nothing is wrong/);
});

test('a session whose newest commits were deleted is not begun anew', async () => {
  assert.equal((await shell.run(['exec', 'cut', 'let y = 1'])).code, 0);
  await tamper('cut', async (api, subject, stream) => {
    const first = Number((await api.nextOf(stream, subject, 1))!.headers!.get('Nats-Sequence'));
    for (let last = await api.lastOf(stream, subject); last; last = await api.lastOf(stream, subject)) {
      const seq = Number(last.headers!.get('Nats-Sequence'));
      if (seq === first) break;
      await api.call(`STREAM.MSG.DELETE.${stream}`, { seq });
    }
  });
  // Also where that was the newest message of all: then nobody knows whose it was, until somebody says so.
  await shell.run(['down']);
  const up = await shell.run(['up']);
  const loss = /REPRISE_ACCEPT_LOSS=(\S+:\d+)/.exec(up.stderr)?.[1];
  assert.equal(up.code, loss ? 3 : 0, up.stderr);
  if (loss) {
    assert.doesNotMatch(up.stderr, /Safe to retry/);
    const accepted = await shell.run(['up'], { env: { REPRISE_ACCEPT_LOSS: loss } });
    assert.equal(accepted.code, 0, accepted.stderr);
    await shell.run(['down']);
    assert.equal((await shell.run(['up'])).code, 0, 'it is said once');
  }
  const { stdout } = await shell.run(['exec', 'cut', 'let y = 2; y', '--json']);
  const events = (await shell.run(['log', 'cut', '--json'])).stdout.trimEnd().split('\n');
  assert.equal(JSON.parse(events[0]!).type, 'session', stdout);
  assert.equal(
    events.filter((line) => JSON.parse(line).type === 'session').length,
    1,
    'one session under the name',
  );
});

test('a session whose newest message is no commit is told of, shown as far as it is good, and removed', async () => {
  const begun = await shell.run(['exec', 'garbled', 'let z = 1']);
  assert.equal(begun.code, 0, begun.stderr);
  await tamper('garbled', async (api, subject) => {
    await api.request(subject, Buffer.from('hello'));
  });
  await shell.run(['down']);
  const up = await shell.run(['up']);
  assert.equal(up.code, 0, up.stderr);
  assert.equal((await shell.run(['exec', 'garbled', 'z'])).code, 3);
  assert.match((await shell.run(['ls'])).stdout, /garbled: CORRUPT/);
  assert.match((await shell.run(['doctor'])).stdout, /garbled: CORRUPT|✗ logs +garbled/);
  const shown = await shell.json(['show', 'garbled', '--at-last-good']);
  assert.deepEqual(
    shown.state.variables.map(({ name }: { name: string }) => name),
    ['z'],
  );
  const log = await shell.run(['log', 'garbled']);
  assert.equal(log.code, 3);
  assert.match(log.stdout, /let z = 1[\s\S]*✗ the log is broken here/);
  const rm = await shell.run(['rm', 'garbled', '--yes']);
  assert.equal(rm.stdout, "deleted 'garbled' (its newest commit cannot be read)\n", rm.stderr);
  assert.equal((await shell.run(['rm', 'garbled', '--yes'])).code, 4);
  assert.equal((await shell.run(['exec', 'garbled', 'typeof z'])).stdout, "'undefined'\n");
});
