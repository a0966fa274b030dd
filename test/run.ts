/**
 * Runs the test suite: provides nats-server once (tests then share the binary), and hands every *.test.ts to
 * node's test runner. Arguments name files or folders below test/; none means all.
 */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, findHome } from '../actors/supervisor/home.ts';
import { provideNatsServer } from '../actors/supervisor/nats-server/provide.ts';

const here = dirname(fileURLToPath(import.meta.url));

function testFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(path, file))
    .sort();
}

const env = { ...process.env };
// Tests of the product must not meet a system that the user runs.
for (const name of ['REPRISE_NATS_URL', 'REPRISE_PREFIX', 'REPRISE_WORKER_ID']) delete env[name];
if (!env.REPRISE_TEST_NATS) {
  const { binary, version, source } = await provideNatsServer({
    env,
    cacheDir: cacheFolder(env, findHome(env)),
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stderr.write(`tests use nats-server ${version} (${source})\n`);
  env.REPRISE_TEST_NATS = binary;
}

// Every worker would spend a second on being fast.
env.REPRISE_WARM_UP ??= 'off';

const wanted = process.argv.slice(2);
const files = (wanted.length > 0 ? wanted.map((path) => resolve(path)) : [here]).flatMap(testFiles);
const parallel = Math.max(2, Math.min(4, cpus().length));
const runner = spawn(
  process.execPath,
  ['--import', 'tsx', '--test', `--test-concurrency=${parallel}`, ...files],
  { stdio: 'inherit', env },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
runner.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
