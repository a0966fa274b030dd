/** Names and random passwords of the local server's users: made once, readable by their owner alone. */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RepriseError } from '../../bus/errors.ts';
import { ROLES } from '../../bus/roles.ts';
import type { Home } from './home.ts';
import type { Credentials, User } from './nats-server/config.ts';

const FILE = 'credentials.json';
const NAMES = [...ROLES, 'system'] as const;

/** What the file holds. Older versions had one user, `app`, for all roles but storage. */
type Stored = Partial<Credentials> & { app?: User };

/**
 * The credentials of this home; made at the first call. Two processes at once get the same ones. A file of an older
 * version is completed: only where the server is about to be started, since the one that runs knows the old users.
 * @throws RepriseError UNAVAILABLE when they can be neither read nor written, CORRUPT
 */
export function provideCredentials(home: Home): Credentials {
  const stored = readStored(home);
  const made = { ...stored, ...completed(stored ?? {}) };
  if (stored && NAMES.every((name) => stored[name])) return made;
  const file = path.join(home.root, FILE);
  const draft = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    writeFileSync(draft, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
    if (stored) renameSync(draft, file);
    else linkSync(draft, file);
    return made;
  } catch (cause) {
    const theirs = stored ? null : readCredentials(home);
    if (theirs) return theirs;
    throw new RepriseError('UNAVAILABLE', `cannot write ${file}: ${(cause as Error).message}`, {
      cause,
      hint: 'set REPRISE_HOME to a folder that you may write',
    });
  } finally {
    rmSync(draft, { force: true });
  }
}

function completed(stored: Stored): Credentials {
  const make = (user: string) => ({ user, password: randomBytes(24).toString('base64url') });
  return Object.fromEntries(NAMES.map((name) => [name, stored[name] ?? make(name)])) as Credentials;
}

/**
 * The credentials of this home as its server knows them, or null when none were made yet.
 * @throws RepriseError CORRUPT, UNAVAILABLE
 */
export function readCredentials(home: Home): Credentials | null {
  const stored = readStored(home);
  if (!stored) return null;
  return Object.fromEntries(NAMES.map((name) => [name, stored[name] ?? stored.app])) as Credentials;
}

function readStored(home: Home): Stored | null {
  const file = path.join(home.root, FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new RepriseError('UNAVAILABLE', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  try {
    const found = JSON.parse(text) as Stored;
    const isWhole = (one: User | undefined) => Boolean(one?.user && one.password);
    const isOld = [found.app, found.storage, found.system].every(isWhole);
    if (!isOld && !NAMES.every((name) => isWhole(found[name]))) {
      throw new Error('a user or password is missing');
    }
    return found;
  } catch (cause) {
    throw new RepriseError('CORRUPT', `${file} is damaged: ${(cause as Error).message}`, {
      cause,
      hint: 'stop the system with `reprise down`, delete the file and start again: new ones are made',
    });
  }
}
