/**
 * How a cell comes by the names that it declares. Pure.
 *
 * The engine's own declarations have dead zones and constants, but it refuses to declare a lexical name twice. So a
 * declarator whose names are all new stays as it is; one with a name that there is becomes an assignment, and its new
 * names are declared in a script of their own beforehand. A constant that is declared again is unlocked for the cell;
 * one that never got a value is dropped, and so is new.
 */
import type { Program } from 'acorn';
import type { Bindings } from '../prelude/guest/bindings.ts';
import type { Declarations, Kind } from './scope.ts';
import { boundNames, type SyntaxNode } from './tree.ts';

/** What later cells must know of earlier ones. Plain JSON, immutable. */
export interface CompilerState {
  /** Names with a slot in the global lexical scope, with their latest kind. */
  readonly lexicals: Readonly<Record<string, Kind>>;
  /** Names that var or function made properties of globalThis, with their latest kind. */
  readonly globals: Readonly<Record<string, Kind>>;
  /** Names among the lexicals whose initialiser failed: they have no value, and may be declared as if new. */
  readonly unset?: readonly string[];
}

export const initialCompilerState: CompilerState = { lexicals: {}, globals: {} };

export interface Declaring {
  /** Kinds once the cell has ended. */
  lexicals: Map<string, Kind>;
  globals: Map<string, Kind>;
  /** Names that there were, those without a value left out. */
  before: { lexicals: Set<string>; globals: Set<string> };
  /** New lexical names that the cell only assigns to. */
  fresh: string[];
  bindings: Bindings | undefined;
  next: CompilerState;
  /** Whether the engine declares all names of a class or of a declarator. */
  isNative(declared: SyntaxNode): boolean;
}

/** @param native whether the engine declares names at all, as opposed to sessions of version 1 */
export function declaring(
  program: Program,
  found: Declarations,
  state: CompilerState,
  native: boolean,
): Declaring {
  const lexicals = new Map(Object.entries(state.lexicals));
  const globals = new Map(Object.entries(state.globals));
  const drop = (state.unset ?? []).filter((name) => found.kinds.has(name));
  for (const name of drop) lexicals.delete(name);
  const before = { lexicals: new Set(lexicals.keys()), globals: new Set(globals.keys()) };
  const isNew = (name: string) => !before.lexicals.has(name) && !before.globals.has(name);
  const natives = new Set<SyntaxNode>();
  const watch: string[] = [];
  for (const [node, names] of native ? lexicalsOf(program) : []) {
    if (!names.every(isNew)) continue;
    natives.add(node);
    watch.push(...names);
  }
  const own = new Set(watch);
  const bindings = { drop, unlock: [] as string[], lock: [] as string[], watch };
  const fresh: string[] = [];
  for (const [name, kind] of found.kinds) {
    const known = lexicals.get(name);
    if (known === undefined && (globals.has(name) || kind === 'var' || kind === 'function')) {
      globals.set(name, kind);
      continue;
    }
    lexicals.set(name, kind);
    if (own.has(name)) continue;
    if (known === undefined) fresh.push(name);
    if (known === 'const') bindings.unlock.push(name);
    if (kind === 'const') bindings.lock.push(name);
  }
  for (const { name } of found.leaking) {
    if (!lexicals.has(name) && !found.kinds.has(name)) globals.set(name, 'function');
  }
  const next: CompilerState = {
    lexicals: Object.fromEntries(lexicals),
    globals: Object.fromEntries(globals),
  };
  const unset = (state.unset ?? []).filter((name) => !found.kinds.has(name));
  return {
    lexicals,
    globals,
    before,
    fresh,
    bindings: native ? filled(bindings) : undefined,
    next: unset.length === 0 ? next : { ...next, unset },
    isNative: (declared) => natives.has(declared),
  };
}

/** The state after a cell that ended before these names had a value. */
export const withUnset = (state: CompilerState, names: readonly string[]): CompilerState => ({
  ...state,
  unset: [...(state.unset ?? []), ...names],
});

/** Classes and the declarators of let and const at the top level, with their names. */
function* lexicalsOf({ body }: Program): Generator<[SyntaxNode, string[]]> {
  for (const statement of body) {
    if (statement.type === 'ClassDeclaration') yield [statement, [statement.id.name]];
    if (statement.type !== 'VariableDeclaration' || statement.kind === 'var') continue;
    for (const declarator of statement.declarations) yield [declarator, boundNames(declarator.id)];
  }
}

/** Without the lists that are empty; undefined when all are. */
function filled(bindings: Required<Bindings>): Bindings | undefined {
  const lists = Object.entries(bindings).filter(([, names]) => names.length > 0);
  return lists.length === 0 ? undefined : Object.fromEntries(lists);
}
