/** Examines the machine for `reprise doctor`. Looks only: downloads, starts and writes nothing. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder, type Home } from '../actors/supervisor/home.ts';
import { provideNatsServer } from '../actors/supervisor/nats-server/provide.ts';
import { isAtLeast, VERSION_GOOD, VERSION_MIN } from '../actors/supervisor/nats-server/version.ts';
import type { ProcessManager } from '../actors/supervisor/process-manager.ts';
import type { SystemStatus } from '../actors/supervisor/status.ts';
import { RepriseError } from '../bus/errors.ts';
import type { Palette } from './render/palette.ts';
import { count } from './render/text.ts';

const NODE_MIN = '20.19.0';

export interface Check {
  name: string;
  state: 'good' | 'note' | 'wrong';
  found: string;
  /** What to do about it. */
  hint?: string;
}

type Env = Record<string, string | undefined>;

/** All checks, in the order in which one problem explains the next. */
export async function examine(env: Env, system: ProcessManager, version: string): Promise<Check[]> {
  const status = await system.status();
  return [
    { name: 'reprise', state: 'good', found: version },
    nodeCheck(process.versions.node),
    await folderCheck(system.home),
    await serverCheck(env, system.home),
    ...systemChecks(status, env),
  ];
}

function nodeCheck(version: string): Check {
  if (isAtLeast(version, NODE_MIN)) return { name: 'node', state: 'good', found: version };
  return { name: 'node', state: 'wrong', found: version, hint: `install Node ${NODE_MIN} or newer` };
}

/** The data folder, or (when it does not exist yet) the nearest folder above it. */
async function folderCheck({ root }: Home): Promise<Check> {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const problem = await writeProblem(folder);
    const found = folder === root ? root : `${root} (not there yet)`;
    if (problem === null) return { name: 'data', state: 'good', found };
    if (problem !== 'ENOENT' || folder === path.dirname(folder)) {
      const hint = 'set REPRISE_HOME to a folder that you may write';
      return { name: 'data', state: 'wrong', found: `${folder} cannot be written (${problem})`, hint };
    }
  }
}

/** Code of the error that keeps us from writing in a folder, or null. */
async function writeProblem(folder: string): Promise<string | null> {
  try {
    await access(folder, constants.W_OK);
    return (await stat(folder)).isDirectory() ? null : 'ENOTDIR';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}

async function serverCheck(env: Env, home: Home): Promise<Check> {
  if (env.REPRISE_NATS_URL) {
    return { name: 'nats-server', state: 'good', found: `${env.REPRISE_NATS_URL} (REPRISE_NATS_URL)` };
  }
  try {
    const { binary, version, source } = await provideNatsServer({
      env,
      cacheDir: cacheFolder(env, home),
      download: false,
    });
    const found = `${version} at ${binary} (${source})`;
    if (isAtLeast(version, VERSION_GOOD)) return { name: 'nats-server', state: 'good', found };
    const hint = `works, but ${VERSION_GOOD} or newer notices frozen workers sooner and can fsync`;
    return { name: 'nats-server', state: 'note', found, hint };
  } catch (thrown) {
    const error = RepriseError.from(thrown);
    const hint = `\`reprise up\` downloads one; or ${error.hint ?? 'install one'}`;
    return { name: 'nats-server', state: 'note', found: 'none on this machine yet', hint };
  }
}

function systemChecks(status: SystemStatus, env: Env): Check[] {
  const { phase, nats, storage, llm, workers, problem } = status;
  if (phase === 'stopped' && !env.REPRISE_NATS_URL) {
    return [{ name: 'system', state: 'note', found: 'not running', hint: 'start it with `reprise up`' }];
  }
  const checks: Check[] = [
    phase === 'unwatched'
      ? {
          name: 'system',
          state: 'wrong',
          found: 'runs without a supervisor',
          hint: '`reprise up` takes it over',
        }
      : { name: 'system', state: phase === 'ready' ? 'good' : 'note', found: phase },
  ];
  if (problem !== undefined) {
    const hint = 'see the files in the logs folder of the data folder, or `reprise down && reprise up`';
    checks.push({ name: 'bus', state: 'wrong', found: problem, hint });
  } else if (nats !== null) {
    const old = nats.version !== '' && !isAtLeast(nats.version, VERSION_MIN);
    const found = `${nats.url}, version ${nats.version || 'unknown'}`;
    checks.push({
      name: 'bus',
      state: old ? 'wrong' : 'good',
      found,
      ...(old && { hint: `use ${VERSION_MIN} or newer` }),
    });
  }
  const roles: [string, number][] = [
    ['storage', storage.length],
    ['llm', llm.length],
    ['worker', workers.length],
  ];
  for (const [name, number] of roles) {
    checks.push(
      number > 0
        ? { name, state: 'good', found: number === 1 ? '1 process' : `${number} processes` }
        : { name, state: 'wrong', found: 'none runs', hint: '`reprise up` starts what is missing' },
    );
  }
  return checks;
}

/** Lines for a person. */
export function renderChecks(checks: Check[], palette: Palette): string {
  const marks = { good: palette.green('✓'), note: palette.yellow('•'), wrong: palette.red('✗') };
  const width = Math.max(...checks.map(({ name }) => name.length)) + 2;
  const lines = checks.map(({ name, state, found, hint }) => {
    const line = `${marks[state]} ${name.padEnd(width)}${found}\n`;
    return hint === undefined ? line : `${line}${palette.dim(hint.replace(/^/gm, ' '.repeat(width + 2)))}\n`;
  });
  const wrong = checks.filter(({ state }) => state === 'wrong').length;
  const verdict = wrong === 0 ? 'Nothing is wrong.' : `${count(wrong, 'problem')}.`;
  return `${lines.join('')}${verdict}\n`;
}
