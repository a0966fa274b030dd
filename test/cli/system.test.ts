import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { natsBinary } from '../kit/nats-server.ts';
import { until } from '../kit/until.ts';
import { outcomeOf, Shell } from './shell.ts';

let shell: Shell;
before(async () => {
  shell = await Shell.open();
});
after(() => shell.close());
afterEach(() => shell.run(['down']));

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A folder with a nats-server that takes its time: so that what shall happen before the start ends does. */
async function slowServer(): Promise<string> {
  const folder = path.join(shell.home, 'slow');
  await mkdir(folder);
  const script = `#!/bin/sh\ncase "$1" in *version*|-v) ;; *) sleep 3 ;; esac\nexec '${await natsBinary()}' "$@"\n`;
  await writeFile(path.join(folder, 'nats-server'), script, { mode: 0o755 });
  return folder;
}

test('up starts everything, status names it, a second up changes nothing, down ends it all', async () => {
  const up = await shell.run(['up', '--workers', '1']);
  assert.equal(up.code, 0, up.stderr);
  for (const role of ['nats-server', 'storage', 'llm', 'worker']) {
    assert.match(up.stdout, new RegExp(`^started ${role}.*\\(pid \\d+\\)$`, 'm'));
  }
  const status = await shell.json(['status']);
  assert.match(status.nats.url, /^nats:\/\/127\.0\.0\.1:\d+$/);
  assert.match(status.nats.version, /^2\.\d+\.\d+/);
  assert.deepEqual([status.storage.length, status.llm.length, status.workers.length], [1, 1, 1]);
  assert.equal(status.workers[0].sessions, 0);
  assert.match((await shell.run(['status'])).stdout, /^worker .*0 sessions/m);
  assert.equal((await shell.run(['doctor'])).code, 0);

  assert.equal((await shell.run(['up'])).stdout, 'already up: 1 worker\n');
  const more = await shell.json(['up', '--workers', '2']);
  assert.equal(more.workers.length, 2);
  assert.ok(more.workers.some((worker: { pid: number }) => worker.pid === status.workers[0].pid));

  const pids = [more.nats, more.supervisor, ...more.storage, ...more.llm, ...more.workers].map(
    ({ pid }) => pid,
  );
  assert.ok(pids.every(isAlive));
  const { stopped } = await shell.json(['down']);
  assert.deepEqual(stopped.map(({ pid }: { pid: number }) => pid).sort(), pids.sort());
  await until(() => !pids.some(isAlive));
  assert.equal((await shell.run(['down'])).stdout, 'nothing was running\n');
});

test('exec starts the system by itself, says so on stderr, and leaves it running', async () => {
  const { code, stdout, stderr } = await shell.run(['exec', 'auto', '6 * 7']);
  assert.deepEqual([code, stdout], [0, '42\n'], stderr);
  assert.match(stderr, /^starting the local system/);
  assert.deepEqual(await shell.run(['exec', 'auto', '_ + 1']), { code: 0, stdout: '43\n', stderr: '' });
});

test('sessions survive down and up', async () => {
  await shell.run(['exec', 'kept', 'const next = (() => { let n = 0; return () => ++n })(); next()']);
  assert.equal((await shell.run(['down'])).code, 0);
  assert.equal((await shell.run(['exec', 'kept', 'next()'])).stdout, '2\n');
});

test('many commands at once on a stopped system start it once', async () => {
  const answers = await Promise.all([1, 2, 3, 4].map((n) => shell.run(['exec', `racer ${n}`, `${n} * 2`])));
  assert.deepEqual(
    answers.map(({ code, stdout }) => [code, stdout]),
    [1, 2, 3, 4].map((n) => [0, `${n * 2}\n`]),
  );
  const status = await shell.json(['status']);
  assert.deepEqual([status.storage.length, status.workers.length], [1, 2]);
});

test('Ctrl-C while the system starts ends what was started', async () => {
  const child = shell.start(['up'], { PATH: `${await slowServer()}:${process.env.PATH}` });
  const outcome = outcomeOf(child);
  await until(async () => (await shell.json(['status'])).phase === 'starting');
  child.kill('SIGINT');
  assert.equal((await outcome).code, 130);
  await until(async () => (await shell.json(['status'])).phase === 'stopped');
});

test('up says which workers it stopped', async () => {
  await shell.run(['up', '--workers', '2']);
  assert.match(
    (await shell.run(['up', '--workers', '1'])).stdout,
    /^stopped worker worker-2-\w+ \(pid \d+\)\n$/,
  );
});

test('an exec whose system is stopped says so, with the id to ask again with', async () => {
  await shell.run(['up', '--workers', '1']);
  const waiting = shell.run([
    'exec',
    'left',
    'await new Promise((done) => setTimeout(done, 3_600_000))',
    '--id',
    'my id',
  ]);
  await until(async () => (await shell.run(['log', 'left', '--json'])).stdout.includes('effect_req'));
  await shell.run(['down']);
  const { code, stderr } = await waiting;
  assert.equal(code, 5);
  assert.match(stderr, /the system was stopped before the answer came/);
  assert.match(stderr, /^ {2}Id: +--id 'my id'$/m);
  assert.equal((await shell.json(['interrupt', 'left'])).session, 'left');
});

test('a system that uses another server is told apart from one that is gone', async () => {
  await shell.run(['up', '--workers', '1']);
  const env = { REPRISE_NATS_URL: 'nats://127.0.0.1:9' };
  for (const command of [['exec', 's', '1'], ['ls'], ['up']]) {
    const failure = await shell.json(command, 2, { env });
    assert.match(failure.error, /uses a nats-server of its own, not nats:\/\/127\.0\.0\.1:9/);
    assert.match(failure.hint, /reprise down/);
  }
  const status = await shell.json(['status'], 0, { env });
  assert.deepEqual([status.phase, status.problem], ['ready', undefined]);
  assert.notEqual(status.nats.url, env.REPRISE_NATS_URL);
});

test('a supervisor that is frozen is woken to be asked', async () => {
  const { supervisor } = await shell.json(['up', '--workers', '1']);
  process.kill(supervisor.pid, 'SIGSTOP');
  assert.equal((await shell.json(['up', '--workers', '2'])).workers.length, 2);
  process.kill(supervisor.pid, 'SIGSTOP');
  assert.equal((await shell.json(['down'])).stopped.length, 6);
});

test('a server that does not answer exits with 5, safe to retry', async () => {
  const env = { REPRISE_NATS_URL: 'nats://127.0.0.1:9' };
  const failure = await shell.json(['exec', 'far', '1'], 5, { env });
  assert.equal(failure.code, 'UNAVAILABLE');
  assert.equal(failure.retryable, true);
});
