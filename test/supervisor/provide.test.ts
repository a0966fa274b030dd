/** Finding and fetching nats-server, against real programs, a real apt and a network that fails. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { planApt } from '../../actors/supervisor/nats-server/apt.ts';
import { extractFile } from '../../actors/supervisor/nats-server/archive.ts';
import { execProgram } from '../../actors/supervisor/nats-server/exec.ts';
import { type ProvideOptions, provideNatsServer } from '../../actors/supervisor/nats-server/provide.ts';
import { downloadRelease, releaseAsset } from '../../actors/supervisor/nats-server/release.ts';
import { hasCode } from '../../bus/errors.ts';

const offline: typeof fetch = async () => {
  throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND') });
};
/** A PATH with the system's tools but without a nats-server. */
const plainPath = '/usr/bin:/bin';

describe('provisioning of nats-server', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'provide-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const program = async (folder: string, prints: string) => {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'nats-server'), `#!/bin/sh\necho '${prints}'\n`);
    await chmod(path.join(folder, 'nats-server'), 0o755);
    return folder;
  };
  const provide = (options: Partial<ProvideOptions>) =>
    provideNatsServer({ env: { PATH: '' }, cacheDir: path.join(dir, 'empty'), fetch: offline, ...options });

  it('takes the first server on PATH that is new enough', async () => {
    const old = await program(path.join(dir, 'old'), 'nats-server: v2.8.4');
    const broken = await program(path.join(dir, 'broken'), 'Segmentation fault');
    const good = await program(path.join(dir, 'good'), 'nats-server: v2.11.0');
    const found = await provide({ env: { PATH: [old, broken, good].join(':') } });
    const binary = path.join(good, 'nats-server');
    assert.deepEqual([found.binary, found.version, found.source], [binary, '2.11.0', 'path']);
  });

  it('remembers every server that it passed over, and why', async () => {
    const old = await program(path.join(dir, 'old'), 'nats-server: v2.8.4');
    const broken = await program(path.join(dir, 'broken'), 'Segmentation fault');
    const plain = await program(path.join(dir, 'plain'), 'nats-server: v2.11.0');
    await chmod(path.join(plain, 'nats-server'), 0o644);
    const cacheDir = path.join(dir, 'damaged');
    await program(path.join(cacheDir, 'nats-server', '2.12.0'), 'Bus error');
    await program(path.join(cacheDir, 'nats-server', '2.10.27'), 'nats-server: v2.10.27');
    const found = await provide({ env: { PATH: [old, broken, plain].join(':') }, cacheDir });
    assert.equal(found.source, 'cache');
    assert.deepEqual(
      found.tried.map(({ source }) => source),
      ['path', 'path', 'path', 'cache'],
    );
    const [tooOld, doesNotRun, notExecutable, damaged] = found.tried.map(({ result }) => result);
    assert.match(tooOld!, /2\.8\.4, older/);
    assert.match(doesNotRun!, /broken\/nats-server does not run: Segmentation fault/);
    assert.match(notExecutable!, /plain\/nats-server is not executable/);
    assert.match(damaged!, /2\.12\.0\/nats-server does not run: Bus error/);
  });

  it('says once that there is no apt', async () => {
    const without: typeof execProgram = (file, args, options) =>
      file === 'apt-get'
        ? Promise.resolve({ code: -1, stdout: '', stderr: 'spawn apt-get ENOENT' })
        : execProgram(file, args, options);
    await assert.rejects(provide({ cacheDir: path.join(dir, 'no apt'), exec: without }), (error) => {
      assert.ok(hasCode(error, 'UNAVAILABLE'));
      assert.equal(error.message.match(/apt: /g)!.length, 1);
      return true;
    });
  });

  it('takes the newest server of the cache that runs, and says why not one on PATH', async () => {
    const old = await program(path.join(dir, 'old'), 'nats-server: v2.8.4');
    const cacheDir = path.join(dir, 'cache');
    await program(path.join(cacheDir, 'nats-server', '2.9.25'), 'nats-server: v2.9.25');
    await program(path.join(cacheDir, 'nats-server', '2.10.27'), 'nats-server: v2.10.27');
    await writeFile(
      path.join(await program(path.join(cacheDir, 'nats-server', '2.12.0'), ''), 'nats-server'),
      '',
    );
    const found = await provide({ env: { PATH: old }, cacheDir });
    assert.deepEqual([found.version, found.source], ['2.10.27', 'cache']);
    assert.match(found.tried[0]!.result, /is version 2\.8\.4, older than 2\.9\.0/);
  });

  it('downloads and checks the release, keeps the program, and finds it the next time', async () => {
    const cacheDir = path.join(dir, 'release');
    // The pinned checksum cannot match an archive made here, so the check must refuse it…
    const forged: typeof fetch = async () => new Response(tarGz('x/nats-server', '#!/bin/sh\necho v9.9.9\n'));
    const asset = releaseAsset('linux', 'x64')!;
    await assert.rejects(downloadRelease(asset, forged), (error) => {
      assert.ok(hasCode(error, 'CORRUPT'));
      assert.match(error.message, /sha256 is [0-9a-f]{64}, expected 5e3b603d/);
      return true;
    });
    // … and accept it under its true one.
    const archive = tarGz('nats-server-v1/nats-server', '#!/bin/sh\necho v9.9.9\n');
    const sha256 = createHash('sha256').update(archive).digest('hex');
    const content = await downloadRelease({ ...asset, sha256 }, async () => new Response(archive));
    assert.equal(Buffer.from(content).toString(), '#!/bin/sh\necho v9.9.9\n');
    await assert.rejects(provide({ cacheDir, fetch: forged, exec: noApt }));
    assert.deepEqual(await readdir(path.join(cacheDir, 'nats-server')).catch(() => []), []);
  });

  it('knows a release for each common platform and none for others', () => {
    for (const [platform, arch] of ['linux', 'darwin', 'win32'].flatMap((os) => [
      [os, 'x64'],
      [os, 'arm64'],
    ])) {
      assert.match(releaseAsset(platform!, arch!)!.sha256, /^[0-9a-f]{64}$/);
    }
    assert.equal(releaseAsset('sunos', 'x64'), null);
    assert.equal(releaseAsset('win32', 'x64')!.kind, 'zip');
  });

  it('says what it tried, why each failed, and how to install a server', async () => {
    await assert.rejects(provide({ cacheDir: path.join(dir, 'nothing'), exec: noApt }), (error) => {
      assert.ok(hasCode(error, 'UNAVAILABLE'));
      assert.match(
        error.message,
        /path: not found\n {2}cache: not found\n {2}release: .*ENOTFOUND\n {2}apt: /,
      );
      for (const tool of ['apt-get', 'brew', 'scoop', 'winget', 'choco', 'go install', 'docker']) {
        assert.ok(error.hint!.includes(tool), tool);
      }
      return true;
    });
  });

  it('looks only, when told not to download', async () => {
    const fetch: typeof globalThis.fetch = () => assert.fail('downloads');
    await assert.rejects(provide({ fetch, download: false }), (error) => hasCode(error, 'UNAVAILABLE'));
  });

  it('fetches the package through apt, without the release, for two callers at once', async (t) => {
    const skip = await aptIsUnusable();
    if (skip) return t.skip(skip);
    const cacheDir = path.join(dir, 'apt cache "');
    const options = { env: { PATH: plainPath }, cacheDir };
    let downloads = 0;
    const log = () => {
      downloads += 1;
    };
    const [a, b] = await Promise.all([provide({ ...options, log }), provide({ ...options, log })]);
    assert.deepEqual([a.source, b.source].sort(), ['apt', 'cache']);
    assert.equal(a.binary, b.binary);
    assert.equal(downloads, 2, 'one attempt at the release, one at the package');
    assert.deepEqual(await readdir(path.join(cacheDir, 'nats-server')), [a.version], 'no drafts are left');
    const { stdout } = await execProgram(a.binary, ['--version']);
    assert.ok(stdout.includes(a.version));
  });

  it('refuses a package index whose signature cannot be checked', async (t) => {
    const skip = await aptIsUnusable();
    if (skip) return t.skip(skip);
    const plan = await planApt();
    const { fetchPackage } = await import('../../actors/supervisor/nats-server/apt.ts');
    const stranger = path.join(dir, 'stranger.gpg');
    await writeFile(stranger, '');
    const work = path.join(dir, 'unsigned');
    await assert.rejects(
      fetchPackage({ ...plan, keyring: stranger }, plan.suites[0]!, work, execProgram),
      (error) => hasCode(error, 'UNAVAILABLE'),
    );
    assert.equal((await readdir(path.join(work, 'deb'))).length, 0);
  });

  it('works for a user without a home or any right', async (t: TestContext) => {
    if (process.getuid?.() !== 0) return t.skip('only root can become somebody else');
    const skip = await aptIsUnusable();
    if (skip) return t.skip(skip);
    const work = path.join(dir, 'nobody');
    await mkdir(work);
    // Give nobody the apt of this machine, but not the sources of this checkout, which it may not read.
    const plan = await planApt();
    execFileSync('chown', ['nobody', work]);
    await chmod(dir, 0o755);
    const { fetchPackage } = await import('../../actors/supervisor/nats-server/apt.ts');
    const asNobody: typeof execProgram = (file, args, options) =>
      execProgram('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', file, ...args], {
        ...options,
        env: { PATH: plainPath, HOME: '/nonexistent' },
      });
    const own: typeof execProgram = async (file, args, options) => {
      execFileSync('chown', ['-R', 'nobody', work]);
      return asNobody(file, args, options);
    };
    const binary = await fetchPackage(plan, plan.suites[0]!, work, own);
    const { stdout } = await asNobody(binary, ['--version']);
    assert.match(stdout, /nats-server: v2\./);
  });
});

