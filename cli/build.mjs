/**
 * Builds `dist/`: one bundle an entry point with shared chunks, and the kernel's prelude. Silent when all is well.
 * The new tree replaces the old one in one step, so that processes started meanwhile find a whole one.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Entry points by the name of their bundle. */
const ENTRIES = {
  types: 'bus/types.ts',
  client: 'bus/client/client.ts',
  cli: 'cli/main.ts',
  worker: 'actors/worker/main.ts',
  'kernel-thread': 'actors/kernel/thread.ts',
  storage: 'storage/main.ts',
  llm: 'actors/llm/main.ts',
  'completion-thread': 'actors/llm/completion-thread.ts',
  supervisor: 'actors/supervisor/main.ts',
};

/** Loaded from node_modules at run time: wasm beside the code, lazily needed or large, or needed only for development. */
const EXTERNAL = [
  '@jitl/quickjs-ffi-types',
  '@jitl/quickjs-ng-wasmfile-release-sync',
  '@swc/wasm-typescript',
  'esbuild',
  'msgpackr-extract',
  'openai',
  'undici',
  'pino',
  'tsx',
];

async function load() {
  try {
    const { build } = await import('esbuild');
    const { bundlePrelude } = await import('../actors/kernel/prelude/bundle.mjs');
    return { build, bundlePrelude };
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(
      `${error.message.split('\n')[0]}\nThe build needs the development dependencies: run npm ci`,
    );
  }
}

async function buildAll() {
  const { build, bundlePrelude } = await load();
  const fresh = `${root}dist.tmp-${process.pid}`;
  const old = `${root}dist.old-${process.pid}`;
  try {
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    const entries = Object.entries(ENTRIES).filter(([, file]) => existsSync(root + file));
    const bundled = build({
      absWorkingDir: root,
      entryPoints: entries.map(([out, file]) => ({ in: file, out })),
      outdir: fresh,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'linked',
      external: EXTERNAL.flatMap((name) => [name, `${name}/*`]),
      // Bundled CommonJS packages call require() for Node's own modules.
      banner: {
        js: "import { createRequire as makeRequire } from 'node:module';const require = makeRequire(import.meta.url);",
      },
      logLevel: 'error',
    });
    writeFileSync(`${fresh}/prelude.js`, bundlePrelude());
    await bundled;
    if (existsSync(`${root}dist`)) renameSync(`${root}dist`, old);
    renameSync(fresh, `${root}dist`);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

try {
  await buildAll();
} catch (error) {
  // esbuild has printed its own errors already.
  if (!Array.isArray(error.errors)) process.stderr.write(`build failed: ${error.message}\n`);
  process.exitCode = 1;
}
