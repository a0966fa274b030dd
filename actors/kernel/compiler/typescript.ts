/**
 * TypeScript to JavaScript, by swc. Loaded only when a cell needs it: it takes 100 ms.
 *
 * Stripping keeps every position. What cannot be stripped (enum, namespace, parameter properties, `<T>x`) is
 * transformed, and the printed result laid out again so that its tokens stand where the user wrote them.
 */
import { createRequire } from 'node:module';
import type { transformSync } from '@swc/wasm-typescript';
import { parse, type Token } from 'acorn';
import { CellFailure } from './failure.ts';
import { CELL_SYNTAX } from './syntax.ts';

const require = createRequire(import.meta.url);
/** Part of the compiler's version. */
export const swcVersion: string = require('@swc/wasm-typescript/package.json').version;

type Swc = { transformSync: typeof transformSync };
let loaded: Swc | undefined;
const swc = (): Swc => {
  loaded ??= require('@swc/wasm-typescript') as Swc;
  return loaded;
};

interface SwcError {
  code: string;
  message: string;
  startLine?: number;
  startColumn?: number;
}

function asSwcError(thrown: unknown): SwcError {
  if (typeof thrown === 'object' && thrown !== null && typeof (thrown as SwcError).code === 'string') {
    return thrown as SwcError;
  }
  // A panic leaves the wasm instance unusable: the next cell gets a new one.
  loaded = undefined;
  delete require.cache[require.resolve('@swc/wasm-typescript')];
  return { code: 'Panic', message: 'This TypeScript cannot be compiled' };
}

/**
 * The JavaScript of a TypeScript cell, tokens in their places.
 * @throws CellFailure when it is not TypeScript either.
 */
export function stripTypes(code: string): string {
  let stripped: string | undefined;
  try {
    stripped = swc().transformSync(code, { mode: 'strip-only', module: true }).code;
    // It leaves `<const>` where it stands.
    if (isScript(stripped)) return stripped;
  } catch (thrown) {
    const error = asSwcError(thrown);
    if (error.code !== 'UnsupportedSyntax') throw failureOf(error, code);
  }
  try {
    const { code: printed, map } = swc().transformSync(code, {
      mode: 'transform',
      module: true,
      sourceMap: true,
      transform: { verbatimModuleSyntax: true, noEmptyExport: true, tsEnumIsMutable: true },
    });
    if (stripped !== undefined && !isScript(printed)) return stripped;
    return relayout(printed, map ?? '');
  } catch (thrown) {
    if (stripped !== undefined) return stripped;
    if (thrown instanceof CellFailure) throw thrown;
    throw failureOf(asSwcError(thrown), code);
  }
}

function isScript(code: string): boolean {
  try {
    parse(code, CELL_SYNTAX);
    return true;
  } catch {
    return false;
  }
}

function failureOf(error: SwcError, code: string): CellFailure {
  const message = error.message.includes('<eof>') ? 'Unexpected end of input' : error.message;
  if (error.startLine === undefined) return new CellFailure(message, 0, code);
  let offset = 0;
  for (let line = 1; line < error.startLine; line++) {
    const next = code.indexOf('\n', offset);
    if (next < 0) break;
    offset = next + 1;
  }
  return new CellFailure(message, Math.min(offset + (error.startColumn ?? 0), code.length), code);
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** `line:column` (0-based) of the printed text to its place in the source, from a source map of one file. */
function readMappings(map: string): Map<string, [line: number, column: number]> {
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
function relayout(printed: string, map: string): string {
  const places = readMappings(map);
  const tokens: Token[] = [];
  try {
    parse(printed, { ...CELL_SYNTAX, locations: true, onToken: tokens });
  } catch {
    return printed;
  }
  let out = '';
  let line = 0;
  let column = 0;
  let previous: Token | undefined;
  for (const token of tokens) {
    const text = printed.slice(token.start, token.end);
    const before = previous === undefined ? '' : printed.slice(previous.start, previous.end);
    const adjacent = previous === undefined || previous.end === token.start;
    let space = adjacent ? '' : ' ';
    const inTemplate = token.type.label === 'template' || previous?.type.label === 'template';
    const start = token.loc?.start;
    const place = start && places.get(`${start.line - 1}:${start.column}`);
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
