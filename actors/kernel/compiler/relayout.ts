/** What swc prints, with its tokens where the user wrote them, and whether they are the user's. Pure. */
import { parse, type Token } from 'acorn';
import { CELL_SYNTAX } from './syntax.ts';

/** `line:column` of a printed text to its place in the source, all 0-based. */
export type Places = ReadonlyMap<string, readonly [line: number, column: number]>;

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The places that a source map of one file names. */
export function readMappings(map: string): Places {
  const places = new Map<string, [number, number]>();
  if (map === '') return places;
  let [sourceLine, sourceColumn] = [0, 0];
  const lines = (JSON.parse(map) as { mappings: string }).mappings.split(';');
  for (const [line, segments] of lines.entries()) {
    let column = 0;
    for (const segment of segments.split(',')) {
      const fields = readVlq(segment);
      if (fields.length < 4) continue;
      column += fields[0] ?? 0;
      sourceLine += fields[2] ?? 0;
      sourceColumn += fields[3] ?? 0;
      places.set(`${line}:${column}`, [sourceLine, sourceColumn]);
    }
  }
  return places;
}

function readVlq(segment: string): number[] {
  const fields: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    fields.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return fields;
}

/** No newline may follow, or precede, these. */
const STAYS_BEFORE = new Set(['return', 'throw', 'break', 'continue', 'yield', 'async']);
const STAYS_BEHIND = new Set(['=>', '++', '--']);

/**
 * Prints the tokens of swc's output where their originals stood. swc writes every semicolon, so newlines may be
 * put between any two tokens but for the restricted productions and inside templates.
 */
export function relayout(
  printed: string,
  places: Places,
  renamed?: ReadonlyMap<number, { name: string }>,
): string {
  const tokens = tokensOf(printed);
  if (tokens === undefined) return printed;
  let out = '';
  let line = 0;
  let column = 0;
  let previous: Token | undefined;
  for (const token of tokens) {
    const text = renamed?.get(token.start)?.name ?? printed.slice(token.start, token.end);
    const before = previous === undefined ? '' : printed.slice(previous.start, previous.end);
    const adjacent = previous === undefined || previous.end === token.start;
    let space = adjacent ? '' : ' ';
    const inTemplate = token.type.label === 'template' || previous?.type.label === 'template';
    const place = placeOf(token, places);
    if (place && !inTemplate && !STAYS_BEFORE.has(before) && !STAYS_BEHIND.has(text)) {
      if (place[0] > line) space = '\n'.repeat(place[0] - line) + ' '.repeat(place[1]);
      else if (place[0] === line && place[1] > column) space = ' '.repeat(place[1] - column);
    }
    const added = space + text;
    out += added;
    line += added.split('\n').length - 1;
    column = added.includes('\n') ? added.length - added.lastIndexOf('\n') - 1 : column + added.length;
    previous = token;
  }
  return out;
}

/** Names that swc added a number to because they clash, by where they are printed, with the place of the user's. */
export function renamedIn(
  code: string,
  printed: string,
  places: Places,
): Map<number, { name: string; offset: number }> {
  const renamed = new Map<number, { name: string; offset: number }>();
  const starts = lineStarts(code);
  for (const token of tokensOf(printed) ?? []) {
    const place = placeOf(token, places);
    if (token.type.label !== 'name' || place === undefined) continue;
    const offset = (starts[place[0]] ?? 0) + place[1];
    const name = /^[\p{ID_Start}$_][\p{ID_Continue}$]*/u.exec(code.slice(offset, offset + 1000))?.[0];
    const text = printed.slice(token.start, token.end);
    if (name === undefined || !text.startsWith(name) || !/^\d+$/.test(text.slice(name.length))) continue;
    // `x1.x` of a namespace x1 stands where the user wrote `x`.
    const qualified = printed.startsWith(`.${name}`, token.end) && namespaceNames(code).has(text);
    if (!qualified) renamed.set(token.start, { name, offset });
  }
  return renamed;
}

/** Names for which swc writes functions with a parameter of that name. */
export const namespaceNames = (code: string): Set<string> =>
  new Set(
    [...code.matchAll(/\b(?:enum|namespace|module)\s+([\p{ID_Start}$_][\p{ID_Continue}$.\s]*)/gu)].flatMap(
      ([, names = '']) => names.split('.').map((name) => name.trim()),
    ),
  );

/** Offset in the source of what stands at an offset of the printed text, or of what is told next before it. */
export function originIn(code: string, printed: string, places: Places, offset: number): number {
  const starts = lineStarts(printed);
  const line = starts.findLastIndex((start) => start <= offset);
  for (let at = line; at >= 0; at--) {
    const first = starts[at]!;
    for (let column = (at === line ? offset : (starts[at + 1] ?? offset)) - first; column >= 0; column--) {
      const place = places.get(`${at}:${column}`);
      if (place !== undefined) return (lineStarts(code)[place[0]] ?? 0) + place[1];
    }
  }
  return 0;
}

const lineStarts = (text: string): number[] => [
  0,
  ...[...text.matchAll(/\r\n|\n|\r/g)].map(({ index, 0: found }) => index + found.length),
];

function tokensOf(printed: string): Token[] | undefined {
  const tokens: Token[] = [];
  try {
    parse(printed, { ...CELL_SYNTAX, locations: true, onToken: tokens });
    return tokens;
  } catch {
    return undefined;
  }
}

function placeOf({ loc }: Token, places: Places): readonly [line: number, column: number] | undefined {
  return loc ? places.get(`${loc.start.line - 1}:${loc.start.column}`) : undefined;
}
