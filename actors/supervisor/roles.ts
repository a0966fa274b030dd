/** How the role processes are started, and what each may know. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { RepriseError } from '../../bus/errors.ts';
import { isBuildFresh } from '../role/freshness.mjs';
import type { User } from './nats-server/config.ts';
import type { Role } from './system-state.ts';

export type Program = Role | 'supervisor';

const SOURCES: Record<Program, string> = {
  storage: 'storage/main.ts',
  worker: 'actors/worker/main.ts',
  llm: 'actors/llm/main.ts',
  supervisor: 'actors/supervisor/main.ts',
};

/** Folder of the package, found from this file or from the bundle it went into. */
export function packageRoot(from: string = fileURLToPath(import.meta.url)): string {
  for (let folder = path.dirname(from); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder;
    if (folder === path.dirname(folder)) {
      throw new RepriseError('INTERNAL', `no package.json above ${from}`);
    }
  }
}

/**
 * Command line of a role process: the bundle when it is there and no source is newer, else the source through
 * tsx.
 */
export function roleCommand(
  program: Program,
  root: string = packageRoot(),
): { file: string; args: string[] } {
  const bundle = path.join(root, 'dist', `${program}.js`);
  const source = path.join(root, SOURCES[program]);
  if (existsSync(bundle) && (!existsSync(source) || isBuildFresh(root, bundle))) {
    return { file: process.execPath, args: [bundle] };
  }
  const loader = pathToFileURL(path.join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs'));
  const tsx = existsSync(loader) ? loader.href : import.meta.resolve('tsx');
  return { file: process.execPath, args: ['--import', tsx, source] };
}

type Env = Record<string, string | undefined>;

/** What every process needs to run at all; everything else stays with the supervisor. */
const PLAIN =
  /^(PATH|Path|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|TMP|TEMP|NODE_\w+|C8_\w+|SSL_CERT_\w+|XDG_\w+|REPRISE_\w+|SystemRoot|SYSTEMROOT|windir|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|USERPROFILE|NO_COLOR|FORCE_COLOR)$/;
const SECRET = /(KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL)/i;

/** The part of an environment that holds no secret: what processes other than the LLM actor get. */
export function withoutSecrets(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([name]) => PLAIN.test(name) && !SECRET.test(name)));
}

export interface Connections {
  url: string;
  users: Record<Program | 'client', Partial<User>>;
  /** Server of the storage actor where it is another one. */
  storageUrl?: string;
}

/** Who is who on a server that the user configured: roles without a user of their own share the one of all. */
export function usersOf(env: Env): Connections['users'] {
  const shared = { user: env.REPRISE_NATS_USER, password: env.REPRISE_NATS_PASSWORD };
  const own = (role: Program) => ({
    user: env[`REPRISE_${role.toUpperCase()}_USER`] ?? shared.user,
    password: env[`REPRISE_${role.toUpperCase()}_PASSWORD`] ?? shared.password,
  });
  return {
    client: shared,
    worker: own('worker'),
    llm: own('llm'),
    storage: own('storage'),
    supervisor: own('supervisor'),
  };
}

const OF_ONE_ROLE = /^REPRISE_(WORKER|LLM|STORAGE|SUPERVISOR)_(USER|PASSWORD|NATS_URL)$/;

/** Environment of a role process. Provider keys go to the LLM actor alone, each user to its role alone. */
export function roleEnvironment(
  role: Role,
  env: Env,
  facts: { connections: Connections; home: string; prefix: string; id: string; durability: string },
): Env {
  const { url, users, storageUrl } = facts.connections;
  const base = role === 'llm' ? { ...env } : withoutSecrets(env);
  for (const name of Object.keys(base)) if (OF_ONE_ROLE.test(name)) delete base[name];
  const own: Env = {
    REPRISE_NATS_URL: role === 'storage' ? (storageUrl ?? url) : url,
    REPRISE_NATS_USER: users[role].user,
    REPRISE_NATS_PASSWORD: users[role].password,
    REPRISE_PREFIX: facts.prefix,
    REPRISE_HOME: facts.home,
    REPRISE_LOG_LEVEL: env.REPRISE_LOG_LEVEL ?? 'info',
    REPRISE_PROCESS_ID: facts.id,
  };
  if (role === 'worker') own.REPRISE_WORKER_ID = facts.id;
  if (role === 'storage') {
    own.REPRISE_DURABILITY = facts.durability;
  }
  return Object.fromEntries(Object.entries({ ...base, ...own }).filter(([, value]) => value !== undefined));
}
