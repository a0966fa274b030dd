/** What the environment says about a worker. Pure: the environment is passed in. */
import { RepriseError } from '../../bus/errors.ts';
import { BACKGROUND_TURNS_MAX } from '../../bus/limits.ts';
import type { ServerConfig } from '../../bus/types.ts';

export interface WorkerSettings extends Pick<ServerConfig, 'maxCachedSessions' | 'saveIntervalMs'> {
  /** Kernel instances (hot sessions) of this worker. */
  instances: number;
  /** Quiet time after which a parked session is passivated, ms. */
  passivateAfterMs: number;
  /** How long running cells may go on after SIGTERM, ms. */
  graceMs: number;
  memoryMib: number;
  /** Turns without a cell that may follow a command. */
  backgroundTurnsMax: number;
  /** Whether an idle worker compiles what its first session will need. */
  warmUp: boolean;
}

type Env = Record<string, string | undefined>;

/** @throws RepriseError BAD_REQUEST naming the variable that is wrong. */
export function parseWorkerSettings(env: Env): WorkerSettings {
  return {
    maxCachedSessions: integer(env, 'REPRISE_MAX_SESSIONS', 2_000),
    saveIntervalMs: integer(env, 'REPRISE_PARK_AFTER_MS', 10_000),
    passivateAfterMs: integer(env, 'REPRISE_PASSIVATE_AFTER_MS', 600_000),
    instances: integer(env, 'REPRISE_KERNEL_INSTANCES', 64),
    graceMs: integer(env, 'REPRISE_WORKER_GRACE_MS', 3_000),
    memoryMib: integer(env, 'REPRISE_MEMORY_MIB', 64),
    backgroundTurnsMax: integer(env, 'REPRISE_BACKGROUND_TURNS', BACKGROUND_TURNS_MAX),
    warmUp: onOff(env, 'REPRISE_WARM_UP', true),
  };
}

function integer(env: Env, name: string, otherwise: number): number {
  const value = env[name];
  if (!value) return otherwise;
  if (/^\d{1,9}$/.test(value) && Number(value) > 0) return Number(value);
  throw new RepriseError('BAD_REQUEST', `${name} is ${JSON.stringify(value)}`, {
    hint: 'expected a whole number from 1 to 999999999',
  });
}

function onOff(env: Env, name: string, otherwise: boolean): boolean {
  const value = env[name];
  if (!value) return otherwise;
  if (value === 'on' || value === 'off') return value === 'on';
  throw new RepriseError('BAD_REQUEST', `${name} is ${JSON.stringify(value)}`, {
    hint: 'expected on or off',
  });
}
