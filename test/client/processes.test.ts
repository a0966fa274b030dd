import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectClient, type SessionClient } from '../../bus/client/client.ts';
import { connectBus } from '../../bus/nats.ts';
import { systemClock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { freeze } from '../kit/frozen.ts';
import { type NatsServer, startNats } from '../kit/nats-server.ts';
import { until } from '../kit/until.ts';
import { FakeWorker } from './fake-worker.ts';

const entry = fileURLToPath(new URL('./fake-worker-process.ts', import.meta.url));
const prefix = 'p';

describe('the client, real processes and a real server', () => {
  let server: NatsServer;
  let client: SessionClient;
  let spare: FakeWorker;
  const children: ChildProcess[] = [];

  before(async () => {
    server = await startNats({ jetstream: false });
    client = await connectClient({ url: server.url, prefix });
    const bus = await connectBus({ url: server.url, name: 'spare' });
    spare = new FakeWorker('spare', bus, makeSubjects(prefix), systemClock);
    await bus.flush();
  });
  // Each test has one owner and the spare worker: an owner left over would take its share of activations.
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    }
    const workers = async () => (await client.who()).map(({ process }) => process);
    await until(async () => (await workers()).join() === 'spare');
  });
  after(async () => {
    await Promise.all([client.disconnect(), spare.bus.close()]);
    await server.stop();
  });

  /** A worker process that owns a session. */
  async function owner(id: string, session: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', entry, server.url, prefix, id, session], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout!, 'data');
    return child;
  }

  it('asks the owner, wherever it runs', async () => {
    await owner('w1', 'one');
    assert.equal((await client.execute('one', 'x')).worker, 'w1');
    assert.equal((await client.execute('one', 'wait 700')).worker, 'w1');
  });

  it('is answered by another worker after kill -9 of the owner in the middle of a command', async () => {
    const child = await owner('w2', 'two');
    const answer = client.execute('two', 'wait 600000', { commandId: 'kept' });
    spare.play(() => assert.fail('too early'));
    await until(async () => (await client.who()).some(({ process }) => process === 'w2'));
    spare.play((request) => ({ ...reply(request.session, 'kept'), worker: 'spare' }));
    child.kill('SIGKILL');
    assert.equal((await answer).worker, 'spare');
    assert.equal(spare.commandIds.at(-1), 'kept');
  });

  it('is answered by another worker while the owner is frozen, twice by the same', async () => {
    const child = await owner('w3', 'three');
    spare.play((request) => ({ ...reply(request.session, 'frozen'), worker: 'spare' }));
    await freeze(child.pid!);
    const before = spare.heard.length;
    assert.equal((await client.execute('three', 'x', { commandId: 'frozen' })).worker, 'spare');
    assert.equal((await client.execute('three', 'x', { commandId: 'frozen' })).worker, 'spare');
    assert.deepEqual(
      spare.heard.slice(before).map(({ subject }) => subject),
      ['p.activate.spare', 'p.activate.spare'],
    );
    child.kill('SIGCONT');
  });

  it('carries a command through a kill -9 and restart of the server', async () => {
    await owner('w4', 'four');
    const answer = client.execute('four', 'wait 300', { commandId: 'through' });
    await server.kill9();
    await server.restart();
    assert.ok(['w4', 'spare'].includes((await answer).worker));
  });
});

function reply(session: string, commandId: string): object {
  return {
    session,
    commandId,
    seq: [1, 2],
    output: '',
    shouldExit: false,
    stdout: '',
    stderr: '',
    error: null,
    durationMs: 0,
    repeated: false,
  };
}
