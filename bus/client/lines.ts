/** Lines of JSON out of bytes that anybody may have written: each with its number, none of them endless. Pure. */
import { RepriseError } from '../errors.ts';
import { LARGE_BYTES_MAX, mebibytes } from '../limits.ts';

/** JSON says some characters in two. */
const LINE_BYTES_MAX = 2 * LARGE_BYTES_MAX;
const NEWLINE = 0x0a;
const NOTHING_DONE = 'nothing was imported';

export interface JsonLine {
  /** From 1. */
  number: number;
  value: { [key: string]: unknown };
}

/** The error for a line that is not what it should be. */
export function lineError(number: number, why: string, hint = NOTHING_DONE): RepriseError {
  return new RepriseError('BAD_FORMAT', `line ${number}: ${why}`, { hint });
}

/**
 * The objects of a text, one a line; empty lines count and are passed over, as are a byte order mark and CR before LF.
 * @throws RepriseError BAD_FORMAT, TOO_LARGE, each naming the line
 */
export async function* jsonLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<JsonLine, void> {
  let number = 0;
  for await (const line of lines(bytes)) {
    number += 1;
    const text = decoded(line, number);
    if (text.trim() === '') continue;
    yield { number, value: parsed(text, number) };
  }
}

async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let held: Uint8Array[] = [];
  let size = 0;
  let number = 1;
  const hold = (part: Uint8Array) => {
    held.push(part);
    size += part.byteLength;
    if (size <= LINE_BYTES_MAX) return;
    throw new RepriseError('TOO_LARGE', `line ${number} has more than ${mebibytes(LINE_BYTES_MAX)}`, {
      hint: `${NOTHING_DONE}; no event of a session is that large`,
    });
  };
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      hold(chunk.subarray(start, end));
      yield Buffer.concat(held, size);
      [held, size, number, start] = [[], 0, number + 1, end + 1];
    }
    hold(chunk.subarray(start));
  }
  if (size > 0) yield Buffer.concat(held, size);
}

function decoded(line: Uint8Array, number: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: number > 1 }).decode(line);
  } catch {
    throw lineError(number, 'it is no text in UTF-8');
  }
}

function parsed(text: string, number: number): JsonLine['value'] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = (cause as Error).message.slice(0, 200);
    throw lineError(number, `it is no JSON: ${why}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonLine['value'];
  throw lineError(number, 'it is no event: Expected an object');
}
