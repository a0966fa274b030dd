/** From what the user typed to a program that the compiler can rewrite: object literals, then TypeScript. */
import type { Program, Token } from 'acorn';
import { behaves } from '../behaviours.ts';
import { CellFailure, isElement } from './failure.ts';
import { assertRunnable, looksGeneric, parseScript } from './syntax.ts';
import { stripTypes } from './typescript.ts';

export interface ParsedCell {
  /** JavaScript text, tokens where the user wrote them (behind `shift` characters of ours). */
  text: string;
  program: Program;
  tokens: Token[];
  shift: number;
}

/** One way to read a cell. */
interface Reading {
  text: string;
  shift: number;
  /** Refused unless all of it is one object literal. */
  object?: boolean;
}

/** What starts with a brace is a block, but for an object literal, and for what can only be an expression. */
function readingsOf(code: string, version: number): Reading[] {
  const script = { text: code, shift: 0 };
  if (!/^\s*\{/.test(code)) return [script];
  if (!behaves(version, 'objectCells')) {
    return /;\s*$/.test(code) ? [script] : [{ text: `(${code}\n)`, shift: 1 }, script];
  }
  const object = { text: `(${code.replace(/[\s;]+$/, '')}\n)`, shift: 1, object: true };
  return [object, script, { text: `(${code}\n)`, shift: 1 }];
}

/**
 * Parses a cell as JavaScript, else as TypeScript.
 * @param version of the session's behaviours
 * @throws CellFailure when no reading parses, or what parses cannot run in a cell
 */
export function parseCell(code: string, version: number): ParsedCell {
  const readings = readingsOf(code, version);
  const strictness = behaves(version, 'cellsChecked') ? 'checked' : 'lenient';
  const strip = (text: string) => stripTypes(text, strictness);
  let plain: CellFailure | undefined;
  for (const reading of readings) {
    const cell = attempt(reading, (text) => text);
    if (!(cell instanceof CellFailure)) return runnable(typed(cell, strip) ?? cell);
    if (reading.text === code) plain = cell;
  }
  let stripped: CellFailure | undefined;
  for (const reading of readings) {
    const parsed = attempt(reading, strip);
    if (!(parsed instanceof CellFailure)) return runnable(parsed);
    if (reading.text === code) stripped = parsed;
  }
  if (plain !== undefined && isElement(plain.text, plain.offset)) {
    plain.message = 'JSX is not available in a cell';
    throw plain;
  }
  // Whoever got further understood more of the code: the types, when swc did.
  throw stripped !== undefined && stripped.offset > (plain?.offset ?? -1) ? stripped : plain;
}

/** The TypeScript reading of code that is also JavaScript, if swc sees types in it. */
function typed(
  { text, program, shift }: ParsedCell,
  strip: (text: string) => string,
): ParsedCell | undefined {
  if (!looksGeneric(program)) return undefined;
  const parsed = attempt({ text, shift }, strip);
  return parsed instanceof CellFailure || parsed.text === text ? undefined : parsed;
}

function runnable(cell: ParsedCell): ParsedCell {
  try {
    assertRunnable(cell.program, cell.text);
    return cell;
  } catch (thrown) {
    if (thrown instanceof CellFailure) thrown.shift = cell.shift;
    throw thrown;
  }
}

/** Reads one way; a failure knows how far the reading is shifted. */
function attempt(
  { text, shift, object }: Reading,
  toScript: (text: string) => string,
): ParsedCell | CellFailure {
  try {
    const script = toScript(text);
    const tokens: Token[] = [];
    const program = parseScript(script, tokens);
    if (object && !isObject(program)) return new CellFailure('This is not an object literal', 0, text);
    return { text: script, program, tokens, shift };
  } catch (thrown) {
    if (thrown instanceof CellFailure) thrown.shift = shift;
    else throw thrown;
    return thrown;
  }
}

const isObject = ({ body: [only, ...others] }: Program): boolean =>
  others.length === 0 && only?.type === 'ExpressionStatement' && only.expression.type === 'ObjectExpression';
