/** Files that a command reads more than once; standard input is put into one first. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RepriseError } from '../bus/errors.ts';
import { mebibytes } from '../bus/limits.ts';
import type { Terminal } from './terminal.ts';

/** What is kept of standard input, bytes. */
const INPUT_BYTES_MAX = 1024 * 1024 * 1024;

export interface InputFile {
  path: string;
  /** Its bytes, from the first one. @throws RepriseError BAD_REQUEST when it cannot be read */
  bytes(): AsyncIterable<Uint8Array>;
  /** Its first bytes, as many as there are up to `count`. */
  beginning(count: number): Promise<Uint8Array>;
  /** What was made to read it is gone. */
  close(): Promise<void>;
}

/** A file, or `-`: what standard input brings. @throws RepriseError BAD_REQUEST, TOO_LARGE */
export async function inputFile(path: string, { stdin }: Pick<Terminal, 'stdin'>): Promise<InputFile> {
  if (path !== '-') {
    const found = await stat(path).catch((cause: Error) => {
      throw unreadable(path, cause);
    });
    if (found.isDirectory()) throw unreadable(path, new Error('it is a directory'));
    return inputAt(path, path, async () => {});
  }
  const folder = await mkdtemp(join(tmpdir(), 'reprise-input-'));
  const close = () => rm(folder, { recursive: true, force: true });
  const copy = join(folder, 'input');
  try {
    await pipeline(stdin, bounded, createWriteStream(copy, { mode: 0o600 }));
  } catch (cause) {
    await close();
    throw cause instanceof RepriseError ? cause : unreadable('standard input', cause as Error);
  }
  return inputAt('standard input', copy, close);
}

function inputAt(path: string, place: string, close: () => Promise<void>): InputFile {
  return {
    path,
    close,
    bytes: () => bytesOf(place),
    async beginning(count) {
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of bytesOf(place)) {
        parts.push(chunk);
        size += chunk.byteLength;
        if (size >= count) break;
      }
      return Buffer.concat(parts).subarray(0, count);
    },
  };
}

async function* bytesOf(path: string): AsyncGenerator<Uint8Array, void> {
  try {
    yield* createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw unreadable(path, cause as Error);
  }
}

async function* bounded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.byteLength;
    if (size > INPUT_BYTES_MAX) {
      throw new RepriseError('TOO_LARGE', `standard input brings more than ${mebibytes(INPUT_BYTES_MAX)}`);
    }
    yield chunk;
  }
}

function unreadable(path: string, cause: Error): RepriseError {
  return new RepriseError('BAD_REQUEST', `${path} cannot be read: ${cause.message}`, {
    cause,
    hint: 'nothing was done; name a file, or - for standard input',
  });
}
