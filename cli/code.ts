/** Where the code of a cell comes from: an argument, a file, or standard input. */
import { readFile } from 'node:fs/promises';
import { RepriseError } from '../bus/errors.ts';

/** Longest code read from a file or pipe; a kernel refuses far less. */
const READ_MAX_BYTES = 64 * 1024 * 1024;

const usage = (message: string) =>
  new RepriseError('BAD_REQUEST', message, {
    hint: "give the code as an argument, with -f file, or on standard input: echo '1 + 1' | reprise exec s",
  });

function text(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RepriseError('BAD_REQUEST', `${source} is not UTF-8 text`, { cause });
  }
}

async function readStream(stdin: NodeJS.ReadStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).byteLength;
    if (size > READ_MAX_BYTES) throw new RepriseError('TOO_LARGE', 'standard input exceeds 64 MiB');
  }
  return Buffer.concat(chunks);
}

/**
 * The code to run.
 * @throws RepriseError BAD_REQUEST when there is none, when there are two, or when it is not UTF-8; NOT_FOUND
 * when the file cannot be read; TOO_LARGE above 64 MiB.
 */
export async function readCode(
  argument: string | undefined,
  file: string | undefined,
  stdin: NodeJS.ReadStream,
): Promise<string> {
  if (file !== undefined && argument !== undefined) throw usage('both code and a file were given');
  if (file === '-' || argument === '-') return text(await readStream(stdin), 'standard input');
  if (argument !== undefined) return argument;
  if (file === undefined) {
    if (stdin.isTTY) throw usage('no code was given');
    return text(await readStream(stdin), 'standard input');
  }
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'does not exist' : `cannot be read (${cause.code})`;
    throw new RepriseError('NOT_FOUND', `file '${file}' ${why}`, {
      cause,
      hint: 'check the path given to -f',
    });
  });
  return text(bytes, `file '${file}'`);
}
