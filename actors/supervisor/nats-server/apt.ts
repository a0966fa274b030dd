/**
 * The Debian or Ubuntu package of nats-server, fetched by apt itself from the system's own mirror, without root
 * and without touching the system: apt gets private directories, a private sources list and no hooks. apt checks
 * the signed release index and the package's hash as it always does.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RepriseError } from '../../../bus/errors.ts';
import { findMirror, type Mirror, osRelease } from './apt-sources.ts';
import type { Exec } from './exec.ts';

/** Newer releases first: what they hold repairs known faults of 2.9, and runs on older systems too. */
const DISTRIBUTIONS: Record<string, { suites: string[]; components: string; keyring: string }> = {
  debian: {
    suites: ['trixie', 'forky', 'sid'],
    components: 'main',
    keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
  },
  ubuntu: {
    suites: ['devel'],
    components: 'universe',
    keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  },
};

export interface AptPlan {
  mirror: Mirror;
  keyring: string;
  components: string;
  /** Releases to try, best first; the system's own one is the last. */
  suites: string[];
}

/**
 * What to ask apt for on this system.
 * @throws RepriseError UNAVAILABLE when this is no Debian or Ubuntu, or its sources name no mirror.
 */
export async function planApt(root = '/'): Promise<AptPlan> {
  const at = (file: string) => path.join(root, file);
  const release = await readFile(at('etc/os-release'), 'utf8').catch(() => '');
  const ids = [osRelease(release, 'ID'), ...osRelease(release, 'ID_LIKE').split(' ')];
  const id = ids.find((name) => name in DISTRIBUTIONS);
  if (!id) throw new RepriseError('UNAVAILABLE', 'this system is neither Debian nor Ubuntu');
  const { suites, components, keyring } = DISTRIBUTIONS[id]!;
  const codename = osRelease(release, 'VERSION_CODENAME');
  const mirror = findMirror(await readSources(at('etc/apt')), codename);
  if (!mirror) throw new RepriseError('UNAVAILABLE', `apt's sources name no mirror of ${id} ${codename}`);
  const key = existsSync(keyring) ? keyring : mirror.signedBy;
  if (!key) throw new RepriseError('UNAVAILABLE', `${keyring} is missing: the index could not be verified`);
  return { mirror, keyring: key, components, suites: [...new Set([...suites, codename])] };
}

async function readSources(etc: string): Promise<string[]> {
  const parts = await readdir(path.join(etc, 'sources.list.d')).catch(() => []);
  const files = ['sources.list', ...parts.filter((name) => /\.(list|sources)$/.test(name)).sort()];
  return Promise.all(
    files.map((name, index) =>
      readFile(path.join(etc, index === 0 ? name : `sources.list.d/${name}`), 'utf8').catch(() => ''),
    ),
  );
}

/**
 * Downloads the package of one release into `dir` and unpacks it. Returns the path of the program.
 * @throws RepriseError UNAVAILABLE with what apt said.
 */
export async function fetchPackage(plan: AptPlan, suite: string, dir: string, exec: Exec): Promise<string> {
  await Promise.all(
    ['lists/partial', 'cache/archives/partial', 'deb'].map((name) =>
      mkdir(path.join(dir, name), { recursive: true }),
    ),
  );
  const config = path.join(dir, 'apt.conf');
  await writeFile(config, aptConfig(dir));
  const source = `deb [signed-by=${plan.keyring}] ${plan.mirror.uri} ${suite} ${plan.components}\n`;
  await writeFile(path.join(dir, 'sources.list'), source);
  const run = async (file: string, args: string[], timeoutMs: number) => {
    const { code, stderr, stdout } = await exec(file, args, { cwd: path.join(dir, 'deb'), timeoutMs });
    if (code !== 0) {
      const said = stderr.trim() || stdout.trim() || `exit code ${code}`;
      throw new RepriseError(
        'UNAVAILABLE',
        `${file} ${args.at(-1)}: ${said.split('\n').slice(0, 3).join(' ')}`,
      );
    }
  };
  await run('apt-get', ['-c', config, '-qq', 'update'], 60_000);
  await run('apt-get', ['-c', config, '-qq', 'download', 'nats-server'], 60_000);
  const deb = (await readdir(path.join(dir, 'deb'))).find((name) => name.endsWith('.deb'));
  if (!deb) throw new RepriseError('UNAVAILABLE', `apt-get downloaded no package from ${suite}`);
  const files = path.join(dir, 'files');
  await run('dpkg-deb', ['-x', path.join(dir, 'deb', deb), files], 30_000);
  const program = ['usr/sbin', 'usr/bin'].map((bin) => path.join(files, bin, 'nats-server')).find(existsSync);
  if (!program) throw new RepriseError('UNAVAILABLE', `${deb} contains no nats-server`);
  return program;
}

/** Read after the system's own configuration, so proxies and credentials of the system keep working. */
function aptConfig(dir: string): string {
  const quoted = (name: string) => JSON.stringify(path.join(dir, name));
  return [
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    `Dir::State ${quoted('.')};`,
    `Dir::State::lists ${quoted('lists')};`,
    'Dir::State::status "/dev/null";',
    `Dir::Cache ${quoted('cache')};`,
    `Dir::Cache::archives ${quoted('cache/archives')};`,
    `Dir::Etc::sourcelist ${quoted('sources.list')};`,
    'Dir::Etc::sourceparts "/dev/null";',
    'Dir::Etc::preferences "/dev/null";',
    'Dir::Etc::preferencesparts "/dev/null";',
    // As root apt would drop to a user that cannot read private folders.
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    ...['DEP-11', 'DEP-11-icons', 'DEP-11-icons-small', 'DEP-11-icons-large', 'CNF', 'Contents-deb'].map(
      (target) => `Acquire::IndexTargets::deb::${target}::DefaultEnabled "false";`,
    ),
    'Acquire::AllowInsecureRepositories "false";',
    'APT::Get::AllowUnauthenticated "false";',
    'Acquire::Retries "1";',
    'Acquire::http::Timeout "5";',
    'Acquire::https::Timeout "5";',
    '',
  ].join('\n');
}
