/** What runs in a home: written by its supervisor at every change, read by everybody else. Light to import. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RepriseError } from '../../bus/errors.ts';
import type { Home } from './home.ts';
import type { Durability } from './nats-server/config.ts';
import { isRunning, type ProcessRecord } from './process-identity.ts';

export type Role = 'storage' | 'llm' | 'worker';

export interface ChildRecord extends ProcessRecord {
  role: Role;
  /** Stays the same when the process is replaced: 'storage', 'llm', 'worker-1'. */
  slot: string;
  /** Id of this very process on the bus. */
  id: string;
  ready: boolean;
}

export interface SystemState {
  version: 1;
  /** ISO time. */
  started: string;
  phase: 'starting' | 'ready' | 'stopping';
  prefix: string;
  durability: Durability;
  /** `port` and `token` of its control socket on 127.0.0.1. */
  supervisor: ProcessRecord & { port: number; token: string };
  nats: {
    /** We run the server; false when the user named one. */
    local: boolean;
    url: string;
    /** '' until it is known. */
    version: string;
    /** Our server's process; null while it is being replaced. */
    process: (ProcessRecord & { port: number; name: string; binary: string }) | null;
  };
  /** Wanted number of workers. */
  workers: number;
  children: ChildRecord[];
}

const file = (home: Home) => path.join(home.run, 'state.json');

/** The recorded state, or null when nothing was started (or the file is unreadable: it is only a record). */
export function readState(home: Home): SystemState | null {
  try {
    const state = JSON.parse(readFileSync(file(home), 'utf8')) as SystemState;
    const whole = typeof state.supervisor?.pid === 'number' && typeof state.nats?.url === 'string';
    return state.version === 1 && Array.isArray(state.children) && whole ? state : null;
  } catch {
    return null;
  }
}

/** Replaces the state at once: readers see the old one or the new one. */
export function writeState(home: Home, state: SystemState): void {
  const draft = `${file(home)}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file(home));
}

export function removeState(home: Home): void {
  rmSync(file(home), { force: true });
}

/** The state of a system that is up and watched; null in every other case. A few file reads, no network. */
export function readySystem(home: Home): SystemState | null {
  const state = readState(home);
  return state?.phase === 'ready' && isRunning(state.supervisor) ? state : null;
}

/** Why a system that runs cannot serve who asks for the server at `url` (null: a local one); null when it can. */
export function serverConflict(state: SystemState, url: string | null): RepriseError | null {
  const own = state.nats.local ? null : state.nats.url;
  if (own === url) return null;
  return new RepriseError(
    'BAD_REQUEST',
    `the system that runs here uses ${own ?? 'a nats-server of its own'}, not ${url ?? 'a local one'}`,
    {
      hint: `stop it first (reprise down), or ${own ? `set REPRISE_NATS_URL=${own}` : 'unset REPRISE_NATS_URL'}, or use another REPRISE_HOME`,
    },
  );
}
