/** Finds a nats-server that works, or gets one: PATH, cache, official release, the distribution's package. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RepriseError } from '../../../bus/errors.ts';
import { lockWithin } from '../lock.ts';
import { fetchPackage, planApt } from './apt.ts';
import { type Exec, execProgram } from './exec.ts';
import { downloadRelease, releaseAsset } from './release.ts';
import { isAtLeast, parseVersion, VERSION_MIN } from './version.ts';

export type NatsSource = 'path' | 'cache' | 'release' | 'apt';

export interface ProvidedServer {
  binary: string;
  version: string;
  source: NatsSource;
  /** What was looked at before, and what came of it. */
  tried: Attempt[];
}

export interface Attempt {
  source: NatsSource;
  result: string;
}

export interface ProvideOptions {
  env: Record<string, string | undefined>;
  /** Folder for downloaded servers. */
  cacheDir: string;
  fetch?: typeof globalThis.fetch;
  exec?: Exec;
  /** Hears what takes longer: downloads. */
  log?: (line: string) => void;
  platform?: string;
  arch?: string;
  /** False: look only, download nothing (`doctor`). */
  download?: boolean;
}

/** A server says its version in 20 ms; one that hangs must not hold up everything for long. */
const VERSION_MS = 5_000;

const INSTALL = [
  'Debian, Ubuntu:  sudo apt-get install nats-server',
  'macOS:           brew install nats-server',
  'Windows:         scoop install nats-server  (or: winget install NATSAuthors.NATSServer, choco install nats-server)',
  'with Go:         go install github.com/nats-io/nats-server/v2@latest',
  'with Docker:     docker run -p 4222:4222 nats -js, then set REPRISE_NATS_URL=nats://127.0.0.1:4222',
];

/**
 * A nats-server >= 2.9 that runs on this machine.
 * @throws RepriseError UNAVAILABLE that lists what was tried, why it failed, and how to install one.
 */
export async function provideNatsServer(options: ProvideOptions): Promise<ProvidedServer> {
  const tools = { exec: execProgram, fetch: globalThis.fetch, log: () => {}, ...withoutUndefined(options) };
  const platform = options.platform ?? process.platform;
  const arch = options.arch ?? process.arch;
  const program = platform === 'win32' ? 'nats-server.exe' : 'nats-server';
  const cache = path.join(options.cacheDir, 'nats-server');
  const tried: Attempt[] = [];
  const attempt = async (
    source: NatsSource,
    find: () => Promise<Found | null>,
  ): Promise<ProvidedServer | null> => {
    try {
      const found = await find();
      if (found) return { ...found, source, tried };
      if (!tried.some((other) => other.source === source)) tried.push({ source, result: 'not found' });
    } catch (error) {
      tried.push({ source, result: RepriseError.from(error).message });
    }
    return null;
  };
  const note = (source: NatsSource) => (result: string) => void tried.push({ source, result });

  const present =
    (await attempt('path', () => onPath(options.env, program, platform, tools.exec, note('path')))) ??
    (await attempt('cache', () => inCache(cache, program, tools.exec, note('cache'))));
  if (present) return present;
  if (options.download === false) throw unavailable(tried);

  // One process downloads; others wait for it and find its result in the cache.
  const lock = await lockWithin(options.cacheDir, 'download', 180_000);
  try {
    const meanwhile = await inCache(cache, program, tools.exec, () => {});
    if (meanwhile) return { ...meanwhile, source: 'cache', tried };
    const fetched =
      (await attempt('release', async () => {
        const asset = releaseAsset(platform, arch);
        if (!asset) throw new RepriseError('UNAVAILABLE', `there is none for ${platform} on ${arch}`);
        tools.log('downloading nats-server (official release)');
        const bytes = await downloadRelease(asset, tools.fetch);
        return install(cache, program, tools.exec, (file) => writeFile(file, bytes));
      })) ?? (await fromApt(cache, program, tools, attempt));
    if (fetched) return fetched;
  } finally {
    lock.release();
  }
  throw unavailable(tried);
}

interface Found {
  binary: string;
  version: string;
}

