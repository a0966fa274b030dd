/**
 * TypeScript to JavaScript, by swc. Loaded only when a cell needs it: it takes 100 ms.
 *
 * Stripping keeps every position. What cannot be stripped (enum, namespace, parameter properties, `<T>x`) is
 * transformed, and the printed result laid out again so that its tokens stand where the user wrote them. swc repairs
 * what it reads and renames what clashes: whether the code was right is judged before (`skeleton.ts`).
 */
import { createRequire } from 'node:module';
import type { transformSync } from '@swc/wasm-typescript';
import { parse } from 'acorn';
import { CellFailure } from './failure.ts';
import { namespaceNames, originIn, type Places, readMappings, relayout, renamedIn } from './relayout.ts';
import { type Skeleton, skeletonOf, type Unerasable } from './skeleton.ts';
import { CELL_SYNTAX, parseScript } from './syntax.ts';

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
  endLine?: number;
  endColumn?: number;
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

/** Whether what parses as TypeScript must be JavaScript too, once its types are gone. */
export type Reading = 'checked' | 'lenient';

/**
 * The JavaScript of a TypeScript cell, tokens in their places.
 *
 * A checked reading is either the code with its types blanked, which its reader then parses as JavaScript, or a
 * transform of code whose skeleton is JavaScript, under the user's names. A lenient one is what
 * sessions of version 1 had: the transform is believed, and repairs and renames what was no JavaScript.
 * @throws CellFailure when it is not TypeScript either.
 */
export function stripTypes(code: string, reading: Reading): string {
  const erased = erase(code);
  if (typeof erased === 'string' && (reading === 'checked' || isScript(erased))) return erased;
  const skeleton = reading === 'checked' ? checkedSkeleton(code) : undefined;
  if (skeleton?.runs) return skeleton.text;
  try {
    const { code: printed, map } = swc().transformSync(code, {
      mode: 'transform',
      module: true,
      sourceMap: true,
      transform: { verbatimModuleSyntax: true, noEmptyExport: true, tsEnumIsMutable: true },
    });
    if (typeof erased === 'string' && !isScript(printed)) return erased;
    const places = readMappings(map ?? '');
    return relayout(printed, places, reading === 'checked' ? checkedNames(code, printed, places) : undefined);
  } catch (thrown) {
    if (typeof erased === 'string') return erased;
    if (thrown instanceof CellFailure) throw thrown;
    throw failureOf(asSwcError(thrown), code);
  }
}

/** The code with its types blanked, or what cannot be blanked. @throws CellFailure */
function erase(code: string): string | Unerasable {
  try {
    return withoutConst(swc().transformSync(code, { mode: 'strip-only', module: true }).code);
  } catch (thrown) {
    const error = asSwcError(thrown);
    if (error.code !== 'UnsupportedSyntax') throw failureOf(error, code);
    const from = offsetOf(code, error.startLine, error.startColumn);
    return { from, to: Math.max(offsetOf(code, error.endLine, error.endColumn), from) };
  }
}

/** swc leaves `<const>` where it stands: the one thing that a JavaScript parser stumbles over there. */
function withoutConst(stripped: string): string {
  if (!/<\s*const\s*>/.test(stripped)) return stripped;
  let text = stripped;
  for (;;) {
    const offset = failsAt(text);
    const found = offset === undefined ? null : /^<\s*const\s*>/.exec(text.slice(offset));
    if (offset === undefined || found === null) return text;
    text = text.slice(0, offset) + ' '.repeat(found[0].length) + text.slice(offset + found[0].length);
  }
}

/** The skeleton of a cell. @throws CellFailure when it is no JavaScript */
function checkedSkeleton(code: string): Skeleton | undefined {
  const skeleton = skeletonOf(code, (text) => {
    try {
      return erase(text);
    } catch (thrown) {
      if (thrown instanceof CellFailure) return undefined;
      throw thrown;
    }
  });
  try {
    if (skeleton !== undefined) parseScript(skeleton.text);
    return skeleton;
  } catch (thrown) {
    if (!(thrown instanceof CellFailure)) throw thrown;
    throw new CellFailure(thrown.message, skeleton!.originOf(thrown.offset), code);
  }
}

/**
 * The names that swc changed and that are to be the user's again, which is right for code whose skeleton is.
 * @throws CellFailure when what it printed cannot run, or not under the user's names
 */
function checkedNames(code: string, printed: string, places: Places): ReturnType<typeof renamedIn> {
  try {
    parseScript(printed);
  } catch (thrown) {
    if (!(thrown instanceof CellFailure)) throw thrown;
    throw new CellFailure(thrown.message, originIn(code, printed, places, thrown.offset), code);
  }
  const renamed = renamedIn(code, printed, places);
  const taken = namespaceNames(code);
  for (const { name, offset } of renamed.values()) {
    if (!taken.has(name)) continue;
    throw new CellFailure(
      `'${name}' is the name of an enum or namespace around it: rename one of them`,
      offset,
      code,
    );
  }
  return renamed;
}

const isScript = (code: string): boolean => failsAt(code) === undefined;

/** Where a text is no JavaScript. */
function failsAt(code: string): number | undefined {
  try {
    parse(code, CELL_SYNTAX);
    return undefined;
  } catch (thrown) {
    return (thrown as { pos?: number }).pos ?? 0;
  }
}

function failureOf(error: SwcError, code: string): CellFailure {
  const message = error.message.includes('<eof>') ? 'Unexpected end of input' : error.message;
  return new CellFailure(message, offsetOf(code, error.startLine, error.startColumn), code);
}

/** What swc counts otherwise than one column a UTF-16 unit: it counts what a terminal would show. */
const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}\p{Cc}]/u;
const DOUBLE_WIDTH =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;

/** Offset of swc's position: lines from 1, columns from 0. */
function offsetOf(code: string, line: number | undefined, column: number | undefined): number {
  if (line === undefined) return 0;
  let offset = 0;
  const breaks = /\r\n|\n|\r/g;
  for (let at = 1; at < line; at++) {
    if (breaks.exec(code) === null) break;
    offset = breaks.lastIndex;
  }
  for (let at = 0; at < (column ?? 0) && offset < code.length; ) {
    const character = String.fromCodePoint(code.codePointAt(offset)!);
    at += character.length;
    if (character === '\t') at += 3;
    else if (ZERO_WIDTH.test(character)) at -= 1;
    else if (DOUBLE_WIDTH.test(character)) at += 1;
    offset += character.length;
  }
  return offset;
}
