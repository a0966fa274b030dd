/** Checks of this machine and of the running system: what is there, what is wrong, what to do. */
import { statfs } from 'node:fs/promises';
import { RepriseError } from '../../bus/errors.ts';
import { readCredentials } from './credentials.ts';
import { tryExternalServer } from './external-server.ts';
import { cacheFolder, ensureHome, type Home } from './home.ts';
import { type Attempt, provideNatsServer } from './nats-server/provide.ts';
import { isAtLeast, VERSION_FSYNC, VERSION_GOOD } from './nats-server/version.ts';
import { isRunning } from './process-identity.ts';
import { usersOf } from './roles.ts';
import { type SystemStatus, systemStatus } from './status.ts';
import { readState, serverConflict } from './system-state.ts';

export interface Check {
  name: string;
  ok: boolean;
  detail: string;
  /** What to do about it; '' when there is nothing to do. */
  hint: string;
}

export interface DoctorOptions {
  home: Home;
  env: NodeJS.ProcessEnv;
  /** `process.versions.node` */
  nodeVersion: string;
  status: SystemStatus;
  /** Free disk below which a warning is due, bytes. */
  diskMin?: number;
}

const NODE_MIN = '20.19.0';
const DISK_MIN = 1024 ** 3;

/** All checks, in the order in which they matter. Never fails, changes nothing but creates the home's folders. */
export async function runDoctor(options: DoctorOptions): Promise<Check[]> {
  const server = await checkServer(options);
  return [
    checkNode(options.nodeVersion),
    server.check,
    ...server.passedOver,
    checkFeatures(server.version),
    ...(await checkHome(options)),
    ...checkSystem(options),
    checkRecord(options.home),
    checkDurability(options),
    checkWriteProtection(options),
  ];
}

function checkNode(version: string): Check {
  const ok = isAtLeast(version, NODE_MIN);
  return { name: 'node', ok, detail: version, hint: ok ? '' : `install Node ${NODE_MIN} or newer` };
}

interface ServerFindings {
  check: Check;
  /** Servers that were found and cannot be used. */
  passedOver: Check[];
  /** '' when none was found. */
  version: string;
}

async function checkServer({ home, env, status }: DoctorOptions): Promise<ServerFindings> {
  const name = 'nats-server';
  if (env.REPRISE_NATS_URL) {
    try {
      const version = await tryExternalServer(env);
      const detail = `${version} with JetStream at ${env.REPRISE_NATS_URL} (REPRISE_NATS_URL)`;
      return { check: { name, ok: true, detail, hint: '' }, passedOver: [], version };
    } catch (error) {
      const { message: detail, hint = '' } = RepriseError.from(error);
      return { check: { name, ok: false, detail, hint }, passedOver: [], version: '' };
    }
  }
  try {
    const found = await provideNatsServer({ env, cacheDir: cacheFolder(env, home), download: false });
    const { binary, version, source } = found;
    const running = status.nats?.pid && status.nats.version ? status.nats.version : version;
    const other = running === version ? '' : `; the running one is ${running}`;
    return {
      check: { name, ok: true, detail: `${version} at ${binary} (${PLACES[source]})${other}`, hint: '' },
      passedOver: passedOver(found.tried),
      version: running,
    };
  } catch (error) {
    const { message, hint = '' } = RepriseError.from(error);
    const detail = `none yet; \`reprise up\` downloads one. ${message}`;
    return { check: { name, ok: false, detail, hint: `or ${hint}` }, passedOver: [], version: '' };
  }
}

const PLACES = { path: 'on PATH', cache: 'in our cache', release: 'official release', apt: 'package' };

function passedOver(tried: Attempt[]): Check[] {
  const problems = tried.filter(({ result }) => result !== 'not found').map(({ result }) => result);
  if (problems.length === 0) return [];
  const hint = 'nothing needs them; mend or remove them to be rid of this line';
  return [{ name: 'passed over', ok: false, detail: problems.join('\n'), hint }];
}

function checkFeatures(version: string): Check {
  const name = 'server features';
  if (version === '') return { name, ok: false, detail: 'unknown: no server', hint: '' };
  const has = (feature: string, since: string) =>
    `${feature}: ${isAtLeast(version, since) ? 'yes' : `no (>= ${since})`}`;
  const detail = [
    has('fsync before acknowledging', VERSION_FSYNC),
    has('absent storage is noticed at once', VERSION_FSYNC),
    has('frozen processes are dropped', VERSION_GOOD),
  ].join(', ');
  const ok = isAtLeast(version, VERSION_GOOD);
  return { name, ok, detail, hint: ok ? '' : `nats-server ${VERSION_GOOD} or newer recovers faster` };
}