async function onPath(
  env: ProvideOptions['env'],
  program: string,
  platform: string,
  exec: Exec,
  note: (problem: string) => void,
): Promise<Found | null> {
  const search = (env.PATH ?? env.Path ?? '').split(platform === 'win32' ? ';' : ':');
  for (const folder of new Set(search.filter((name) => path.isAbsolute(name)))) {
    const file = path.join(folder, program);
    if (!(await may(file, constants.F_OK))) continue;
    try {
      if (await may(file, constants.X_OK)) return { binary: file, version: await versionOf(file, exec) };
      note(`${file} is not executable`);
    } catch (error) {
      note(RepriseError.from(error).message);
    }
  }
  return null;
}

/** The newest server in the cache that runs. */
async function inCache(
  cache: string,
  program: string,
  exec: Exec,
  note: (problem: string) => void,
): Promise<Found | null> {
  const versions = (await readdir(cache).catch(() => []))
    .filter((name) => parseVersion(name)?.text === name)
    .sort((a, b) => (isAtLeast(a, b) ? -1 : 1));
  for (const name of versions) {
    const binary = path.join(cache, name, program);
    try {
      return { binary, version: await versionOf(binary, exec) };
    } catch (error) {
      note(RepriseError.from(error).message);
    }
  }
  return null;
}

/** Tries one release of the distribution after the other. */
async function fromApt(
  cache: string,
  program: string,
  { exec, log }: { exec: Exec; log: (line: string) => void },
  attempt: (source: NatsSource, find: () => Promise<Found | null>) => Promise<ProvidedServer | null>,
): Promise<ProvidedServer | null> {
  let suites: (() => Promise<Found>)[] = [];
  try {
    const plan = await planApt();
    for (const tool of ['apt-get', 'dpkg-deb']) {
      const { code, stderr } = await exec(tool, ['--version'], { timeoutMs: VERSION_MS });
      if (code === -1) throw new RepriseError('UNAVAILABLE', `${tool} cannot be run: ${stderr}`);
    }
    suites = plan.suites.map((suite) => async () => {
      log(`downloading nats-server (package of ${suite})`);
      // Not in the cache: apt's configuration cannot name every path (quotes, say).
      const dir = await mkdtemp(path.join(tmpdir(), 'reprise-apt-'));
      try {
        const file = await fetchPackage(plan, suite, dir, exec);
        return await install(cache, program, exec, (target) => copyFile(file, target));
      } catch (error) {
        throw new RepriseError('UNAVAILABLE', `${suite}: ${RepriseError.from(error).message}`, {
          cause: error,
        });
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    });
  } catch (error) {
    suites = [() => Promise.reject(error)];
  }
  for (const find of suites) {
    const found = await attempt('apt', find);
    if (found) return found;
  }
  return null;
}

/** Puts a server into the cache under its version: complete and checked, or not at all. */
async function install(
  cache: string,
  program: string,
  exec: Exec,
  write: (file: string) => Promise<void>,
): Promise<Found> {
  const draft = path.join(cache, `.new-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    const file = path.join(draft, program);
    await write(file);
    await chmod(file, 0o755);
    const version = await versionOf(file, exec);
    const target = path.join(cache, version);
    await rm(target, { recursive: true, force: true });
    await rename(draft, target);
    return { binary: path.join(target, program), version };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function versionOf(binary: string, exec: Exec): Promise<string> {
  const { code, stdout, stderr } = await exec(binary, ['--version'], { timeoutMs: VERSION_MS });
  const version = parseVersion(stdout)?.text;
  if (code !== 0 || !version) {
    const said = (stderr || stdout).trim().split('\n')[0] || `exit code ${code}`;
    throw new RepriseError('UNAVAILABLE', `${binary} does not run: ${said}`);
  }
  if (!isAtLeast(version, VERSION_MIN)) {
    throw new RepriseError('UNAVAILABLE', `${binary} is version ${version}, older than ${VERSION_MIN}`);
  }
  return version;
}

async function may(file: string, mode: number): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}

function unavailable(tried: Attempt[]): RepriseError {
  const lines = tried.map(({ source, result }) => `  ${source}: ${result}`).join('\n');
  return new RepriseError('UNAVAILABLE', `there is no nats-server to run. Tried:\n${lines}`, {
    hint: `install one:\n${INSTALL.map((line) => `  ${line}`).join('\n')}`,
  });
}

function withoutUndefined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
