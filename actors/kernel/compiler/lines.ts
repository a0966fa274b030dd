/** Offsets of a text as lines and columns. Pure. */

/** What ends a line in JavaScript. */
const LINE_BREAK = /\r\n|[\n\r\u2028\u2029]/g;

/** What the engine counts as one, once `unifyBreaks` has gone over a text. */
export const ENGINE_BREAK = /\r\n|[\n\r]/g;

/** Line starts of a text, for offset to line and column. */
export class Lines {
  readonly #starts: number[] = [0];
  readonly #text: string;
  readonly #ascii: boolean;
  /** Bytes from a line's start to an offset. */
  #known = { start: 0, offset: 0, bytes: 0 };
  constructor(text: string, breaks = LINE_BREAK) {
    this.#text = text;
    this.#ascii = /^[\0-\x7f]*$/.test(text);
    for (const match of text.matchAll(breaks)) {
      this.#starts.push(match.index + match[0].length);
    }
  }
  get count(): number {
    return this.#starts.length;
  }
  /** 1-based line and column of an offset. */
  at(offset: number): [line: number, column: number] {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return [low + 1, offset - (this.#starts[low] ?? 0) + 1];
  }
  /** As `at`, the column in bytes of UTF-8: so the engine counts. Cheap for offsets in ascending order. */
  inBytes(offset: number): [line: number, column: number] {
    const [line, column] = this.at(offset);
    if (this.#ascii) return [line, column];
    const start = offset - column + 1;
    const known = this.#known;
    const ahead = known.start === start && known.offset <= offset;
    const bytes =
      (ahead ? known.bytes : 0) + Buffer.byteLength(this.#text.slice(ahead ? known.offset : start, offset));
    this.#known = { start, offset, bytes };
    return [line, bytes + 1];
  }
}

/** 1-based line and column of `offset` in `text`, whose first `shift` characters the user did not write. */
export function positionOf(text: string, offset: number, shift: number): [line: number, column: number] {
  return unshifted(new Lines(text).at(offset), shift);
}

export const unshifted = ([line, column]: [number, number], shift: number): [number, number] =>
  line === 1 ? [1, Math.max(column - shift, 1)] : [line, column];
