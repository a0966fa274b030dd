/**
 * Shows that the simulation finds what hostile use once found: takes back each mend, one at a time, in a copy of the
 * tree, and runs seeds until one fails. `npx tsx test/simulation/reverts.ts [part of a name]`; exit code 1 when one of
 * them is not found, or can no longer be taken back as it stands here.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

interface Revert {
  /** What was mended. */
  name: string;
  file: string;
  from: string;
  to: string;
}

const SEEDS = Number(process.env.REPRISE_SIMULATIONS) || 40;
const LEFT_OUT = /^(node_modules|dist.*|\.git|coverage)$/;

const REVERTS: Revert[] = [
  {
    name: 'a turn that was struck and undone is not run again by a replay',
    file: 'actors/timeline/replay.ts',
    from: "if (event.type === 'interrupt' && event.fuel >= 0 && event.at === began) continue;",
    to: '',
  },
  {
    name: 'the outputs of a turn go into as many commits as they need',
    file: 'actors/session/batch.ts',
    from: 'if (count > 0 && bytes > batchBytes) break;',
    to: 'void batchBytes;',
  },
  {
    name: 'a large answer goes out of its commit, into a blob',
    file: 'actors/session/commit.ts',
    from: 'if (weightOf(event) <= inlineBytes) return event;',
    to: 'if (weightOf(event) < Number.POSITIVE_INFINITY) return event;',
  },
  {
    name: 'exit() in a callback ends the cell that waits',
    file: 'actors/timeline/turn.ts',
    from: 'const exits = turn.exit && facts.running !== null;',
    to: 'const exits = false;',
  },
  {
    name: 'a session remembers a bounded number of commands',
    file: 'actors/timeline/command-index.ts',
    from: 'export const COMMANDS_REMEMBERED = 2_048;',
    to: 'export const COMMANDS_REMEMBERED = 1e9;',
  },
  {
    name: 'an old commit at the end of a log is found out',
    file: 'storage/readable.ts',
    from: "if (fault) throw chainError(fault, 'CORRUPT');",
    to: '',
  },
  {
    name: 'a session that has lost its newest commits is not served as the shorter one',
    file: 'storage/memory-log.ts',
    from: 'throw beheaded(token, kept[0]!.position);',
    to: 'return read(newest, token);',
  },
];

const root = resolve(import.meta.dirname, '../..');

/** @returns the first seed that fails, with what it says; null when none does */
function firstFailure(tree: string): string | null {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = spawnSync('npx', ['tsx', 'test/simulation/run.ts', String(seed), '1'], {
      cwd: tree,
      encoding: 'utf8',
      timeout: 120_000,
    });
    if (/, 0 failed/.test(run.stdout)) continue;
    const said = /^seed .*$/m.exec(run.stdout)?.[0] ?? run.stderr.trim().split('\n').at(-1);
    return said || `seed ${seed}: no end within two minutes`;
  }
  return null;
}

const wanted = REVERTS.filter(({ name }) => name.includes(process.argv[2] ?? ''));
for (const { name, file, from, to } of wanted) {
  const tree = mkdtempSync(join(tmpdir(), 'reprise-revert-'));
  try {
    cpSync(root, tree, { recursive: true, filter: (path) => !LEFT_OUT.test(path.split('/').at(-1)!) });
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
    const source = readFileSync(join(tree, file), 'utf8');
    if (source.split(from).length !== 2) throw new Error(`${file} has not once: ${from}`);
    writeFileSync(join(tree, file), source.replace(from, to));
    const found = firstFailure(tree);
    console.log(`${found ? 'found' : 'NOT FOUND'}  ${name}\n           ${found ?? `${SEEDS} seeds`}`);
    if (!found) process.exitCode = 1;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