async function checkHome({ home, diskMin = DISK_MIN }: DoctorOptions): Promise<Check[]> {
  try {
    ensureHome(home);
  } catch (error) {
    const { message, hint = '' } = RepriseError.from(error);
    return [{ name: 'home', ok: false, detail: message, hint }];
  }
  try {
    readCredentials(home);
  } catch (error) {
    const { message, hint = '' } = RepriseError.from(error);
    return [{ name: 'home', ok: false, detail: message, hint }];
  }
  const { bavail, bsize } = await statfs(home.root);
  const free = bavail * bsize;
  const ok = free >= diskMin;
  return [
    { name: 'home', ok: true, detail: `${home.root} is writable`, hint: '' },
    {
      name: 'disk',
      ok,
      detail: `${(free / 1024 ** 3).toFixed(1)} GiB free`,
      hint: ok ? '' : 'free some space: a full disk stops every command',
    },
  ];
}

function checkSystem({ status, home, env }: DoctorOptions): Check[] {
  const name = 'system';
  const state = readState(home);
  const conflict =
    state && isRunning(state.supervisor) && serverConflict(state, env.REPRISE_NATS_URL || null);
  if (conflict) return [{ name, ok: false, detail: conflict.message, hint: conflict.hint ?? '' }];
  if (status.phase === 'stopped' && status.storage.length === 0) {
    return [{ name, ok: true, detail: 'not running', hint: 'start it with `reprise up`' }];
  }
  const missing = (['storage', 'llm', 'workers'] as const).filter((role) => status[role].length === 0);
  const parts = [
    `supervisor ${status.supervisor ? `process ${status.supervisor.pid}` : 'not running'}`,
    `${status.storage.length} storage, ${status.llm.length} llm, ${status.workers.length} workers`,
    ...(status.problem ? [status.problem] : []),
  ];
  const ok = missing.length === 0 && !status.problem && status.phase !== 'unwatched';
  return [
    { name, ok, detail: parts.join('; '), hint: ok ? '' : 'run `reprise up`: it starts what is missing' },
  ];
}

function checkRecord(home: Home): Check {
  const name = 'record';
  const state = readState(home);
  if (!state) return { name, ok: true, detail: 'no record of running processes', hint: '' };
  const records = [
    { slot: 'supervisor', ...state.supervisor },
    ...(state.nats.process ? [{ slot: 'nats-server', ...state.nats.process }] : []),
    ...state.children,
  ];
  const dead = records.filter((record) => !isRunning(record));
  if (dead.length === 0)
    return { name, ok: true, detail: `${records.length} processes, all running`, hint: '' };
  const names = dead.map(({ slot, pid }) => `${slot} (${pid})`).join(', ');
  return {
    name,
    ok: false,
    detail: `recorded but gone: ${names}`,
    hint: 'run `reprise up` or `reprise down`',
  };
}

function checkDurability({ env, status }: DoctorOptions): Check {
  const mode = status.durability ?? env.REPRISE_DURABILITY ?? 'process';
  const meaning =
    mode === 'power'
      ? 'an acknowledged command survives a loss of power'
      : 'an acknowledged command survives the death of any process; a loss of power can cost the last seconds';
  return { name: 'durability', ok: true, detail: `${mode}: ${meaning}`, hint: '' };
}

/** On a foreign server all may share one user, and then whoever may use the system may forge its log. */
function checkWriteProtection({ env }: DoctorOptions): Check {
  const name = 'write protection';
  if (!env.REPRISE_NATS_URL) {
    return {
      name,
      ok: true,
      detail: 'only the storage actor can write the log, and only workers can ask it to',
      hint: '',
    };
  }
  const { client, ...users } = usersOf(env);
  const shared = Object.entries(users).filter(([, { user }]) => user === client.user);
  if (shared.length === 0) {
    return { name, ok: true, detail: 'every role has a user of its own', hint: '' };
  }
  const roles = shared.map(([role]) => role);
  const variables = roles.map((role) => `REPRISE_${role.toUpperCase()}_USER`).join(', ');
  return {
    name,
    ok: false,
    detail: `clients share a user with ${roles.join(', ')}: any client can do what these do, and forge sessions`,
    hint: `give each a user of its own (${variables}, and _PASSWORD): docs/security.md has the permissions`,
  };
}

/** The checks for a home, with the status as it is now. */
export async function diagnose(options: {
  home: Home;
  env: NodeJS.ProcessEnv;
  status?: SystemStatus;
}): Promise<Check[]> {
  const status = options.status ?? (await systemStatus(readState(options.home), null));
  return runDoctor({ ...options, status, nodeVersion: process.versions.node });
}
