/** Compiled cells by the state they were compiled in: the same cell in the same state need not be compiled twice. */
import { type CompiledCell, type CompilerState, compileCell } from './compiler/compile.ts';

/** Cells remembered for one state, and the longest code worth it. */
const REMEMBERED = 16;
const MAX_CODE = 2_000;

const remembered = new Map<number, WeakMap<CompilerState, Map<string, CompiledCell>>>();

/** As `compileCell`; a cell that declares nothing new has the very state it was given as its next. */
export function compileOnce(code: string, state: CompilerState, cell: number, version: number): CompiledCell {
  let states = remembered.get(version);
  if (states === undefined) {
    states = new WeakMap();
    remembered.set(version, states);
  }
  let cells = states.get(state);
  const known = cells?.get(code);
  if (known !== undefined) return known;
  let compiled = compileCell(code, state, cell, version);
  // Errors name the cell.
  if (!compiled.ok) return compiled;
  if (
    sameNames(compiled.next.lexicals, state.lexicals) &&
    sameNames(compiled.next.globals, state.globals) &&
    compiled.next.unset === state.unset
  ) {
    compiled = { ...compiled, next: state };
  }
  if (code.length > MAX_CODE) return compiled;
  if (cells === undefined) {
    cells = new Map();
    states.set(state, cells);
  }
  if (cells.size === REMEMBERED) cells.delete(cells.keys().next().value!);
  cells.set(code, compiled);
  return compiled;
}

/** Equal with the same order: the order is part of what is hashed. */
function sameNames(left: Readonly<Record<string, string>>, right: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(left);
  const others = Object.keys(right);
  return (
    names.length === others.length &&
    names.every((name, at) => name === others[at] && left[name] === right[name])
  );
}
