/**
 * The cell compiler: one cell of the user's code into scripts for QuickJS, with the semantics of Chrome DevTools'
 * REPL mode.
 *
 * QuickJS refuses to declare a lexical name twice, so each name is declared once, in a script of its own
 * (`declare`), and every declaration of it in a cell becomes an assignment inside `var {}=(…,0)`, a statement
 * whose completion value is empty as a declaration's is. `var` and `function` stay native, on globalThis, unless
 * their name is a lexical one already. Constness is checked here: a write to a top-level const becomes a write
 * to a property whose setter throws. (Code made by `eval`, and closures of cells older than the const, escape.)
 */
import { version as acornVersion, type Program, type Token } from 'acorn';
import { BEHAVIOUR_VERSION, behaves } from '../behaviours.ts';
import { markBegan } from './began.ts';
import { unifyBreaks } from './breaks.ts';
import { CellFailure, type CellSyntaxError, syntaxError } from './failure.ts';
import { Lines, positionOf } from './lines.ts';
import { locatedIn } from './located.ts';
import { markedIn } from './markers.ts';
import { Rewriting } from './rewriting.ts';
import { type Declarations, declarationsOf, type Kind, leavesNoCode, writesTo } from './scope.ts';
import { slotsIn } from './slots.ts';
import { type ParsedCell, parseCell } from './source.ts';
import { declaredNames, directives } from './tree.ts';
import { swcVersion } from './typescript.ts';

export { completionTarget, isIncomplete } from './input.ts';
export type { CellSyntaxError, Kind };

/** Raise it whenever the output for any cell changes: old logs then keep their old kernel version. */
const OUTPUT_VERSION = 4;

/** Names the compiler's output and everything that decides it; part of the kernel's version. */
export const compilerVersion = `cells-${OUTPUT_VERSION} acorn-${acornVersion} swc-${swcVersion}`;

/** What later cells must know of earlier ones. Plain JSON, immutable. */
export interface CompilerState {
  /** Names with a slot in the global lexical scope, with their latest kind. */
  readonly lexicals: Readonly<Record<string, Kind>>;
  /** Names that var or function made properties of globalThis, with their latest kind. */
  readonly globals: Readonly<Record<string, Kind>>;
}

export const initialCompilerState: CompilerState = { lexicals: {}, globals: {} };

