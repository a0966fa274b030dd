/**
 * Text edits that remember where everything came from.
 *
 * The result carries a position map, a string that the prelude uses to turn positions of the compiled body
 * into positions of the user's code: segments of five numbers in the digits of source maps, kind, line, column,
 * line and column in the user's code. Lines, and columns on one line, are differences to the segment before; the
 * last number is the difference to the second column. Kinds: 0 the user's text, 1 text of ours (all of which points
 * at one place), 2 a single position that is told otherwise. Any other position belongs to the last segment of
 * another kind that starts at or before it: same line, same column distance; later lines, same column.
 *
 * Columns of the body count bytes of UTF-8, as the engine does; the user's count UTF-16 units, as V8 does.
 */
import { ENGINE_BREAK, Lines, unshifted } from './lines.ts';
import type { Located } from './located.ts';

export interface Edit {
  from: number;
  to: number;
  text: string;
  /** The edit hides what is below it, but the piece is rendered elsewhere (a hoisted function). */
  cut?: boolean;
  /** A marker: its first position is told as this offset, and nothing else of it is told. */
  told?: number;
  /** One of a pair, around [from, other) or [other, from): where several stand, pairs nest. */
  other?: number;
}

/** Closing edits come before edits without a partner, and these before opening ones. */
const side = ({ from, other }: Edit): number => (other === undefined ? 0 : other < from ? -1 : 1);

/** Outer edits first: of two that start together the longer hides the shorter, but insertions come before. */
function inOrder(edits: readonly Edit[]): Edit[] {
  const numbered = edits.map((edit, number) => ({ edit, number }));
  numbered.sort((one, two) => {
    const [a, b] = [one.edit, two.edit];
    const order = a.from - b.from || Number(b.from === b.to) - Number(a.from === a.to) || side(a) - side(b);
    if (order !== 0 || a.other === undefined || b.other === undefined)
      return order || one.number - two.number;
    return b.other - a.other || (one.number - two.number) * side(a);
  });
  return numbered.map(({ edit }) => edit);
}

interface Piece {
  text: string;
  origin: number;
  ours: boolean;
  told?: number;
}

export class Rewriting {
  readonly #source: string;
  #edits: Edit[] = [];
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

