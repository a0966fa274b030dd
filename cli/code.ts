/** Where the code of a cell comes from: an argument, a file, or standard input. */
import { createReadStream } from 'node:fs';
import { RepriseError } from '../bus/errors.ts';
import { CELL_BYTES_MAX, mebibytes } from '../bus/limits.ts';

const usage = (message: string) =>
  new RepriseError('BAD_REQUEST', message, {
    hint: "give the code as an argument, with -f file, or on standard input: echo '1 + 1' | reprise exec s",
  });

function text(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RepriseError('BAD_REQUEST', `${source} is not UTF-8 text`, {
      cause,
      hint: 'a cell is JavaScript or TypeScript source, in UTF-8',
    });
  }
}

const tooLarge = (source: string) =>
  new RepriseError(
    'TOO_LARGE',
    `${source} is too large for a cell, which has ${mebibytes(CELL_BYTES_MAX)} at most`,
    {
      hint: 'bring large data in by parts, over several cells',
    },
  );

async function readStream(stream: AsyncIterable<Buffer>, source: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > CELL_BYTES_MAX) throw tooLarge(source);
  }
  return text(Buffer.concat(chunks), source);
}

async function readFile(file: string): Promise<string> {
  const source = `file '${file}'`;
  try {
    return await readStream(createReadStream(file), source);
  } catch (thrown) {
    if (thrown instanceof RepriseError) throw thrown;
    const cause = thrown as NodeJS.ErrnoException;
    const hint = 'check the path given to -f';
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') {
      throw new RepriseError('NOT_FOUND', `${source} does not exist`, { cause, hint });
    }
    if (cause.code === 'EISDIR') {
      throw new RepriseError('BAD_REQUEST', `'${file}' is a folder, not a file`, { cause, hint });
    }
    if (cause.code === 'EACCES') {
      throw new RepriseError('DENIED', `${source} may not be read by this user`, { cause, hint });
    }
    throw new RepriseError('NOT_FOUND', `${source} cannot be read: ${cause.message}`, { cause, hint });
  }
}

/**
 * The code to run.
 * @throws RepriseError BAD_REQUEST when there is none, when there are two, or when it is not UTF-8; NOT_FOUND
 * or DENIED when the file cannot be read; TOO_LARGE above `CELL_BYTES_MAX`.
 */
export async function readCode(
  argument: string | undefined,
  file: string | undefined,
  stdin: NodeJS.ReadStream,
): Promise<string> {
  if (file !== undefined && argument !== undefined) throw usage('both code and a file were given');
  if (file === '-' || argument === '-') return readStream(stdin, 'standard input');
  if (argument !== undefined) {
    if (Buffer.byteLength(argument) > CELL_BYTES_MAX) throw tooLarge('the code');
    return argument;
  }
  if (file !== undefined) return readFile(file);
  if (stdin.isTTY) throw usage('no code was given');
  return readStream(stdin, 'standard input');
}
