/** A home of its own for one test, with the real supervisor over test roles; leaves nothing behind. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRunning, type ProcessRecord } from '../../actors/supervisor/process-identity.ts';
import { ProcessManager } from '../../actors/supervisor/process-manager.ts';
import { readState } from '../../actors/supervisor/system-state.ts';
import { testServers } from './servers.ts';

export interface Fixture {
  home: string;
  manager: ProcessManager;
  /** Another user of the same home, with more environment. */
  other(env?: Record<string, string>): ProcessManager;
  /** Every process the record knows. */
  processes(): ProcessRecord[];
  /** Lines that the test roles wrote. */
  lines(file: string): string[];
  end(): Promise<void>;
}

let bundle: Promise<string> | undefined;

/** The supervisor in one file: dozens are started here, and each would spend half a second on its sources. */
function bundled(): Promise<string> {
  bundle ??= (async () => {
    const { build } = await import('esbuild');
    const folder = fileURLToPath(new URL('../../node_modules/.cache/reprise-test/', import.meta.url));
    const outfile = path.join(folder, `supervisor-${process.pid}.mjs`);
    const role = fileURLToPath(new URL('./fake-role.mjs', import.meta.url));
    await build({
      entryPoints: [fileURLToPath(new URL('./fake-supervisor.ts', import.meta.url))],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      define: { TEST_ROLE: JSON.stringify(role) },
      logLevel: 'warning',
    });
    process.on('exit', () => rmSync(outfile, { force: true }));
    return outfile;
  })();
  return bundle;
}

export async function makeFixture(extra: Record<string, string> = {}): Promise<Fixture> {
  const [server] = await testServers();
  const home = await mkdtemp(path.join(tmpdir(), 'reprise home "'));
  const env = {
    ...process.env,
    PATH: `${path.dirname(server!.binary)}${path.delimiter}${process.env.PATH}`,
    REPRISE_HOME: home,
    REPRISE_NATS_URL: undefined,
    ...extra,
  };
  const command = { file: process.execPath, args: [await bundled()] };
  const other = (more: Record<string, string> = {}) =>
    new ProcessManager({ env: { ...env, ...more }, command });
  const manager = other();
  const seen = new Map<number, ProcessRecord>();
  const processes = () => {
    const state = readState(manager.home);
    const all = state ? [state.supervisor, ...state.children, state.nats.process] : [];
    const known = all.filter((record) => record !== null).map(({ pid, start }) => ({ pid, start }));
    for (const record of known) seen.set(record.pid, record);
    return known;
  };
  return {
    home,
    manager,
    other,
    processes,
    lines: (file) => {
      const name = path.join(home, file);
      return existsSync(name) ? readFileSync(name, 'utf8').trim().split('\n') : [];
    },
    async end() {
      processes();
      await manager.down();
      const left = [...seen.values()].filter(isRunning);
      await rm(home, { recursive: true, force: true });
      assert.deepEqual(left, [], 'processes are left behind');
    },
  };
}

/** Resolves once the condition holds. @throws after `timeoutMs`, saying what did not happen */
export async function eventually(what: string, condition: () => unknown, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
