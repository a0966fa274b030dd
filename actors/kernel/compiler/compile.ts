/**
 * The cell compiler: one cell of the user's code into scripts for QuickJS, with the semantics of Chrome DevTools'
 * REPL mode (`docs/cells.md` lists where they differ).
 *
 * Names that are new are declared by the engine. It refuses to declare a lexical name twice, so a name that there is
 * is assigned to instead (see `declaring.ts`), inside `var {}=(…,0)`, a statement whose completion value is empty as
 * a declaration's is. `var` and `function` stay native, on globalThis, unless their name is a lexical one already.
 * A write to a top-level const becomes a write to a property whose setter throws what V8 would.
 */
import { version as acornVersion, type Program, type Token } from 'acorn';
import { BEHAVIOUR_VERSION, behaves } from '../behaviours.ts';
import type { Bindings } from '../prelude/guest/bindings.ts';
import { assignDeclarations, assignVars, hoistFunctions } from './assigning.ts';
import { markBegan } from './began.ts';
import { unifyBreaks } from './breaks.ts';
import { type CompilerState, type Declaring, declaring } from './declaring.ts';
import { CellFailure, type CellSyntaxError, syntaxError } from './failure.ts';
import { Lines, positionOf } from './lines.ts';
import { type Located, locatedIn } from './located.ts';
import { markedIn } from './markers.ts';
import { operationsIn } from './operations.ts';
import type { Insertion } from './probing.ts';
import { Rewriting } from './rewriting.ts';
import { type Declarations, declarationsOf, type Kind, leavesNoCode, writesTo } from './scope.ts';
import { slotsIn } from './slots.ts';
import { type ParsedCell, parseCell } from './source.ts';
import { directives } from './tree.ts';
import { swcVersion } from './typescript.ts';

export { type CompilerState, initialCompilerState } from './declaring.ts';
export { completionTarget, isIncomplete } from './input.ts';
export type { CellSyntaxError, Kind };

/** Raise it whenever the output for any cell changes: old logs then keep their old kernel version. */
const OUTPUT_VERSION = 6;

/** Names the compiler's output and everything that decides it; part of the kernel's version. */
export const compilerVersion = `cells-${OUTPUT_VERSION} acorn-${acornVersion} swc-${swcVersion}`;

export type CompiledCell =
  | {
      ok: true;
      /** Script that declares the new lexical names that the body only assigns to; run once, before it. */
      declare: string | null;
      /** Script to evaluate with the async flag; its first line is a prologue of ours. */
      body: string;
      /** Positions of the body in the user's code (see `rewriting.ts`); null: one line up, else the same. */
      map: string | null;
      /** What the prelude does to bindings before and after. */
      bindings?: Bindings;
      next: CompilerState;
    }
  | { ok: false; error: CellSyntaxError };

/** Positions in longer cells, which are data more than code, are the engine's own. */
const PRECISE_LENGTH = 100_000;

const CONST_WRITE = 'Assignment to constant variable.';

/**
 * Compiles one cell. Never throws.
 * @param cell its number, for positions such as `<cell 3>:2:7`
 * @param version of the session's behaviours
 * @param looks what is put in to look at the cell while it runs (see `probing.ts`)
 */
export function compileCell(
  code: string,
  state: CompilerState,
  cell: number,
  version: number = BEHAVIOUR_VERSION,
  looks: readonly Insertion[] = [],
): CompiledCell {
  try {
    return rewrite(parseCell(code, version), state, version, looks);
  } catch (thrown) {
    // Anything else is a stack overflow of a recursive walk.
    const failure =
      thrown instanceof CellFailure ? thrown : new CellFailure('The cell is nested too deeply', 0, code);
    const [line, column] = positionOf(failure.text, failure.offset, failure.shift);
    return { ok: false, error: syntaxError(failure.message, cell, line, column) };
  }
}

