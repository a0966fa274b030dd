/** Where Reprise keeps its things on this machine. */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { RepriseError } from '../../bus/errors.ts';

export interface Home {
  root: string;
  /** State and locks of the running system. */
  run: string;
  logs: string;
  /** Configuration and data of the local nats-server. */
  nats: string;
  /** Programs that were provisioned for this home alone. */
  bin: string;
}

type Env = Record<string, string | undefined>;

/**
 * $REPRISE_HOME, or the platform's data folder, below $HOME or the home that the system knows for this user.
 * @throws RepriseError BAD_REQUEST when no home can be told
 */
export function findHome(
  env: Env,
  platform: string = process.platform,
  userHome: () => string = () => userInfo().homedir,
): Home {
  if (env.REPRISE_HOME) return homeAt(env.REPRISE_HOME);
  return homeAt(
    path.join(dataFolder({ ...env, HOME: env.HOME || orNothing(userHome) }, platform), 'reprise'),
  );
}

function orNothing(find: () => string): string {
  try {
    return find();
  } catch {
    return ''; // a user id without an entry, as containers have
  }
}

export function homeAt(root: string): Home {
  const at = (name: string) => path.join(path.resolve(root), name);
  return { root: path.resolve(root), run: at('run'), logs: at('logs'), nats: at('nats'), bin: at('bin') };
}

function dataFolder(env: Env, platform: string): string {
  if (platform === 'win32' && env.LOCALAPPDATA) return env.LOCALAPPDATA;
  if (platform === 'darwin' && env.HOME) return path.join(env.HOME, 'Library', 'Application Support');
  if (env.XDG_DATA_HOME && path.isAbsolute(env.XDG_DATA_HOME)) return env.XDG_DATA_HOME;
  if (env.HOME) return path.join(env.HOME, '.local', 'share');
  throw new RepriseError('BAD_REQUEST', 'neither REPRISE_HOME nor HOME is set', {
    hint: 'set REPRISE_HOME to the folder that shall hold the data',
  });
}

/** Where provisioned programs go: the user's cache folder, shared by all homes, or else the home itself. */
export function cacheFolder(env: Env, home: Home, platform: string = process.platform): string {
  for (const folder of cacheCandidates(env, platform)) {
    try {
      makeFolder(folder);
      accessSync(folder, constants.W_OK);
      return folder;
    } catch {
      // Not ours to write (a service user without a home, a read-only system): try the next.
    }
  }
  return home.bin;
}

function cacheCandidates(env: Env, platform: string): string[] {
  if (platform === 'win32') return env.LOCALAPPDATA ? [path.join(env.LOCALAPPDATA, 'reprise', 'cache')] : [];
  if (env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME)) {
    return [path.join(env.XDG_CACHE_HOME, 'reprise')];
  }
  if (!env.HOME) return [];
  const folder = platform === 'darwin' ? path.join('Library', 'Caches') : '.cache';
  return [path.join(env.HOME, folder, 'reprise')];
}

/**
 * Creates a folder, with those above it, for its owner alone. (Not `mkdirSync` with `recursive`: below /proc and
 * the like that never returns.)
 * @throws what `mkdirSync` throws
 */
export function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const above = path.dirname(folder);
  if (above !== folder) makeFolder(above);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Somebody else was faster, or the path ends in a dot.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

function obstacle(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EEXIST' || code === 'ENOTDIR') return 'it is a file, or lies below one';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'EROFS') return 'the file system is read-only';
  return message;
}

/**
 * The error for a folder of the home that cannot be used.
 * @returns RepriseError UNAVAILABLE; a retry alone does not help
 */
export function folderUnusable(folder: string, cause: unknown): RepriseError {
  return new RepriseError('UNAVAILABLE', `cannot write in ${folder}: ${obstacle(cause)}`, {
    cause,
    retryable: false,
    hint: 'set REPRISE_HOME to a folder that you may write',
  });
}

/**
 * Creates the home's folders, readable by their owner alone.
 * @throws RepriseError UNAVAILABLE when they cannot be written.
 */
export function ensureHome(home: Home): void {
  for (const folder of [home.root, home.run, home.logs, home.nats]) {
    try {
      makeFolder(folder);
      accessSync(folder, constants.W_OK);
    } catch (cause) {
      throw folderUnusable(folder, cause);
    }
  }
}
