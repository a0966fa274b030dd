/** Names and random passwords of the local server's users: made once, readable by their owner alone. */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RepriseError } from '../../bus/errors.ts';
import type { Home } from './home.ts';
import type { Credentials } from './nats-server/config.ts';

const FILE = 'credentials.json';

/**
 * The credentials of this home; made at the first call. Two processes at once get the same ones.
 * @throws RepriseError UNAVAILABLE when they can be neither read nor written.
 */
export function provideCredentials(home: Home): Credentials {
  const existing = readCredentials(home);
  if (existing) return existing;
  const make = (user: string) => ({ user, password: randomBytes(24).toString('base64url') });
  const made: Credentials = { app: make('app'), storage: make('storage'), system: make('system') };
  const file = path.join(home.root, FILE);
  const draft = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    writeFileSync(draft, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
    linkSync(draft, file);
    return made;
  } catch (cause) {
    const theirs = readCredentials(home);
    if (theirs) return theirs;
    throw new RepriseError('UNAVAILABLE', `cannot write ${file}: ${(cause as Error).message}`, {
      cause,
      hint: 'set REPRISE_HOME to a folder that you may write',
    });
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The credentials of this home, or null when none were made yet. @throws RepriseError CORRUPT */
export function readCredentials(home: Home): Credentials | null {
  const file = path.join(home.root, FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new RepriseError('UNAVAILABLE', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  try {
    const found = JSON.parse(text) as Credentials;
    if (![found.app, found.storage, found.system].every((one) => one?.user && one.password)) {
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
