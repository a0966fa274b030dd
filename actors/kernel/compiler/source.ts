/** From what the user typed to a program that the compiler can rewrite: object literals, then TypeScript. */
import type { Program, Token } from 'acorn';
import { CellFailure, isElement } from './failure.ts';
import { assertRunnable, looksGeneric, parseScript } from './syntax.ts';
import { type Reading, stripTypes } from './typescript.ts';

export interface ParsedCell {
  /** JavaScript text, tokens where the user wrote them (behind `shift` characters of ours). */
  text: string;
  program: Program;
  tokens: Token[];
  shift: number;
}

/**
 * Parses a cell as JavaScript, else as TypeScript. Code that starts with `{` is an expression when it can be.
 * @throws CellFailure when no reading parses, or what parses cannot run in a cell
 */
export function parseCell(code: string, reading: Reading): ParsedCell {
  const readings = /^\s*\{/.test(code) && !/;\s*$/.test(code) ? [`(${code}\n)`, code] : [code];
  let plain: CellFailure | undefined;
  for (const text of readings) {
    const shift = text === code ? 0 : 1;
    const cell = attempt(() => read(text, shift), shift);
    if (cell instanceof CellFailure) {
      plain = cell;
      continue;
    }
    return runnable(typed(cell, reading) ?? cell);
  }
  let stripped: CellFailure | undefined;
  for (const text of readings) {
    const shift = text === code ? 0 : 1;
    const parsed = attempt(() => read(stripTypes(text, reading), shift), shift);
    if (!(parsed instanceof CellFailure)) return runnable(parsed);
    stripped = parsed;
  }
  if (plain !== undefined && isElement(plain.text, plain.offset)) {
    plain.message = 'JSX is not available in a cell';
    throw plain;
  }
  // Whoever got further understood more of the code: the types, when swc did.
  throw stripped !== undefined && stripped.offset > (plain?.offset ?? -1) ? stripped : plain;
}

function read(text: string, shift: number): ParsedCell {
  const tokens: Token[] = [];
  return { text, program: parseScript(text, tokens), tokens, shift };
}

/** The TypeScript reading of code that is also JavaScript, if swc sees types in it. */
function typed({ text, program, shift }: ParsedCell, reading: Reading): ParsedCell | undefined {
  if (!looksGeneric(program)) return undefined;
  const parsed = attempt(() => {
    const script = stripTypes(text, reading);
    return script === text ? undefined : read(script, shift);
  }, shift);
  return parsed instanceof CellFailure ? undefined : parsed;
}

function runnable(cell: ParsedCell): ParsedCell {
  const refused = attempt(() => assertRunnable(cell.program, cell.text), cell.shift);
  if (refused instanceof CellFailure) throw refused;
  return cell;
}

/** Runs a step of one reading; its failure knows how far the reading is shifted. */
function attempt<T>(action: () => T, shift: number): T | CellFailure {
  try {
    return action();
  } catch (thrown) {
    if (thrown instanceof CellFailure) {
      thrown.shift = shift;
      return thrown;
    }
    throw thrown;
  }
}
