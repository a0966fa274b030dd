/** Style as a test: who may import whom, how long a file may be, what a pure file may not call. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDERS = ['actors', 'bus', 'storage', 'cli', 'test'];
const LINES_MAX = 400;

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|mjs|js)$/.test(file))
    .map((file) => join(folder, file));
}

const files = FOLDERS.flatMap(sources).map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));

/** Relative imports of a file, as paths from the root. */
function imports({ path, text }: { path: string; text: string }): string[] {
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map(([, target]) => relative(root, resolve(root, dirname(path), target!)));
}

/** What each folder may import beside itself. */
const MAY_IMPORT: Record<string, string[]> = {
  bus: [],
  storage: ['bus', 'actors/role'],
  'actors/role': ['bus'],
  'actors/kernel': ['bus', 'actors/role/thread-start.ts'],
  'actors/effects': ['bus', 'actors/kernel/port.ts', 'actors/kernel/behaviours.ts'],
  'actors/timeline': [
    'bus',
    'actors/effects',
    'actors/kernel/port.ts',
    'actors/kernel/handle.ts',
    'actors/kernel/behaviours.ts',
  ],
  'actors/session': [
    'bus',
    'actors/effects',
    'actors/timeline',
    'actors/kernel/port.ts',
    'actors/kernel/handle.ts',
    'actors/kernel/behaviours.ts',
  ],
  'actors/worker': [
    'bus',
    'actors/effects',
    'actors/timeline',
    'actors/session',
    'actors/kernel',
    'actors/role',
  ],
  'actors/llm': ['bus', 'actors/role'],
  'actors/supervisor': ['bus', 'actors/role/freshness.mjs'],
  cli: [
    'bus',
    'actors/supervisor',
    'actors/role/freshness.mjs',
    'actors/kernel/compiler',
    'actors/kernel/prelude/bundle.mjs',
    // What is in a file is executed where the file is.
    'actors/worker/bundle.ts',
  ],
};

/** Files that decide; they never act. */
const PURE = [
  /^actors\/(session|timeline)\/(fold|fold-.*|effect-table|commit|turn|entry|replay|reply|mailbox|batch|command-index|checkpoints|noting)\.ts$/,
  /^actors\/kernel\/compiler\//,
  /^actors\/effects\/(kind|kinds)\.ts$/,
  /^storage\/validation\.ts$/,
  /^bus\/(types|subjects|codec|errors|schema|event-schemas|wire|live|roles|permissions|operations\/[a-z]+)\.ts$/,
];
const BANNED =
  /\b(Date\.now|Math\.random|fetch|setTimeout|setInterval|process\.env|randomUUID)\s*\(|process\.env\b/;

describe('tidiness', () => {
  it('keeps every file at 400 lines or fewer', () => {
    const long = files
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > LINES_MAX);
    assert.deepEqual(long, []);
  });

  it('lets each folder import only what is below it', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const folder = Object.keys(MAY_IMPORT).find((name) => file.path.startsWith(`${name}/`));
      if (!folder) continue;
      for (const target of imports(file)) {
        const allowed = [folder, ...MAY_IMPORT[folder]!];
        if (
          target === 'package.json' ||
          allowed.some((name) => target === name || target.startsWith(`${name}/`))
        )
          continue;
        wrong.push(`${file.path} imports ${target}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('answers requests by `serve` alone, so that every answer goes to an inbox', () => {
    const wrong = files
      .filter(({ path }) => /^(actors|storage)\//.test(path))
      // They hear answers and messages, which nobody answers.
      .filter(({ path }) => !['storage/jetstream-api.ts', 'actors/worker/sweep.ts'].includes(path))
      .filter(({ text }) => /\b(bus|connection)\.subscribe\(/.test(text))
      .map(({ path }) => path);
    assert.deepEqual(wrong, []);
  });

  it('calls no clock, no randomness and no environment in files that decide', () => {
    const wrong = files
      .filter(({ path }) => PURE.some((pattern) => pattern.test(path)))
      .filter(({ text }) => BANNED.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')))
      .map(({ path }) => path);
    assert.deepEqual(wrong, []);
  });

  it('says of a kind of effects what it says in its own file alone', () => {
    const wrong = files
      .filter(({ path }) => /^(actors|bus|storage|cli)\//.test(path) && !path.startsWith('actors/effects/'))
      .filter(({ text }) => /\bkind [!=]== '(llm|timer)'/.test(text))
      .map(({ path }) => path);
    assert.deepEqual(wrong, []);
  });

  it('has no cycles between its modules', () => {
    const graph = new Map(files.map((file) => [file.path, imports(file)]));
    const done = new Set<string>();
    const visit = (path: string, trail: string[]): string[] | null => {
      if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
      if (done.has(path)) return null;
      for (const next of graph.get(path) ?? []) {
        const cycle = visit(next, [...trail, path]);
        if (cycle) return cycle;
      }
      done.add(path);
      return null;
    };
    for (const path of graph.keys()) assert.equal(visit(path, [])?.join(' -> '), undefined);
  });

  it('leaves no unfinished business in the sources', () => {
    const words = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'];
    const wrong = files
      .filter(({ text }) => new RegExp(`\\b(${words.join('|')})\\b`).test(text))
      .map(({ path }) => path);
    assert.deepEqual(wrong, []);
  });
});
