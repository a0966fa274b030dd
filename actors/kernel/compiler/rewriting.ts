/**
 * Text edits that remember where everything came from.
 *
 * The result carries a position map, a string that the prelude uses to turn positions of the compiled body
 * into positions of the user's code: segments `line,column,originalLine,originalColumn` joined by `;`, lines and
 * columns 1-based, a trailing `,1` for text of ours (all of which points at one place). A position belongs to the
 * last segment that starts at or before it: same line, same column distance; later lines, same column.
 */

export interface Edit {
  from: number;
  to: number;
  text: string;
  /** The edit hides what is below it, but the piece is rendered elsewhere (a hoisted function). */
  cut?: boolean;
}

type Piece = { text: string; origin: number; ours: boolean };

/** Line starts of a text, for offset to line and column. */
class Lines {
  readonly #starts: number[] = [0];
  constructor(text: string) {
    for (const match of text.matchAll(/\r\n|[\n\r\u2028\u2029]/g)) {
      this.#starts.push(match.index + match[0].length);
    }
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
}

/** 1-based line and column of `offset` in `text`, whose first `shift` characters the user did not write. */
export function positionOf(text: string, offset: number, shift: number): [line: number, column: number] {
  return unshifted(new Lines(text).at(offset), shift);
}

const unshifted = ([line, column]: [number, number], shift: number): [number, number] =>
  line === 1 ? [1, Math.max(column - shift, 1)] : [line, column];

export class Rewriting {
  readonly #source: string;
  readonly #edits: Edit[] = [];
  readonly #front: Piece[] = [];
  #sorted = true;

  constructor(source: string) {
    this.#source = source;
  }

  /** Replaces [from, to); edits must not overlap partially. Insertions at one place keep their order. */
  replace(from: number, to: number, text: string, cut = false): void {
    this.#edits.push({ from, to, text, cut });
    this.#sorted = false;
  }

  insert(at: number, text: string): void {
    this.replace(at, at, text);
  }

  /** Appends text of ours to the prologue line. */
  frontText(text: string, origin = 0): void {
    this.#front.push({ text, origin, ours: true });
  }

  /** Appends the source's [from, to), with the edits inside it, to the prologue. */
  frontSlice(from: number, to: number): void {
    this.#front.push(...this.pieces(from, to, false));
  }

  /** What [from, to) becomes. `cuts` false leaves out the cuts themselves (their content is rendered). */
  pieces(from: number, to: number, cuts: boolean): Piece[] {
    if (!this.#sorted) {
      // Outer edits first: of two that start together the longer hides the shorter, but insertions come before.
      this.#edits.sort((a, b) => a.from - b.from || Number(b.from === b.to) - Number(a.from === a.to));
      this.#sorted = true;
    }
    const pieces: Piece[] = [];
    let at = from;
    for (const edit of this.#edits) {
      if (edit.from < at || edit.to > to || edit.from > to || (edit.cut && !cuts)) continue;
      if (edit.from === edit.to && edit.from === to && to !== this.#source.length) continue;
      if (edit.from > at) pieces.push({ text: this.#source.slice(at, edit.from), origin: at, ours: false });
      if (edit.text !== '') pieces.push({ text: edit.text, origin: edit.from, ours: true });
      at = edit.to;
    }
    if (at < to) pieces.push({ text: this.#source.slice(at, to), origin: at, ours: false });
    return pieces;
  }

  /**
   * The body: a prologue line, then the edited source.
   * @param shift characters at the start of the source that the user did not write
   */
  render(shift: number): { body: string; map: string | null } {
    const pieces = [...this.#front, { text: '\n', origin: 0, ours: true }];
    pieces.push(...this.pieces(0, this.#source.length, true));
    const lines = new Lines(this.#source);
    const segments: string[] = [];
    let body = '';
    for (const piece of pieces) body += piece.text;
    const generated = new Lines(body);
    let offset = 0;
    // What a reader would assume without any segment: one prologue line, everything else in its place.
    let line = 2;
    let column = 1;
    let originalLine = 1;
    let originalColumn = 1;
    let fixed = false;
    for (const piece of pieces) {
      const [atLine, atColumn] = generated.at(offset);
      const [toLine, toColumn] = unshifted(lines.at(piece.origin), shift);
      const sameLine = atLine === line;
      const predicted =
        !fixed &&
        !piece.ours &&
        toLine === originalLine + (atLine - line) &&
        toColumn === (sameLine ? originalColumn + (atColumn - column) : atColumn);
      offset += piece.text.length;
      if (predicted || piece.text === '\n') continue;
      segments.push(`${atLine},${atColumn},${toLine},${toColumn}${piece.ours ? ',1' : ''}`);
      [line, column, originalLine, originalColumn, fixed] = [atLine, atColumn, toLine, toColumn, piece.ours];
    }
    return { body, map: segments.length === 0 ? null : segments.join(';') };
  }
}
