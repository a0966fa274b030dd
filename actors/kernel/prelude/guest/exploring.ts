/** Looking at a session from outside, always on a throwaway copy of the heap: variables and completions. */
import {
  arraySlice,
  arraySort,
  exec,
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
  uncurry,
} from './intrinsics.ts';
import { isClass, isTypedArray, proxyDetails } from './kinds.ts';
import { preview } from './rendering.ts';
import { emit } from './wall.ts';

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

const NOT_SHOWN = '<cannot be shown: it takes too long or too much memory>';
const NOT_REACHED = '<cannot be shown: others take all the time of a look>';
const MAX_VARIABLES = 2000;
/** Members of one object that are considered. */
const MAX_MEMBERS = 20_000;
const MAX_COMPLETIONS = 500;
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

// Not `test`: that asks the `exec` it finds.
const isIdentifier = (name: string): boolean => exec(IDENTIFIER, name) !== null;

/** What a look finds behind a proxy, so that no trap runs; null when that was revoked. */
function behindProxies(value: object | null): object | null {
  let at = value;
  for (let details = proxyDetails(at); details !== undefined; details = proxyDetails(at)) at = details[0];
  return at;
}

/** The next object that lends its members. */
const lenderOf = (value: object): object | null => behindProxies(getPrototypeOf(value) as object | null);

/** The constructor's name for objects, else `typeof`. */
function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'function') return isClass(value) ? 'class' : 'function';
  if (typeof value !== 'object') return typeof value;
  for (let at = behindProxies(value); at !== null; at = lenderOf(at)) {
    const maker: unknown = getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof maker !== 'function') continue;
    const name: unknown = getOwnPropertyDescriptor(maker, 'name')?.value;
    if (typeof name === 'string' && name !== '') return name;
  }
  return isArray(behindProxies(value)) ? 'Array' : 'Object';
}

function variable(name: string, kind: string): Variable {
  try {
    const value = globalEval(name);
    return { name, type: typeOf(value), preview: preview(value), kind };
  } catch {
    return { name, type: 'undefined', preview: '<not readable>', kind };
  }
}

/**
 * The session's variables: those that cells declared, then properties users put on globalThis. All are listed before
 * anything of theirs runs; the host hears of that, and of each from the `from`-th on what there is to see, so that what
 * it has heard is kept when the look is struck. The first of them, or all, may be `withheld`.
 */
export function inspectVariables({
  state,
  from,
  withheld,
}: {
  state: State;
  from: number;
  withheld: 'none' | 'first' | 'all';
}): null {
  const names: string[] = [];
  const kinds: string[] = [];
  const seen = new Table<string, true>();
  const list = (some: string[], kindOf: (name: string) => string) => {
    for (let at = 0; at < some.length && names.length < MAX_VARIABLES; at++) {
      const name = some[at]!;
      if (seen.has(name)) continue;
      seen.set(name, true);
      push(names, name);
      push(kinds, kindOf(name));
    }
  };
  list(keys(state.lexicals), (name) => state.lexicals[name]!);
  list(keys(state.globals), (name) => state.globals[name]!);
  const implicit: string[] = [];
  const all = keys(globalThis);
  for (let at = 0; at < all.length; at++) if (isIdentifier(all[at]!)) push(implicit, all[at]!);
  list(implicit, () => 'global');
  emit('listed', undefined);
  for (let at = from; at < names.length; at++) {
    const name = names[at]!;
    const kind = kinds[at]!;
    const isWithheld = withheld === 'all' || (withheld === 'first' && at === from);
    const hidden = { name, type: 'unknown', preview: at === from ? NOT_SHOWN : NOT_REACHED, kind };
    emit('looked', isWithheld ? hidden : variable(name, kind));
  }
  return null;
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
    for (let at = 0; at < names.length && at < MAX_MEMBERS; at++) {
      const name = names[at]!;
      if (typeof name !== 'string' || !startsWith(name, prefix) || seen.has(name)) continue;
      if (!isIdentifier(name)) continue;
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
      for (let at = behindProxies(globalThis); at !== null; at = lenderOf(at)) {
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
  for (let at = behindProxies(IntrinsicObject(value) as object); at !== null; at = lenderOf(at)) {
    if (at === objectPrototype && prefix === '' && at !== value) continue;
    if (!isList(at)) offer(ownKeys(at));
  }
}

// By its slot alone: what it inherits from may be a proxy.
const textOf = uncurry(String.prototype.valueOf);
function isLongString(value: object): boolean {
  try {
    return textOf(value as never).length > MAX_MEMBERS;
  } catch {
    return false;
  }
}

/** Its keys are mostly indices: to list them could take all the memory there is. */
const isList = (value: object): boolean =>
  isLongString(value) || isTypedArray(value) || (isArray(value) && value.length > 10_000);
