/** The supervisor over real processes: what it starts, survives and ends. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { isRunning, type ProcessRecord } from '../../actors/supervisor/process-identity.ts';
import { readState, writeState } from '../../actors/supervisor/system-state.ts';
import { hasCode } from '../../bus/errors.ts';
import { startNats } from '../kit/nats-server.ts';
import { eventually, type Fixture, makeFixture } from './fixture.ts';
import { testServers } from './servers.ts';

const kill9 = ({ pid }: ProcessRecord) => process.kill(pid, 'SIGKILL');

/** Somebody else on a port; null when the port is in use. */
function squat(port: number): Promise<net.Server | null> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

describe('the local system', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await makeFixture();
  });
  afterEach(() => fixture.end());
  const state = () => readState(fixture.manager.home)!;
  const child = (slot: string) => state().children.find((record) => record.slot === slot)!;
  const mark = (name: string, content = '') => writeFileSync(path.join(fixture.home, name), content);

  it('is up when `up` returns: every role answers on the bus', async () => {
    const up = await fixture.manager.up({ workers: 2 });
    assert.equal(up.phase, 'ready');
    const status = await fixture.manager.status();
    assert.deepEqual(
      [status.storage.length, status.llm.length, status.workers.map(({ sessions }) => sessions)],
      [1, 1, [7, 7]],
    );
    assert.equal(status.nats!.pid, up.nats.process!.pid);
    assert.equal(await fixture.manager.isServerRunning(), true);
    assert.equal(await fixture.manager.getServerPid(), up.supervisor.pid);
  });

  it('stays as it is when `up` comes again, and grows and shrinks with another number of workers', async () => {
    const first = await fixture.manager.up({ workers: 2 });
    const again = await fixture.manager.up();
    assert.deepEqual(again.children, first.children);
    const grown = await fixture.manager.up({ workers: 3 });
    assert.deepEqual(grown.children.slice(0, 4), first.children);
    assert.equal((await fixture.manager.status()).workers.length, 3);
    const shrunk = await fixture.manager.up({ workers: 1 });
    assert.deepEqual(shrunk.children, first.children.slice(0, 3));
    assert.equal(isRunning(grown.children[4]!), false);
  });

  it('ends workers first and storage last, and leaves no process behind', async () => {
    await fixture.manager.up({ workers: 2 });
    const processes = fixture.processes();
    assert.equal(await fixture.manager.down(), true);
    assert.deepEqual(processes.filter(isRunning), []);
    assert.deepEqual(fixture.lines('ends.txt'), ['worker', 'worker', 'llm', 'storage']);
    assert.equal(await fixture.manager.down(), false);
    assert.equal((await fixture.manager.status()).phase, 'stopped');
  });

  it('is one system when two `up` come at once', async () => {
    const [a, b] = await Promise.all([
      fixture.manager.up({ workers: 2 }),
      fixture.other().up({ workers: 2 }),
    ]);
    assert.equal(a.supervisor.pid, b.supervisor.pid);
    assert.deepEqual(a.children, b.children);
    assert.equal(fixture.lines('environments.jsonl').length, 4);
  });

  it('replaces a killed role at once, under a new id', async () => {
    await fixture.manager.up({ workers: 1 });
    for (const slot of ['worker-1', 'storage', 'llm']) {
      const before = child(slot);
      kill9(before);
      await eventually(`${slot} is replaced`, () => child(slot)?.ready && child(slot).pid !== before.pid);
      assert.notEqual(child(slot).id, before.id);
    }
    assert.equal((await fixture.manager.status()).workers.length, 1);
  });

  it('restarts a killed nats-server on the same address, and the roles live on', async () => {
    const up = await fixture.manager.up({ workers: 1 });
    kill9(up.nats.process!);
    await eventually('another server', () => {
      const { process } = state().nats;
      return process && process.pid !== up.nats.process!.pid;
    });
    assert.equal(state().nats.url, up.nats.url);
    await eventually('all answer again', async () => {
      const { storage, workers, problem } = await fixture.manager.status();
      return !problem && storage.length === 1 && workers[0]?.sessions === 7;
    });
    assert.deepEqual(state().children, up.children);
  });

  it('serves on when its supervisor is killed, and a new one takes the processes over', async () => {
    const up = await fixture.manager.up({ workers: 2 });
    kill9(up.supervisor);
    await eventually('the supervisor is gone', () => !isRunning(up.supervisor));
    assert.equal((await fixture.manager.status()).phase, 'unwatched');
    assert.equal((await fixture.manager.status()).workers[0]!.sessions, 7);
    const again = await fixture.manager.up();
    assert.notEqual(again.supervisor.pid, up.supervisor.pid);
    assert.deepEqual(again.children, up.children);
    assert.deepEqual(again.nats, up.nats);
    // What was taken over is watched, too.
    kill9(child('worker-2'));
    await eventually('a new worker', () => {
      const worker = child('worker-2');
      return worker?.ready && worker.pid !== up.children[3]!.pid;
    });
  });

  it('replaces what died while nobody watched, the server included', async () => {
    const up = await fixture.manager.up({ workers: 2 });
    for (const record of [up.supervisor, up.nats.process!, up.children[2]!]) kill9(record);
    await eventually('they are gone', () => !isRunning(up.nats.process!) && !isRunning(up.supervisor));
    const again = await fixture.manager.up();
    assert.equal(again.nats.url, up.nats.url);
    assert.deepEqual(again.children[0], up.children[0]);
    assert.equal(again.children.length, 4);
    assert.ok(again.children.every(isRunning));
  });

  it('ends everything by its record when the supervisor is dead or frozen', async () => {
    const up = await fixture.manager.up({ workers: 2 });
    const processes = fixture.processes();
    kill9(up.supervisor);
    await eventually('the supervisor is gone', () => !isRunning(up.supervisor));
    process.kill(up.children[3]!.pid, 'SIGSTOP');
    assert.equal(await fixture.manager.down(), true);
    assert.deepEqual(processes.filter(isRunning), []);
    assert.equal(existsSync(path.join(fixture.home, 'run', 'state.json')), false);
  });

  it('is not fooled by a stale record whose pids now belong to others', async () => {
    const up = await fixture.manager.up({ workers: 1 });
    await fixture.manager.down();
    // This very test process wears the pids of the dead ones.
    const me = process.pid;
    writeState(fixture.manager.home, {
      ...up,
      supervisor: { ...up.supervisor, pid: me },
      nats: { ...up.nats, process: { ...up.nats.process!, pid: me } },
      children: up.children.map((record) => ({ ...record, pid: me })),
    });
    assert.equal(await fixture.manager.isServerRunning(), false);
    assert.equal((await fixture.manager.status()).phase, 'stopped');
    const again = await fixture.manager.up({ workers: 1 });
    assert.equal(again.children.length, 3);
    assert.ok(!again.children.some(({ pid }) => pid === me));
  });

  it('starts over a record that is damaged', async () => {
    await fixture.manager.up({ workers: 1 });
    await fixture.manager.down();
    mark('run/state.json', '{"version":1,"child');
    assert.equal((await fixture.manager.up({ workers: 1 })).phase, 'ready');
  });

  it('takes another port when somebody sits on the last one', async () => {
    const up = await fixture.manager.up({ workers: 1 });
    await fixture.manager.down();
    const squatter = (await squat(up.nats.process!.port))!;
    try {
      const again = await fixture.manager.up({ workers: 1 });
      assert.notEqual(again.nats.url, up.nats.url);
      assert.equal((await fixture.manager.status()).workers.length, 1);
    } finally {
      squatter.close();
    }
  });

  it('moves to another port, with all roles, when the server dies and its port is taken', async () => {
    const up = await fixture.manager.up({ workers: 1 });
    const { port } = up.nats.process!;
    // Frozen, the supervisor cannot restart the server before the port is taken.
    process.kill(up.supervisor.pid, 'SIGSTOP');
    kill9(up.nats.process!);
    await eventually('the server is gone', () => !isRunning(up.nats.process!));
    let squatter: net.Server | null = null;
    await eventually('the port is free and taken', async () => {
      squatter = await squat(port);
      return squatter;
    });
    try {
      process.kill(up.supervisor.pid, 'SIGCONT');
      await eventually('everything answers elsewhere', async () => {
        if (state().nats.url === up.nats.url || !state().children.every(({ ready }) => ready)) return false;
        const { workers, problem } = await fixture.manager.status();
        return !problem && workers.length === 1 && workers[0]!.sessions === 7;
      });
    } finally {
      squatter!.close();
    }
  });

  it('says what a role printed when it does not start, and leaves nothing running', async () => {
    mark('broken-llm');
    await assert.rejects(fixture.manager.up({ workers: 1 }), (error) => {
      assert.ok(hasCode(error, 'UNAVAILABLE'));
      assert.match(error.message, /llm does not start: ended with exit code 1\nllm is broken on purpose/);
      return true;
    });
    assert.equal(readState(fixture.manager.home), null);
    rmSync(path.join(fixture.home, 'broken-llm'));
    assert.equal((await fixture.manager.up({ workers: 1 })).phase, 'ready');
  });

  it('does not call it safe to retry when a role says that its settings are wrong', async () => {
    mark('misconfigured-llm');
    await assert.rejects(fixture.manager.up({ workers: 1 }), (error) => {
      assert.ok(hasCode(error, 'BAD_REQUEST'));
      assert.equal(error.retryable, false);
      assert.match(error.message, /llm cannot do with its settings/);
      return true;
    });
    rmSync(path.join(fixture.home, 'misconfigured-llm'));
  });

  it('ends what it started when `up` is given up', async () => {
    const abort = new AbortController();
    const up = fixture.other().up({ workers: 2, signal: abort.signal });
    await eventually('the server runs', () => state()?.nats.process);
    fixture.processes();
    abort.abort();
    await assert.rejects(up, (error) => hasCode(error, 'DRAINING'));
    await eventually('nothing runs', () => readState(fixture.manager.home) === null);
  });

  it('kills a role that ignores SIGTERM', async () => {
    mark('stubborn-llm');
    await fixture.manager.up({ workers: 1 });
    const llm = child('llm');
    await fixture.manager.down();
    assert.equal(isRunning(llm), false);
  });

  it('gives provider keys to the LLM actor alone and each user to its role alone', async () => {
    const secrets = { OPENAI_API_KEY: 'sk-1', MY_PROVIDER_TOKEN: 't', REPRISE_LLM_API_KEY: 'k' };
    await fixture.other(secrets).up({ workers: 1 });
    const seen = fixture.lines('environments.jsonl').map((line) => JSON.parse(line));
    const credentials = JSON.parse(readFileSync(path.join(fixture.home, 'credentials.json'), 'utf8'));
    for (const { role, env } of seen) {
      for (const [name, value] of Object.entries(secrets)) {
        assert.equal(env[name], role === 'llm' ? value : undefined, `${name} in ${role}`);
      }
      for (const [user, { password }] of Object.entries<{ password: string }>(credentials)) {
        assert.equal(JSON.stringify(env).includes(password), user === role, `${user}'s password in ${role}`);
      }
      assert.equal(env.REPRISE_WORKER_ID, role === 'worker' ? env.REPRISE_PROCESS_ID : undefined);
    }
    assert.equal(seen.length, 3);
    for (const file of ['credentials.json', 'run/state.json', 'nats/server.conf']) {
      assert.equal(statSync(path.join(fixture.home, file)).mode & 0o077, 0, `${file} is private`);
    }
  });

  it('keeps a system of an older version as it runs, with one user for all, and gives each role its own when the server starts anew', async () => {
    await fixture.manager.up({ workers: 1 });
    fixture.processes();
    const running = state();
    kill9(running.supervisor);
    for (const record of running.children) kill9(record);
    // As the older version had left it: the file, and the users that the server knows.
    const file = path.join(fixture.home, 'credentials.json');
    const { client: app, storage, system } = JSON.parse(readFileSync(file, 'utf8'));
    app.user = 'app';
    writeFileSync(file, JSON.stringify({ app, storage, system }));
    const config = path.join(fixture.home, 'nats', 'server.conf');
    const user = ({ user, password }: typeof app) => `{ user: ${user}, password: "${password}" }`;
    const old = readFileSync(config, 'utf8')
      .replace(/STORAGE \{([\s\S]*?)users: \[[\s\S]*?\n {4}\]/, `STORAGE {$1users: [ ${user(storage)} ]`)
      .replace(/APP \{([\s\S]*?)users: \[[\s\S]*?\n {4}\]/, `APP {$1users: [ ${user(app)} ]`);
    writeFileSync(config, old);
    process.kill(running.nats.process!.pid, 'SIGHUP');

    const again = await fixture.manager.up({ workers: 1 });
    assert.equal(again.nats.process!.pid, running.nats.process!.pid);
    assert.equal(fixture.manager.connection().user, 'app');
    assert.equal((await fixture.manager.status()).problem, undefined);

    kill9(state().nats.process!);
    await eventually('all roles are there with their own users', async () => {
      const { problem, phase, workers, llm, storage } = await fixture.manager.status();
      const isWhole = !problem && phase === 'ready' && workers[0]?.sessions === 7;
      return (
        isWhole && llm.length === 1 && storage.length === 1 && fixture.manager.connection().user === 'client'
      );
    });
    const users = fixture.lines('environments.jsonl').map((line) => JSON.parse(line));
    const newest = users.slice(-3).map(({ role, env }) => `${role} ${env.REPRISE_NATS_USER}`);
    assert.deepEqual(newest.sort(), ['llm llm', 'storage storage', 'worker worker']);
    // The older version would find its user where it left it.
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).app, app);
  });

  it('refuses another durability while it runs', async () => {
    await fixture.manager.up({ workers: 1 });
    await assert.rejects(fixture.manager.up({ durability: 'power' }), (error) => {
      assert.ok(hasCode(error, 'BAD_REQUEST'));
      assert.match(error.hint!, /reprise down/);
      return true;
    });
    assert.equal(await fixture.manager.isServerRunning(), true);
  });

  it('uses the server that the user configured, and does not end it', async () => {
    const [server] = await testServers();
    const nats = await startNats({
      binary: server!.binary,
      config: 'authorization { user: u, password: p }',
    });
    try {
      const env = { REPRISE_NATS_URL: nats.url, REPRISE_NATS_USER: 'u', REPRISE_NATS_PASSWORD: 'p' };
      const manager = fixture.other({ ...env, REPRISE_PREFIX: 'guest' });
      const up = await manager.up({ workers: 1 });
      assert.equal(up.nats.process, null);
      const { problem, ...status } = await manager.status();
      assert.deepEqual([problem, status.nats!.pid, status.workers[0]!.sessions], [undefined, null, 7]);
      assert.equal(status.nats!.version, server!.version);
      await assert.rejects(fixture.manager.up(), (error) => hasCode(error, 'BAD_REQUEST'));
      await manager.down();
      await nats.restart(); // it was still there to be restarted
    } finally {
      await fixture.manager.down();
      await nats.stop();
    }
  });
});

it('refuses a home that cannot be written, and says which', async () => {
  const fixture = await makeFixture();
  const file = path.join(fixture.home, 'a-file');
  writeFileSync(file, '');
  const manager = fixture.other({ REPRISE_HOME: path.join(file, 'home') });
  await assert.rejects(manager.up(), (error) => {
    assert.ok(hasCode(error, 'UNAVAILABLE'));
    assert.match(error.message, /cannot write in .*a-file/);
    return true;
  });
  assert.equal(await manager.down(), false);
  await fixture.end();
});

it('shows no password in the process list', async () => {
  const fixture = await makeFixture();
  await fixture.manager.up({ workers: 1 });
  const credentials = JSON.parse(readFileSync(path.join(fixture.home, 'credentials.json'), 'utf8'));
  const list = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  for (const { password } of Object.values<{ password: string }>(credentials))
    assert.ok(!list.includes(password));
  await fixture.end();
});
