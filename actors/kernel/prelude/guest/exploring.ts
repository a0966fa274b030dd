/** Looking at a session from outside, always on a throwaway copy of the heap: variables and completions. */
import {
  arraySlice,
  arraySort,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  globalEval,
  IntrinsicObject,
  isArray,
  keys,
  objectPrototype,
  ownKeys,
  push,
  startsWith,
  Table,
  test,
} from './intrinsics.ts';
import { isClass } from './kinds.ts';
import { preview } from './rendering.ts';

interface State {
  lexicals: Record<string, string>;
  globals: Record<string, string>;
}
interface Variable {
  name: string;
  type: string;
  preview: string;
  kind: string;
}

const MAX_VARIABLES = 2000;
const MAX_COMPLETIONS = 500;
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/** The constructor's name for objects, else `typeof`. */
function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'function') return isClass(value) ? 'class' : 'function';
  if (typeof value !== 'object') return typeof value;
  for (let at: object | null = value; at !== null; at = getPrototypeOf(at) as object | null) {
    const maker: unknown = getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof maker !== 'function') continue;
    const name: unknown = getOwnPropertyDescriptor(maker, 'name')?.value;
    if (typeof name === 'string' && name !== '') return name;
  }
  return isArray(value) ? 'Array' : 'Object';
}

function variable(name: string, kind: string): Variable {
  try {
    const value = globalEval(name);
    return { name, type: typeOf(value), preview: preview(value), kind };
  } catch {
    return { name, type: 'undefined', preview: '<not readable>', kind };
  }
}

/** The session's variables: those that cells declared, then properties users put on globalThis. */
export function inspectVariables({ state }: { state: State }): Variable[] {
  const found: Variable[] = [];
  const seen = new Table<string, true>();
  const add = (names: string[], kindOf: (name: string) => string) => {
    for (let at = 0; at < names.length && found.length < MAX_VARIABLES; at++) {
      const name = names[at]!;
      if (seen.has(name)) continue;
      seen.set(name, true);
      push(found, variable(name, kindOf(name)));
    }
  };
  add(keys(state.lexicals), (name) => state.lexicals[name]!);
  add(keys(state.globals), (name) => state.globals[name]!);
  const implicit: string[] = [];
  const all = keys(globalThis);
  for (let at = 0; at < all.length; at++) if (test(IDENTIFIER, all[at]!)) push(implicit, all[at]!);
  add(implicit, () => 'global');
  return found;
}

const KEYWORDS = [
  'async',
  'await',
  'break',
  'case',
  'catch',
  'class',
  'const',
  'continue',
  'debugger',
  'default',
  'delete',
  'do',
  'else',
  'extends',
  'false',
  'finally',
  'for',
  'function',
  'if',
  'in',
  'instanceof',
  'let',
  'new',
  'null',
  'of',
  'return',
  'static',
  'super',
  'switch',
  'this',
  'throw',
  'true',
  'try',
  'typeof',
  'undefined',
  'var',
  'void',
  'while',
  'with',
  'yield',
];

interface Completion {
  completions: string[];
  from: number;
}

/** What could replace `prefix`: members of the expression's value, else names in scope. */
export function complete(given: {
  expression: string | null;
  prefix: string;
  from: number;
  state: State;
}): Completion {
  const { expression, prefix, from, state } = given;
  const found: string[] = [];
  const seen = new Table<string, true>();
  const offer = (names: ArrayLike<PropertyKey>) => {
    const fitting: string[] = [];
    for (let at = 0; at < names.length; at++) {
      const name = names[at]!;
      if (typeof name !== 'string' || !startsWith(name, prefix) || seen.has(name)) continue;
      if (!test(IDENTIFIER, name)) continue;
      seen.set(name, true);
      push(fitting, name);
    }
    arraySort(fitting);
    for (let at = 0; at < fitting.length; at++) push(found, fitting[at]!);
  };
  if (expression === null) {
    offer(keys(state.lexicals));
    offer(keys(state.globals));
    if (prefix !== '') {
      offer(KEYWORDS);
      for (let at: object | null = globalThis; at !== null; at = getPrototypeOf(at) as object | null) {
        offer(ownKeys(at));
      }
    }
  } else offerMembers(expression, prefix, offer);
  return { completions: arraySlice(found, 0, MAX_COMPLETIONS) as string[], from };
}

function offerMembers(
  expression: string,
  prefix: string,
  offer: (names: ArrayLike<PropertyKey>) => void,
): void {
  let value: unknown;
  try {
    value = globalEval(`(${expression}\n)`);
  } catch {
    return;
  }
  if (value === null || value === undefined) return;
  for (
    let at: object | null = IntrinsicObject(value) as object;
    at !== null;
    at = getPrototypeOf(at) as object | null
  ) {
    if (at === objectPrototype && prefix === '' && at !== value) continue;
    if (isArray(at) && at.length > 10_000) continue;
    offer(ownKeys(at));
  }
}