export type CompiledCell =
  | {
      ok: true;
      /** Script that declares new lexical names; run once, before the body. */
      declare: string | null;
      /** Script to evaluate with the async flag; its first line is a prologue of ours. */
      body: string;
      /** Positions of the body in the user's code (see `rewriting.ts`); null: one line up, else the same. */
      map: string | null;
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
 */
export function compileCell(
  code: string,
  state: CompilerState,
  cell: number,
  version: number = BEHAVIOUR_VERSION,
): CompiledCell {
  try {
    return rewrite(parseCell(code, version), state, version);
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
): CompiledCell {
  const lexicals = new Map(Object.entries(state.lexicals));
  const globals = new Map(Object.entries(state.globals));
  const before = { lexicals: new Set(lexicals.keys()), globals: new Set(globals.keys()) };
  const found = declarationsOf(program);

  const fresh: string[] = [];
  for (const [name, kind] of found.kinds) {
    if (lexicals.has(name)) lexicals.set(name, kind);
    else if (globals.has(name) || kind === 'var' || kind === 'function') globals.set(name, kind);
    else {
      lexicals.set(name, kind);
      fresh.push(name);
    }
  }
  for (const { name } of found.leaking) {
    if (!lexicals.has(name) && !found.kinds.has(name)) globals.set(name, 'function');
  }
  const next: CompilerState = {
    lexicals: Object.fromEntries(lexicals),
    globals: Object.fromEntries(globals),
  };

  const out = new Rewriting(text);
  const { strict, end: directivesEnd } = directives(program);
  if (strict) out.frontText('"use strict";');
  // The bracket before an object literal: everything behind it stands one column further left.
  if (shift > 0) out.replace(0, shift, text.slice(0, shift));
  if (text.startsWith('#!')) out.replace(0, 2, '//');
  if (behaves(version, 'lineSeparators')) unifyBreaks(out, text, tokens);
  const precise = text.length <= PRECISE_LENGTH;
  // First, as its brackets are outside of the markers'.
  if (behaves(version, 'rejectionsReported')) markBegan(out, text, program, tokens);
  if (precise) mark(out, program, tokens, text);
  const hoisted = new Set<string>();
  assignDeclarations(out, program, before, hoisted);
  assignVars(out, found, before.lexicals, hoisted);
  containLeaks(out, found, lexicals);
  refuseConstWrites(out, program, lexicals, globals);
  const native = [...hoisted].filter((name) => !lexicals.has(name));
  if (native.length > 0) out.frontText(`var ${native.join(',')};`, directivesEnd);
  hoistFunctions(out, program, before.lexicals);

  const { body, map } = out.render(shift, precise ? locatedIn(program, tokens, text) : []);
  const declare = fresh.length === 0 ? null : `let ${fresh.join(',')};`;
  const once = map !== null && leavesNoCode(program) ? `!${map}` : map;
  return { ok: true, declare, body, map: once, next };
}

/** Puts in what makes the engine note where things stand. */
function mark(out: Rewriting, program: Program, tokens: readonly Token[], text: string): void {
  const lines = new Lines(text);
  for (const { statement, marker, to } of markedIn(program, lines)) {
    out.insertMarker(statement.start, marker, to);
  }
  if (lines.count === 1) return;
  for (const { at, text: marker, to } of slotsIn(program, tokens, lines)) {
    if (to === undefined) out.insert(at, marker);
    else out.insertMarker(at, marker, to);
  }
}

/** Top-level let, const and class become assignments; functions of lexical names are cut out (see hoistFunctions). */
function assignDeclarations(
  out: Rewriting,
  program: Program,
  before: { lexicals: Set<string>; globals: Set<string> },
  hoisted: Set<string>,
): void {
  for (const statement of program.body) {
    if (statement.type === 'VariableDeclaration' && statement.kind !== 'var') {
      assignInPlace(out, statement, true);
      for (const name of declaredNames(statement)) if (before.globals.has(name)) hoisted.add(name);
    } else if (statement.type === 'ClassDeclaration') {
      out.insert(statement.start, `var {}=(${statement.id.name}=`);
      out.insert(statement.end, ',0);');
      if (before.globals.has(statement.id.name)) hoisted.add(statement.id.name);
    } else if (statement.type === 'FunctionDeclaration' && before.lexicals.has(statement.id.name)) {
      out.replace(statement.start, statement.end, ';', true);
    }
  }
}

/** `let a = 1, b;` to `var {}=(a = 1, b=void 0,0);`: the value assigned, the completion value empty. */
function assignInPlace(
  out: Rewriting,
  statement: Parameters<typeof declaredNames>[0],
  resets: boolean,
): void {
  const first = statement.declarations[0]!;
  const last = statement.declarations.at(-1)!;
  out.replace(statement.start, first.id.start, 'var {}=(');
  for (const declarator of statement.declarations) {
    if (!declarator.init && resets) out.insert(declarator.id.end, '=void 0');
  }
  out.insert(last.end, statement.end > last.end ? ',0)' : ',0);');
}

/** A `var` of a lexical name assigns to it. */
function assignVars(out: Rewriting, found: Declarations, lexicals: Set<string>, hoisted: Set<string>): void {
  for (const { node, place } of found.vars) {
    const names = declaredNames(node);
    if (!names.some((name) => lexicals.has(name))) continue;
    for (const name of names) if (!lexicals.has(name)) hoisted.add(name);
    const first = node.declarations[0]!;
    if (place === 'statement') {
      assignInPlace(out, node, false);
    } else if (place === 'init') {
      if (node.declarations.some((declarator) => declarator.init))
        out.replace(node.start, first.id.start, '');
      else out.replace(node.start, node.end, '');
    } else {
      const plain = first.id.type === 'Identifier';
      out.replace(node.start, first.id.start, plain ? '(' : '');
      out.replace(first.id.end, node.end, plain ? ')' : '');
    }
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
  lexicals: Map<string, Kind>,
  globals: Map<string, Kind>,
): void {
  const names = new Set<string>();
  for (const [name, kind] of [...lexicals, ...globals]) if (kind === 'const') names.add(name);
  for (const { target, shorthand } of writesTo(program, names)) {
    const key = `"${CONST_WRITE}"`;
    const box = `new class{get ${key}(){return ${target.name}}set ${key}(v){throw new TypeError(${key})}}()[${key}]`;
    out.replace(target.start, target.end, shorthand ? `${target.name}:${box}` : box);
  }
}

/** Functions whose name is lexical are assigned at the start, as hoisting would. */
function hoistFunctions(out: Rewriting, program: Program, lexicals: Set<string>): void {
  for (const statement of program.body) {
    if (statement.type !== 'FunctionDeclaration' || !lexicals.has(statement.id.name)) continue;
    out.frontText(`var {}=(${statement.id.name}=`, statement.start);
    out.frontSlice(statement.start, statement.id.start);
    out.frontSlice(statement.id.end, statement.end);
    out.frontText(',0);', statement.end);
  }
}