const noApt: typeof execProgram = (file, args, options) =>
  /apt-get|dpkg-deb/.test(file)
    ? Promise.resolve({ code: 100, stdout: '', stderr: 'E: no network' })
    : execProgram(file, args, options);

/** Why apt cannot be used here, or null. */
async function aptIsUnusable(): Promise<string | null> {
  try {
    const { mirror, suites } = await planApt();
    const { hostname, pathname, protocol } = new URL(mirror.uri);
    const url = `${protocol}//${hostname}${pathname}/dists/${suites[0]}/InRelease`;
    const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5_000) });
    return answer.ok ? null : `the mirror answers ${answer.status}`;
  } catch (error) {
    return `no apt mirror within reach: ${(error as Error).message}`;
  }
}

function tarGz(name: string, content: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(Buffer.byteLength(content).toString(8).padStart(11, '0'), 124);
  header.write('0', 156);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return gzipSync(Buffer.concat([header, body, Buffer.alloc(1024)]));
}

describe('archives', () => {
  it('give out a file in a folder, and say when it is missing or they are damaged', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'archive-'));
    try {
      await mkdir(path.join(dir, 'folder'));
      await writeFile(path.join(dir, 'folder', 'other'), 'o'.repeat(700));
      await writeFile(path.join(dir, 'folder', 'tool'), 't'.repeat(70_000));
      await symlink('tool', path.join(dir, 'folder', 'link'));
      execFileSync('tar', ['czf', 'a.tgz', 'folder'], { cwd: dir });
      const { readFile } = await import('node:fs/promises');
      const archive = await readFile(path.join(dir, 'a.tgz'));
      assert.equal(Buffer.from(extractFile(archive, 'tar.gz', 'tool')).toString(), 't'.repeat(70_000));
      assert.throws(() => extractFile(archive, 'tar.gz', 'none'), /no file none/);
      assert.throws(() => extractFile(archive.subarray(0, 100), 'tar.gz', 'tool'), /damaged/);
      assert.throws(() => extractFile(archive, 'zip', 'tool'), /damaged/);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('are read in the zip format, packed and stored', () => {
    // `printf stored > d/a; printf packedpackedpacked > d/b`, zipped by another program.
    const zip = Buffer.from(ZIP, 'base64');
    assert.equal(Buffer.from(extractFile(zip, 'zip', 'a')).toString(), 'stored');
    assert.equal(Buffer.from(extractFile(zip, 'zip', 'b')).toString(), 'packed'.repeat(30));
    assert.throws(() => extractFile(zip, 'zip', 'c'), /no file c/);
  });
});

const ZIP =
  'UEsDBBQAAAAAAAAAIQAL+UNWBgAAAAYAAAADAAAAZC9hc3RvcmVkUEsDBBQAAAAIAAAAIQDddroaCwAAALQAAAADAAAAZC9i' +
  'K0hMzk5NKRhSJABQSwECFAMUAAAAAAAAACEAC/lDVgYAAAAGAAAAAwAAAAAAAAAAAAAAgAEAAAAAZC9hUEsBAhQDFAAAAAgA' +
  'AAAhAN12uhoLAAAAtAAAAAMAAAAAAAAAAAAAAIABJwAAAGQvYlBLBQYAAAAAAgACAGIAAABTAAAAAAA=';