  /**
   * Inserts text whose first position is told as that of `told`.
   * @param other where its partner stands, when it is one of a pair
   */
  insertMarker(at: number, text: string, told: number, other?: number): void {
    this.#edits.push({ from: at, to: at, text, told, other });
    this.#sorted = false;
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
      this.#edits = inOrder(this.#edits);
      this.#sorted = true;
    }
    const pieces: Piece[] = [];
    let at = from;
    for (const edit of this.#edits) {
      if (edit.from < at || edit.to > to || edit.from > to || (edit.cut && !cuts)) continue;
      if (edit.from === edit.to && edit.from === to && to !== this.#source.length) continue;
      if (edit.from > at) pieces.push({ text: this.#source.slice(at, edit.from), origin: at, ours: false });
      if (edit.text !== '') pieces.push({ text: edit.text, origin: edit.from, ours: true, told: edit.told });
      at = edit.to;
    }
    if (at < to) pieces.push({ text: this.#source.slice(at, to), origin: at, ours: false });
    return pieces;
  }

  /**
   * The body: a prologue line, then the edited source.
   * @param shift characters at the start of the source that the user did not write
   * @param located places whose position is told otherwise than where they stand
   */
  render(shift: number, located: readonly Located[]): { body: string; map: string | null } {
    const pieces = [...this.#front, { text: '\n', origin: 0, ours: true }];
    pieces.push(...this.pieces(0, this.#source.length, true));
    let body = '';
    for (const piece of pieces) body += piece.text;
    const segments = new Segments(new Lines(body, ENGINE_BREAK), new Lines(this.#source), shift);
    const opened = new Set(this.#edits.filter((edit) => side(edit) > 0).map(({ from }) => from));
    let offset = 0;
    for (const piece of pieces) {
      if (piece.text !== '\n') segments.addPiece(piece, offset);
      if (!piece.ours) {
        const end = piece.origin + piece.text.length;
        for (let at = firstFrom(located, piece.origin); at < located.length; at++) {
          const place = located[at]!;
          if (place.at >= end) break;
          // What opens there is noted in its stead.
          if (place.token === place.at && opened.has(place.at)) continue;
          const generated = offset + place.at - piece.origin;
          segments.addPlace(place.begins ? body.lastIndexOf('\n', generated - 1) + 1 : generated, place.to);
        }
      }
      offset += piece.text.length;
    }
    return { body, map: segments.encode() };
  }
}

/** Index of the first place at or behind an offset. */
function firstFrom(located: readonly Located[], offset: number): number {
  let low = 0;
  let high = located.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (located[middle]!.at < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Position = [line: number, column: number];

/** Collects the map while the pieces go by; says nothing where a reader of the map would guess right. */
class Segments {
  readonly #generated: Lines;
  readonly #lines: Lines;
  readonly #shift: number;
  readonly #segments: number[][] = [];
  // What a reader would assume without any segment: one prologue line, everything else in its place.
  #line = 2;
  #column = 1;
  #originalLine = 1;
  #originalColumn = 1;
  #ours = false;
  #afterMarker = false;
  /** Where a marker shifted the rest of its line: said only if there is a place on it. */
  #shifted: [at: Position, to: Position] | undefined;

  constructor(generated: Lines, lines: Lines, shift: number) {
    this.#generated = generated;
    this.#lines = lines;
    this.#shift = shift;
  }

  addPiece(piece: Piece, offset: number): void {
    if (piece.told !== undefined) {
      // What a marker begins with, a blank or the end of a statement, is not what is noted.
      this.addPlace(/^[ ;]/.test(piece.text) ? offset + 1 : offset, piece.told);
      this.#shifted = undefined;
      this.#afterMarker = true;
      return;
    }
    const at = this.#generated.inBytes(offset);
    const to = unshifted(this.#lines.at(piece.origin), this.#shift);
    const waits = this.#afterMarker && !this.#ours && !piece.ours;
    this.#afterMarker = false;
    if (!this.#ours && !piece.ours && this.#guessed(at, to)) return;
    if (waits) this.#shifted = [at, to];
    else this.#add(at, to, piece.ours);
  }

  addPlace(offset: number, origin: number): void {
    const at = this.#generated.inBytes(offset);
    const to = unshifted(this.#lines.at(origin), this.#shift);
    if (this.#guessed(at, to) && this.#shifted?.[0][0] !== at[0]) return;
    if (this.#shifted?.[0][0] === at[0]) this.#add(...this.#shifted, false);
    if (!this.#guessed(at, to)) this.#segments.push([...at, ...to, PLACE]);
  }

  #add(at: Position, to: Position, ours: boolean): void {
    this.#segments.push([...at, ...to, ours ? RANGE : TEXT]);
    [this.#line, this.#column] = at;
    [this.#originalLine, this.#originalColumn] = to;
    this.#ours = ours;
    this.#shifted = undefined;
  }

  #guessed([line, column]: Position, [toLine, toColumn]: Position): boolean {
    const down = line - this.#line;
    const distance = down === 0 ? this.#originalColumn - this.#column : 0;
    return toLine === this.#originalLine + down && toColumn === column + distance;
  }

  encode(): string | null {
    if (this.#segments.length === 0) return null;
    // The places where lines begin are found behind what stands there.
    this.#segments.sort(([line = 0, column = 0], [other = 0, its = 0]) => line - other || column - its);
    let map = '';
    let last = [0, 0, 0, 0];
    for (const [line = 0, column = 0, toLine = 0, toColumn = 0, kind = 0] of this.#segments) {
      const [lastLine = 0, lastColumn = 0, lastToLine = 0] = last;
      const distance = line === lastLine ? column - lastColumn : column;
      map += digits(kind) + digits(line - lastLine) + digits(distance);
      map += digits(toLine - lastToLine) + digits(toColumn - column);
      last = [line, column, toLine];
    }
    return map;
  }
}

/** A number as source maps write it: base 64, five bits a digit, the sign first. */
function digits(value: number): string {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1;
  let text = '';
  do {
    const more = rest > 31;
    text += ALPHABET[(rest & 31) | (more ? 32 : 0)];
    rest >>>= 5;
  } while (rest > 0);
  return text;
}
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The user's text in its place. */
const TEXT = 0;
/** Text of ours, all of which points at one place; one position, whatever stands around it. */
const RANGE = 1;
const PLACE = 2;
