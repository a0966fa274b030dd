/** The storage process as it is started by others: readiness, signals, sudden death, accounts. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode } from '../../bus/errors.ts';
import { connectBus, type NatsBus } from '../../bus/nats.ts';
import type { GetReply } from '../../bus/operations/catalogue.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import type { Bus } from '../../bus/port.ts';
import type { BusRole } from '../../bus/roles.ts';
import type { Commit } from '../../bus/types.ts';
import { SessionWriter } from '../kit/commits.ts';
import { type NatsServer, natsBinary, startNats } from '../kit/nats-server.ts';
import { until } from '../kit/until.ts';
import { testConfig, testUsers } from '../kit/users.ts';
import { answerOf, append, ask, commitNext, loadAll, subjects } from './world.ts';

const main = fileURLToPath(new URL('../../storage/main.ts', import.meta.url));
interface StorageProcess {
  child: ChildProcess;
  name: string;
  stderr(): string;
}

describe('the storage process', () => {
  let server: NatsServer;
  let worker: NatsBus;
  let client: NatsBus;
  const running = new Set<ChildProcess>();

  function enter(role: BusRole): Promise<NatsBus> {
    const { user, password: pass } = testUsers[role];
    return connectBus({ url: server.url, user, pass, role, name: role });
  }

  before(async () => {
    const version = execFileSync(await natsBinary(), ['--version'], { encoding: 'utf8' });
    server = await startNats({ config: testConfig(version, subjects.prefix) });
    worker = await enter('worker');
    client = await enter('client');
  });
  afterEach(async () => {
    await Promise.all([...running].map(kill));
  });
  after(async () => {
    await Promise.all([worker.close(), client.close()]);
    await server.stop();
  });

  async function kill(child: ChildProcess): Promise<void> {
    running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  function run(more: Record<string, string> = {}): { child: ChildProcess; stderr(): string } {
    const env = {
      ...process.env,
      REPRISE_NATS_URL: server.url,
      REPRISE_STORAGE_USER: testUsers.storage.user,
      REPRISE_STORAGE_PASSWORD: testUsers.storage.password,
      REPRISE_LOG_LEVEL: 'info',
      ...more,
    };
    const args = ['--import', import.meta.resolve('tsx'), main];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    return { child, stderr: () => stderr };
  }

  async function start(name: string): Promise<StorageProcess> {
    const { child, stderr } = run({ REPRISE_PROCESS_ID: name });
    for await (const line of createInterface({ input: child.stdout! })) {
      const ready = JSON.parse(line);
      assert.deepEqual(ready, { ready: true, pid: child.pid, process: name });
      return { child, name, stderr };
    }
    throw new Error(`it ended:\n${stderr()}`);
  }

  it('says when it is ready, serves another account, and ends with 0 on SIGTERM', async () => {
    const { child, name } = await start('storage.a');
    await commitNext(worker, new SessionWriter('first'));
    const presence = answerOf<PresenceReply>(
      await client.request(subjects.ping(name), new Uint8Array(0), { timeoutMs: 5_000 }),
    );
    assert.deepEqual([presence.role, presence.pid, presence.state], ['storage', child.pid, 'running']);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });

  it('loses and repeats nothing when it is killed in the middle of appends', async () => {
    const names = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5'];
    const acknowledged = new Map<string, Commit[]>(names.map((name) => [name, []]));
    let stop = false;
    const work = names.map(async (name) => {
      const by = new SessionWriter(name);
      while (!stop) {
        const commit = by.next();
        const reply = await persist(worker, commit, by.position);
        by.wrote(commit, reply);
        acknowledged.get(name)!.push(commit);
      }
    });
    const total = () => [...acknowledged.values()].reduce((sum, commits) => sum + commits.length, 0);
    for (let round = 0; round < 3; round++) {
      const { child } = await start(`storage.k${round}`);
      const enough = total() + 200;
      await until(() => total() > enough);
      await kill(child);
    }
    await start('storage.last');
    const enough = total() + 50;
    await until(() => total() > enough);
    stop = true;
    await Promise.all(work);
    for (const name of names) {
      const stored = await loadAll(worker, name);
      assert.deepEqual(
        stored.map(({ commit }) => commit.commit),
        acknowledged.get(name)!.map(({ commit }) => commit),
      );
    }
  });

  it('survives garbage on every subject, and logs it', async () => {
    const { child, stderr } = await start('storage.g');
    const operations = [
      'load',
      'read',
      'list',
      'get',
      'delete',
      'find',
      'blob.put.ckpt',
      'blob.get.receipt',
      'nothing',
    ];
    for (const subject of [
      ...operations.map((operation) => subjects.store(operation)),
      subjects.append('x'),
    ]) {
      for (const bytes of [Buffer.from('garbage'), Buffer.alloc(0), Buffer.alloc(200_000, 0xdf)]) {
        const refusal = (error: unknown) => hasCode(error, 'BAD_FORMAT', 'BAD_REQUEST', 'DENIED');
        for (const bus of [worker, client]) {
          await assert.rejects(bus.request(subject, bytes, { timeoutMs: 5_000 }).then(answerOf), refusal);
          bus.publish(subject, bytes);
        }
      }
    }
    await commitNext(worker, new SessionWriter('after garbage'));
    assert.equal(child.exitCode, null);
    await until(() => stderr().includes('"code":"BAD_FORMAT"'));
  });

  it('is the only way to a log: nothing that the application publishes arrives there', async () => {
    await start('storage.w');
    const by = new SessionWriter('victim');
    await commitNext(worker, by);
    const storage = await enter('storage');
    const { log, blob } = subjects.streams;
    const counts = async () =>
      Promise.all(
        [log, blob].map(async ({ name }) => {
          const reply = await storage.request(`$JS.API.STREAM.INFO.${name}`, new Uint8Array(0), {
            timeoutMs: 5_000,
          });
          return JSON.parse(new TextDecoder().decode(reply)).state.messages as number;
        }),
      );
    const before = await counts();
    const raw = worker.connection;
    const targets = [subjects.log(by.token), subjects.blob('ckpt', 'x'), log.marker, blob.marker];
    const requests = [
      subjects.store('get'),
      subjects.store('list'),
      subjects.store('nothing'),
      subjects.append(by.token),
      subjects.who,
      subjects.ping('storage.w'),
      '$JS.API.INFO',
      `$JS.API.STREAM.PURGE.${log.name}`,
      `$JS.API.STREAM.DELETE.${log.name}`,
      `$JS.API.DIRECT.GET.${log.name}`,
    ];
    for (const target of targets) {
      raw.publish(target, 'forged');
      for (const request of requests) raw.publish(request, 'x', { reply: target });
    }
    await raw.flush();
    // Requests that were served before this one have had their effect.
    assert.equal((await ask<GetReply>(worker, 'get', { session: 'victim' })).metadata?.eventCount, by.seq);
    await storage.flush();
    assert.deepEqual(await counts(), before);
    await storage.close();
  });

  it('refuses a durability that it does not know', async () => {
    const { child, stderr } = run({ REPRISE_DURABILITY: 'eternal' });
    const [code] = await once(child, 'exit');
    assert.equal(code, 2);
    assert.match(stderr(), /REPRISE_DURABILITY/);
  });
});

/** Appends until there is a definite answer, as a worker does. */
async function persist(bus: Bus, commit: Commit, expected: number) {
  for (;;) {
    try {
      return await append(bus, commit, expected, 500);
    } catch (error) {
      if (!hasCode(error, 'TIMEOUT', 'NO_RESPONDERS', 'UNAVAILABLE', 'DRAINING')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
