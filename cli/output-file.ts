/** Where a command writes what is too much for the screen: a file that is whole or not there, or standard output. */
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RepriseError } from '../bus/errors.ts';
import type { Terminal } from './terminal.ts';

export interface Output {
  /** Resolves when there is room for more. @throws RepriseError BAD_REQUEST when the file cannot be written */
  write(chunk: string | Uint8Array): Promise<void>;
  /** All is written: the file gets its name. */
  finish(): Promise<void>;
  /** Nothing is left of it; after `finish` it does nothing. */
  discard(): Promise<void>;
}

/** What is collected before it is written, characters or bytes. */
const CHUNK = 64 * 1024;

/**
 * A file that takes its name once it is whole.
 * @param force what is there already is replaced; a directory or a device never is
 * @throws RepriseError BAD_REQUEST when it is there already or cannot be made
 */
export async function outputFile(path: string, force = false): Promise<Output> {
  const target = await targetOf(path, force);
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  const file = await attempt(path, () => open(temporary, 'w'));
  return new FileOutput(path, { target, temporary, force }, file);
}

/** Standard output, at the pace of who reads it. */
export function standardOutput({ stdout }: Pick<Terminal, 'stdout'>): Output {
  return {
    async write(chunk) {
      if (!stdout.write(chunk)) await new Promise<void>((resolve) => stdout.once('drain', resolve));
    },
    async finish() {},
    async discard() {},
  };
}

class FileOutput implements Output {
  readonly #path: string;
  readonly #places: { target: string; temporary: string; force: boolean };
  readonly #file: FileHandle;
  #held: (string | Uint8Array)[] = [];
  #size = 0;
  #isDone = false;

  constructor(path: string, places: { target: string; temporary: string; force: boolean }, file: FileHandle) {
    this.#path = path;
    this.#places = places;
    this.#file = file;
  }

  async write(chunk: string | Uint8Array): Promise<void> {
    this.#held.push(chunk);
    this.#size += chunk.length;
    if (this.#size >= CHUNK) await this.#flush();
  }

  async finish(): Promise<void> {
    const { target, temporary, force } = this.#places;
    await this.#flush();
    await attempt(this.#path, async () => {
      await this.#file.sync();
      await this.#file.close();
      // Somebody may have made it meanwhile.
      await targetOf(this.#path, force);
      await rename(temporary, target);
    });
    this.#isDone = true;
  }

  async discard(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    await this.#file.close().catch(() => {});
    await rm(this.#places.temporary, { force: true });
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(
      this.#held.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)),
    );
    this.#held = [];
    this.#size = 0;
    await attempt(this.#path, () => this.#file.writeFile(bytes));
  }
}

/** The file that a path leads to. @throws RepriseError BAD_REQUEST when it must not be replaced */
async function targetOf(path: string, force: boolean): Promise<string> {
  const found = await stat(path).catch(() => null);
  if (!found) return path;
  if (!found.isFile()) {
    throw new RepriseError('BAD_REQUEST', `${path} is no file`, { hint: 'nothing was written; name a file' });
  }
  if (!force) {
    throw new RepriseError('BAD_REQUEST', `${path} is there already`, {
      hint: 'nothing was written; choose another name, or add --force to replace it',
    });
  }
  return realpath(path);
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof RepriseError) throw cause;
    throw new RepriseError('BAD_REQUEST', `${path} cannot be written: ${(cause as Error).message}`, {
      cause,
      hint: 'nothing was written; choose another place with -o',
    });
  }
}