function rewrite(
  { text, program, tokens, shift }: ParsedCell,
  state: CompilerState,
  version: number,
  looks: readonly Insertion[],
): CompiledCell {
  const found = declarationsOf(program);
  const native = behaves(version, 'deadZones');
  const plan = declaring(program, found, state, native);
  const { lexicals, before, fresh } = plan;

  const out = new Rewriting(text);
  const { strict, end: directivesEnd } = directives(program);
  if (strict) out.frontText('"use strict";');
  // The bracket before an object literal: everything behind it stands one column further left.
  if (shift > 0) out.replace(0, shift, text.slice(0, shift));
  if (text.startsWith('#!')) out.replace(0, 2, '//');
  if (behaves(version, 'lineSeparators')) unifyBreaks(out, text, tokens);
  const operations = behaves(version, 'operationsNoted');
  const lines = new Lines(text);
  const precise = text.length <= PRECISE_LENGTH;
  // First, as its brackets are outside of the markers'.
  if (behaves(version, 'rejectionsReported')) markBegan(out, text, program, tokens, operations);
  for (const look of looks) if (!look.last) putIn(out, look);
  const located = precise ? locatedIn(program, tokens, text, operations ? lines : undefined) : [];
  if (precise) mark(out, program, tokens, lines, located, version);
  const hoisted = new Set<string>();
  assignDeclarations(out, program, tokens, plan, hoisted);
  assignVars(out, found, before.lexicals, hoisted);
  containLeaks(out, found, lexicals);
  refuseConstWrites(out, program, plan, native);
  const vars = [...hoisted].filter((name) => !lexicals.has(name));
  if (vars.length > 0) out.frontText(`var ${vars.join(',')};`, directivesEnd);
  for (const look of looks) if (look.last) putIn(out, look);
  hoistFunctions(out, program, before.lexicals);

  const { body, map } = out.render(shift, located);
  const declare = fresh.length === 0 ? null : `let ${fresh.join(',')};`;
  const once = map !== null && leavesNoCode(program) ? `!${map}` : map;
  const cell: CompiledCell = { ok: true, declare, body, map: once, next: plan.next };
  if (plan.bindings !== undefined) cell.bindings = plan.bindings;
  return cell;
}

function putIn(out: Rewriting, { at, text, other }: Insertion): void {
  if (other === undefined) out.insert(at, text);
  else out.insertMarker(at, text, at, other);
}

/** Puts in what makes the engine note where things stand. */
function mark(
  out: Rewriting,
  program: Program,
  tokens: readonly Token[],
  lines: Lines,
  located: readonly Located[],
  version: number,
): void {
  const operations = behaves(version, 'operationsNoted');
  const marked = markedIn(program, lines, operations);
  for (const { statement, marker, to } of marked) out.insertMarker(statement.start, marker, to);
  if (lines.count === 1) return;
  const inserted = operations
    ? operationsIn(program, tokens, lines, marked, located)
    : slotsIn(program, tokens, lines, version);
  for (const { at, text: marker, to, other } of inserted) {
    if (to === undefined) out.insert(at, marker);
    else out.insertMarker(at, marker, to, other);
  }
}

/** A function in a block stays in the block when its name is lexical outside: a `let` around it says so. */
function containLeaks(out: Rewriting, found: Declarations, lexicals: ReadonlyMap<string, Kind>): void {
  for (const { name, parent } of found.leaking) {
    if (!lexicals.has(name)) continue;
    const inside = parent.type === 'BlockStatement' ? 1 : 0;
    out.insert(parent.start + inside, `{let ${name};{`);
    out.insert(parent.end - inside, '}}');
  }
}

function refuseConstWrites(
  out: Rewriting,
  program: Program,
  { lexicals, globals }: Declaring,
  native: boolean,
): void {
  const names = new Set<string>();
  for (const [name, kind] of [...lexicals, ...globals]) if (kind === 'const') names.add(name);
  for (const { target, shorthand } of writesTo(program, names)) {
    const key = `"${CONST_WRITE}"`;
    // Before a dead zone's end that is what is wrong.
    const read = native ? `${target.name};` : '';
    const box = `new class{get ${key}(){return ${target.name}}set ${key}(v){${read}throw new TypeError(${key})}}()[${key}]`;
    out.replace(target.start, target.end, shorthand ? `${target.name}:${box}` : box);
  }
}
