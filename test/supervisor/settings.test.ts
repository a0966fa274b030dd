/** The pure parts: versions, server configuration, apt sources, homes, back-off, environments. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from '../../actors/supervisor/child-machine.ts';
import { provideCredentials, readCredentials } from '../../actors/supervisor/credentials.ts';
import { runDoctor } from '../../actors/supervisor/doctor.ts';
import { ensureHome, findHome, homeAt } from '../../actors/supervisor/home.ts';
import { findMirror, osRelease } from '../../actors/supervisor/nats-server/apt-sources.ts';
import { type ServerSettings, serverConfig } from '../../actors/supervisor/nats-server/config.ts';
import { execProgram } from '../../actors/supervisor/nats-server/exec.ts';
import { isAtLeast, parseVersion } from '../../actors/supervisor/nats-server/version.ts';
import { roleEnvironment, usersOf, withoutSecrets } from '../../actors/supervisor/roles.ts';
import { systemStatus } from '../../actors/supervisor/status.ts';
import { hasCode } from '../../bus/errors.ts';
import { testUsers } from '../kit/users.ts';
import { testServers } from './servers.ts';

const settings: ServerSettings = {
  version: '2.10.27',
  serverName: 'n',
  port: 4222,
  storeDir: '/data',
  prefix: 'reprise',
  credentials: testUsers,
  durability: 'process',
};

const noProc = existsSync('/proc/self') ? false : 'there is no /proc';

describe('versions of nats-server', () => {
  it('are read from what the server prints', () => {
    assert.equal(parseVersion('nats-server: v2.10.27\n')!.text, '2.10.27');
    assert.equal(parseVersion('nats-server: v2.11.0-RC.1')!.text, '2.11.0-RC.1');
    assert.equal(parseVersion('command not found'), null);
  });
  it('are ordered by their numbers, not as text', () => {
    const number = fc.nat(200);
    const version = fc.tuple(number, number, number);
    fc.assert(
      fc.property(version, version, (a, b) => {
        const order = a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
        assert.equal(isAtLeast(a.join('.'), b.join('.')), order >= 0);
      }),
    );
    assert.equal(isAtLeast('nonsense', '2.9.0'), false);
  });
});

describe('the server configuration', () => {
  it('is accepted by the real server for hostile names, paths and passwords', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'config-'));
    try {
      const hostile = 'a"b\\c $HOME {x} # é\u4e16';
      for (const { binary, version } of await testServers()) {
        const file = path.join(dir, `${version}.conf`);
        const credentials = { ...testUsers, client: { user: hostile, password: hostile } };
        const storeDir = path.join(dir, hostile);
        await writeFile(file, serverConfig({ ...settings, version, serverName: 'x', storeDir, credentials }));
        const { code, stderr } = await execProgram(binary, ['-t', '-c', file]);
        assert.equal(code, 0, stderr);
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });
  it('fsyncs before acknowledging only when asked, and refuses where the server cannot', () => {
    assert.doesNotMatch(serverConfig(settings), /sync_interval/);
    assert.match(serverConfig({ ...settings, durability: 'power' }), /sync_interval: always/);
    assert.throws(
      () => serverConfig({ ...settings, version: '2.9.10', durability: 'power' }),
      (error) => hasCode(error, 'UNAVAILABLE') && !error.retryable && /2\.10\.0/.test(error.hint!),
    );
  });
  it('pings clients often only where that drops frozen ones', () => {
    assert.match(serverConfig(settings), /ping_interval: "1s"\nping_max: 2/);
    assert.doesNotMatch(serverConfig({ ...settings, version: '2.10.26' }), /ping_interval/);
  });
});

describe('the apt mirror', () => {
  const stanzas = `Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates
Components: main\nSigned-By: /usr/share/keyrings/k.gpg\n\nTypes: deb\nURIs: http://sec.example/debian-security
Suites: bookworm-security\nComponents: main\n`;
  it('is found in both formats of apt sources', () => {
    const expected = { uri: 'http://mirror.example/debian', signedBy: '/usr/share/keyrings/k.gpg' };
    assert.deepEqual(findMirror(['', stanzas], 'bookworm'), expected);
    const line =
      'deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main # x';
    assert.deepEqual(findMirror([`# deb http://no.example bookworm main\n${line}\n`], 'bookworm'), expected);
  });
  it('is none among other releases, CD-ROMs, sources and disabled entries', () => {
    assert.equal(findMirror([stanzas], 'trixie'), null);
    assert.equal(
      findMirror(['deb cdrom:[Debian] bookworm main\ndeb-src http://x bookworm main'], 'bookworm'),
      null,
    );
    assert.equal(findMirror([`Enabled: no\n${stanzas.split('\n\n')[0]}`], 'bookworm'), null);
  });
  it('reads os-release with and without quotes', () => {
    assert.equal(osRelease('NAME="x"\nID=debian\nVERSION_CODENAME="noble"\n', 'VERSION_CODENAME'), 'noble');
    assert.equal(osRelease('VERSION_ID="12"\nID=debian\n', 'ID'), 'debian');
    assert.equal(osRelease('', 'ID'), '');
  });
});

describe('homes and environments', () => {
  it('follow the platform unless REPRISE_HOME says otherwise', () => {
    const root = (env: Record<string, string>, platform: string) => findHome(env, platform).root;
    assert.equal(root({ HOME: '/h' }, 'linux'), '/h/.local/share/reprise');
    assert.equal(root({ HOME: '/h', XDG_DATA_HOME: '/d' }, 'linux'), '/d/reprise');
    assert.equal(root({ HOME: '/h' }, 'darwin'), '/h/Library/Application Support/reprise');
    assert.equal(root({ HOME: '/h', REPRISE_HOME: '/r' }, 'linux'), '/r');
    assert.equal(findHome({}, 'linux', () => '/known').root, '/known/.local/share/reprise');
    const nobody = () => {
      throw new Error('no entry for this user');
    };
    assert.throws(
      () => findHome({}, 'linux', nobody),
      (error) => hasCode(error, 'BAD_REQUEST'),
    );
  });
  it('cannot be made where the system takes no folders, and that is said at once', { skip: noProc }, () => {
    assert.throws(
      () => ensureHome(homeAt('/proc/nowhere/at/all')),
      (error) => hasCode(error, 'UNAVAILABLE') && !error.retryable && /cannot write in/.test(error.message),
    );
  });
  it('let nothing pass that looks like a secret', () => {
    const env = {
      PATH: '/bin',
      LC_ALL: 'C',
      REPRISE_MAX_SESSIONS: '5',
      OPENAI_API_KEY: 'k',
      AWS_REGION: 'r',
    };
    assert.deepEqual(withoutSecrets({ ...env, REPRISE_NATS_PASSWORD: 'p', REPRISE_X_TOKEN: 't' }), {
      PATH: '/bin',
      LC_ALL: 'C',
      REPRISE_MAX_SESSIONS: '5',
    });
  });
  it('never give the storage user to others, not even one that the user set', () => {
    const env = {
      REPRISE_NATS_USER: 'all',
      REPRISE_NATS_PASSWORD: 'ap',
      REPRISE_STORAGE_USER: 'st',
      REPRISE_STORAGE_PASSWORD: 'sp',
      REPRISE_WORKER_USER: 'wo',
      REPRISE_WORKER_PASSWORD: 'wp',
      OPENAI_API_KEY: 'k',
    };
    const passwords = { worker: 'wp', llm: 'ap', storage: 'sp' };
    const connections = { url: 'nats://x', users: usersOf(env) };
    const facts = { connections, home: '/h', prefix: 'p', id: 'i', durability: 'process' };
    for (const role of ['worker', 'llm', 'storage'] as const) {
      const made = roleEnvironment(role, env, facts);
      assert.equal(made.REPRISE_NATS_PASSWORD, passwords[role]);
      for (const [other, password] of Object.entries(passwords)) {
        if (other !== role) assert.ok(!Object.values(made).includes(password), `${other}'s in ${role}`);
      }
      assert.equal(made.OPENAI_API_KEY, role === 'llm' ? 'k' : undefined);
    }
  });
});

describe('back-off', () => {
  it('restarts at once first, then ever later, up to five seconds', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 7, 8, 50].map((failures) => backoffMs(failures)),
      [0, 100, 200, 400, 3_200, 5_000, 5_000],
    );
  });

  it('is shorter for what has a limit of its own', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 50].map((failures) => backoffMs(failures, 500)),
      [0, 100, 200, 400, 500, 500],
    );
  });
});

describe('credentials', () => {
  it('are random, made once, and refused when damaged', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'credentials-'));
    try {
      const home = homeAt(dir);
      const made = provideCredentials(home);
      assert.deepEqual(provideCredentials(home), made);
      const passwords = Object.values(made).map(({ password }) => password);
      assert.equal(new Set(passwords).size, 6);
      assert.ok(passwords.every((password) => password.length >= 32));
      // An older version had one user for all but storage: it counts until the server is started anew.
      const [app, { storage, system }] = [{ user: 'app', password: 'p' }, made];
      await writeFile(path.join(dir, 'credentials.json'), JSON.stringify({ app, storage, system }));
      assert.deepEqual(readCredentials(home), {
        ...made,
        client: app,
        worker: app,
        llm: app,
        supervisor: app,
      });
      const completed = provideCredentials(home);
      assert.deepEqual([completed.storage, completed.client.user], [storage, 'client']);
      const { app: _, ...kept } = completed as typeof completed & { app: unknown };
      assert.deepEqual(readCredentials(home), kept);
      assert.equal(statSync(path.join(dir, 'credentials.json')).mode & 0o077, 0);
      await writeFile(path.join(dir, 'credentials.json'), '{}');
      assert.throws(
        () => provideCredentials(home),
        (error) => hasCode(error, 'CORRUPT'),
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('the doctor', () => {
  it('names what is wrong and what to do about it', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'doctor-'));
    try {
      const home = homeAt(dir);
      const status = await systemStatus(null, null);
      const env = { PATH: '', XDG_CACHE_HOME: path.join(dir, 'cache') };
      const checks = await runDoctor({ home, env, status, nodeVersion: '18.0.0', diskMin: 2 ** 60 });
      const wrong = checks.filter(({ ok }) => !ok).map(({ name }) => name);
      assert.deepEqual(wrong, ['node', 'nats-server', 'server features', 'disk']);
      assert.match(checks.find(({ name }) => name === 'nats-server')!.hint, /apt-get install nats-server/);

      const shared = { ...env, REPRISE_NATS_URL: 'nats://127.0.0.1:1' };
      const foreign = await systemStatus(null, { url: shared.REPRISE_NATS_URL, prefix: 'p' });
      const found = await runDoctor({ home, env: shared, status: foreign, nodeVersion: '20.19.0' });
      const names = found.filter(({ ok }) => !ok).map(({ name }) => name);
      assert.deepEqual(names, ['nats-server', 'server features', 'write protection']);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
