/** A nats-server that the user configured: where it is, who we are there, and whether it will do. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { tryExternalServer, withPlainServer } from '../../actors/supervisor/external-server.ts';
import { probe } from '../../actors/supervisor/nats-server/local.ts';
import { ProcessManager } from '../../actors/supervisor/process-manager.ts';
import { type ErrorCode, hasCode } from '../../bus/errors.ts';
import { eventually } from './fixture.ts';
import { testServers } from './servers.ts';

describe('the URL of a configured server', () => {
  const plain = (url: string, more = {}): Record<string, string | undefined> =>
    withPlainServer({ REPRISE_NATS_URL: url, ...more });

  it('gives up its user and password, so that neither is shown or recorded', () => {
    assert.deepEqual(plain('nats://u:p%40ss@host:4222'), {
      REPRISE_NATS_URL: 'nats://host:4222',
      REPRISE_NATS_USER: 'u',
      REPRISE_NATS_PASSWORD: 'p@ss',
    });
    const named = plain('nats://u:p@host', { REPRISE_NATS_USER: 'me', REPRISE_NATS_PASSWORD: 'mine' });
    assert.deepEqual([named.REPRISE_NATS_USER, named.REPRISE_NATS_PASSWORD], ['me', 'mine']);
    const two = plain('nats://a:1', { REPRISE_STORAGE_NATS_URL: 'nats://st:sp@b:2' });
    assert.deepEqual(
      [two.REPRISE_STORAGE_NATS_URL, two.REPRISE_STORAGE_USER, two.REPRISE_STORAGE_PASSWORD],
      ['nats://b:2', 'st', 'sp'],
    );
  });
  it('may lack its scheme, name several servers, or be absent', () => {
    assert.equal(plain('host:4222').REPRISE_NATS_URL, 'nats://host:4222');
    assert.equal(plain('nats://a:1, tls://[::1]:2').REPRISE_NATS_URL, 'nats://a:1,tls://[::1]:2');
    assert.deepEqual(withPlainServer({ PATH: '/bin' }), { PATH: '/bin' });
    assert.deepEqual(plain(''), { REPRISE_NATS_URL: '' });
  });
  it('is refused when it is none, without telling its password', () => {
    for (const url of ['http://host', 'nats://', 'nats://u:secret@host:99999', 'nats://a,,b']) {
      assert.throws(
        () => plain(url),
        (error) => hasCode(error, 'BAD_REQUEST') && !error.message.includes('secret'),
        url,
      );
    }
  });
});

describe('a configured server', () => {
  let dir: string;
  const servers: ChildProcess[] = [];
  const run = async (...args: string[]) => {
    const port = await freePort();
    const [server] = await testServers();
    servers.push(
      spawn(server!.binary, ['-a', '127.0.0.1', '-p', String(port), ...args], { stdio: 'ignore' }),
    );
    await eventually('the server answers', () => probe(port));
    return `nats://127.0.0.1:${port}`;
  };
  const refused = (url: string, code: ErrorCode, message: RegExp) =>
    assert.rejects(tryExternalServer(withPlainServer({ REPRISE_NATS_URL: url })), (error) => {
      assert.ok(hasCode(error, code));
      assert.match(error.message, message);
      assert.match(error.hint!, /REPRISE_NATS_/);
      return true;
    });
  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'external-'));
  });
  after(async () => {
    for (const server of servers) server.kill('SIGKILL');
    await rm(dir, { recursive: true, force: true });
  });

  it('is accepted with the right credentials, and denied with wrong ones', async () => {
    const url = await run('-js', '-sd', path.join(dir, 'users'), '--user', 'u', '--pass', 'p');
    const within = url.replace('//', '//u:p@');
    assert.match(await tryExternalServer(withPlainServer({ REPRISE_NATS_URL: within })), /^2\./);
    await refused(url, 'DENIED', /refuses these credentials/);
    await refused(url.replace('//', '//u:wrong@'), 'DENIED', /refuses these credentials/);
  });
  it('is refused without JetStream, before anything is started', async () => {
    const url = await run();
    await refused(url, 'UNAVAILABLE', /has no JetStream/);
    const home = path.join(dir, 'home');
    const manager = new ProcessManager({
      env: { ...process.env, REPRISE_HOME: home, REPRISE_NATS_URL: url },
    });
    await assert.rejects(manager.up(), (error) => hasCode(error, 'UNAVAILABLE'));
    assert.equal((await manager.status()).phase, 'stopped');
  });
  it('that does not answer is unavailable', async () => {
    await refused(`nats://127.0.0.1:${await freePort()}`, 'UNAVAILABLE', /no nats-server answers/);
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
