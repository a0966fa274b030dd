/**
 * A lock between processes, as files. It survives nothing: when its holder dies in whatever way, the next
 * process takes it over.
 *
 * 1. The lock is a row of files `<name>.<generation>`; the highest generation counts.
 * 2. A generation is created whole and exclusively (a hard link to a finished file), so one process wins.
 * 3. Nobody creates a generation above one whose holder runs.
 * 4. Whoever created one looks again: if there is a higher one, its own is void.
 * 5. Only the holder of a generation deletes lower ones; a release marks the file, it does not delete it.
 * By 3 and 4 two processes never both hold the lock, even if both found the same dead holder.
 */
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { RepriseError } from '../../bus/errors.ts';
import { folderUnusable, makeFolder } from './home.ts';
import { identifySelf, isRunning, type ProcessRecord } from './process-identity.ts';

export interface Lock {
  release(): void;
}

interface Holder extends Partial<ProcessRecord> {
  released?: boolean;
}

/**
 * Takes the lock, or returns the process that holds it.
 * @throws RepriseError UNAVAILABLE when the folder cannot be written.
 */
export function tryLock(dir: string, name: string): { lock: Lock } | { holder: ProcessRecord } {
  const fileOf = (generation: number) => path.join(dir, `${name}.${generation}`);
  const draft = path.join(dir, `${name}.draft-${process.pid}-${draftCount++}`);
  try {
    makeFolder(dir);
    writeFileSync(draft, JSON.stringify(identifySelf()), { mode: 0o600 });
  } catch (cause) {
    throw folderUnusable(dir, cause);
  }
  try {
    for (;;) {
      const highest = generations(dir, name)[0] ?? 0;
      const holder = highest === 0 ? null : readHolder(fileOf(highest));
      if (holder) return { holder };
      const mine = highest + 1;
      try {
        linkSync(draft, fileOf(mine));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        throw error;
      }
      const [top, ...lower] = generations(dir, name);
      if (top !== mine) {
        rmSync(fileOf(mine), { force: true });
        continue;
      }
      for (const generation of lower) rmSync(fileOf(generation), { force: true });
      return { lock: { release: () => release(fileOf(mine)) } };
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

let draftCount = 0;

/** Takes the lock, waiting up to `timeoutMs` for its holder. @throws RepriseError TIMEOUT, UNAVAILABLE */
export async function lockWithin(dir: string, name: string, timeoutMs: number): Promise<Lock> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const result = tryLock(dir, name);
    if ('lock' in result) return result.lock;
    if (performance.now() >= deadline) {
      throw new RepriseError('TIMEOUT', `process ${result.holder.pid} holds the lock ${name} in ${dir}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function generations(dir: string, name: string): number[] {
  return readdirSync(dir)
    .filter((file) => file.startsWith(`${name}.`))
    .map((file) => Number(file.slice(name.length + 1)))
    .filter((generation) => Number.isInteger(generation) && generation > 0)
    .sort((a, b) => b - a);
}

/** The running holder, or null when the lock is free, released or its holder is dead. */
function readHolder(file: string): ProcessRecord | null {
  let holder: Holder;
  try {
    holder = JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return null; // deleted meanwhile, or cut off by a power loss: nobody that runs holds it
  }
  if (holder.released || !holder.pid) return null;
  const record = { pid: holder.pid, start: holder.start ?? '' };
  return isRunning(record) ? record : null;
}

function release(file: string): void {
  try {
    const draft = `${file}.released`;
    writeFileSync(draft, JSON.stringify({ released: true }), { mode: 0o600 });
    renameSync(draft, file);
  } catch {
    // The folder is gone: so is the lock.
  }
}
