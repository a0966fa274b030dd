/**
 * Values as Node's `util.inspect` writes them: the library extracted from Node, with its two doors to the engine
 * (type checks and internals) replaced by ours, and with every rendering bounded.
 */
import {
  arraySlice,
  create,
  exec,
  freeze,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  INFINITE,
  IntrinsicError,
  IntrinsicMap,
  IntrinsicSet,
  indexOf,
  isArray,
  isEnumerable,
  objectToString,
  ownKeys,
  push,
  setPrototypeOf,
  slice,
  startsWith,
  uncurry,
} from './intrinsics.ts';
import { hasInstance, isTypedArray, proxyDetails, types } from './kinds.ts';
import { probePromise } from './wall.ts';

type InspectOptions = Record<string, unknown>;
interface Library {
  inspect: ((value: unknown, options?: InspectOptions) => string) & {
    custom: symbol;
    defaultOptions: InspectOptions;
  };
  format(...args: unknown[]): string;
}
/** The library's own captured builtins; we bound the one that lists keys. */
interface Primordials {
  ObjectKeys(value: object): string[];
}
type Require = (module: number) => unknown;

/** Characters of one rendering. */
export const MAX_TEXT = 256 * 1024;
/** Keys of one object that are looked at. */
const MAX_KEYS = 1000;
/** Beyond this length, keys of an array other than its elements are not looked for: listing them costs memory. */
const MAX_LISTED = 20_000;

const kPending = Symbol('kPending');
const kRejected = Symbol('kRejected');
const ONLY_ENUMERABLE = 2;

let keysDropped = false;

function nonIndexProperties(value: object, filter: number): PropertyKey[] {
  const found: PropertyKey[] = [];
  const { length } = value as unknown[];
  if ((isArray(value) || isTypedArray(value)) && length > MAX_LISTED) return found;
  const names = ownKeys(value);
  for (let at = 0; at < names.length; at++) {
    const key = names[at]!;
    if (typeof key === 'string' && isIndex(key)) continue;
    if (filter === ONLY_ENUMERABLE && !isEnumerable(value, key)) continue;
    if (filter !== ONLY_ENUMERABLE && getOwnPropertyDescriptor(value, key) === undefined) continue;
    push(found, key);
  }
  return isMatch(found) ? inMatchOrder(found) : found;
}

/** What `exec` and `match` give: this engine puts `groups` first, V8 behind `input`. */
const isMatch = (found: PropertyKey[]): boolean =>
  found[0] === 'groups' && found[1] === 'index' && found[2] === 'input';

function inMatchOrder(found: PropertyKey[]): PropertyKey[] {
  found[0] = 'index';
  found[1] = 'input';
  found[2] = 'groups';
  return found;
}

function isIndex(key: string): boolean {
  const index = (key as unknown as number) >>> 0;
  return `${index}` === key && index !== 4294967295;
}

const binding = {
  constants: { kPending, kRejected, ALL_PROPERTIES: 0, ONLY_ENUMERABLE },
  getOwnNonIndexProperties: nonIndexProperties,
  getPromiseDetails(promise: unknown): unknown[] {
    if (probePromise === undefined) return [kPending, undefined];
    const state = probePromise(promise, 0);
    if (state === 0) return [kPending, undefined];
    return [state === 2 ? kRejected : state, probePromise(promise, 1)];
  },
  getProxyDetails(value: unknown, both = true): unknown {
    const details = proxyDetails(value);
    if (details === undefined) return undefined;
    return both ? details : details[0];
  },
  previewEntries: () => [[], false],
  /** The name of what a null-prototype object is, by its slots. */
  getConstructorName: (value: unknown): string => slice(objectToString(value), 8, -1),
  getExternalValue: () => 0n,
};

/** Ready-made modules of the library, by their numbers inside it. */
export const libraryModules: Record<number, { exports: object }> = {
  499: { exports: types },
  727: { exports: binding },
};

/** The methods that the library calls by name on its list of objects under way. */
const listMethods = freeze({
  __proto__: null,
  push(this: unknown[], item: unknown): void {
    push(this, item);
  },
  pop(this: unknown[]): void {
    this.length--;
  },
  includes(this: unknown[], item: unknown): boolean {
    for (let at = 0; at < this.length; at++) if (this[at] === item) return true;
    return false;
  },
});

/**
 * The list of objects under way: an array with our methods. They are shared: methods that knew their list would
 * leave a cycle behind with every rendering, and sessions' images would carry those until the next collection.
 */
export const ownList = (): unknown[] => setPrototypeOf([], listMethods) as unknown[];

type Step = { done?: boolean; value: unknown };
const mapEntries = uncurry(Map.prototype.entries);
const setValues = uncurry(Set.prototype.values);
const nextOfMap = uncurry(getPrototypeOf(new IntrinsicMap().entries()).next as (this: unknown) => Step);
const nextOfSet = uncurry(getPrototypeOf(new IntrinsicSet().values()).next as (this: unknown) => Step);
const iteratorKey: typeof Symbol.iterator = Symbol.iterator;

const iterable = (iterator: unknown, next: (iterator: unknown) => Step): unknown => ({
  __proto__: null,
  [iteratorKey]: () => ({ __proto__: null, next: () => next(iterator) }),
});

/** What a map or set holds, without its own methods. The library also passes an iterator of it. */
export const mapItems = (map: unknown): unknown =>
  iterable(types.isMap(map) ? mapEntries(map as Map<unknown, unknown>) : map, nextOfMap);
export const setItems = (set: unknown): unknown =>
  iterable(types.isSet(set) ? setValues(set as Set<unknown>) : set, nextOfSet);

let library: Library;
/** The library's options for everyone; a custom inspect function can get hold of them and change them. */
let defaults: InspectOptions;

/** Starts the library; `load` requires its modules. */
export function startLibrary(load: Require): void {
  const primordials = load(683) as Primordials;
  const { ObjectKeys } = primordials;
  const firstKeys = (value: object): string[] => {
    const names = ObjectKeys(value);
    if (names.length <= MAX_KEYS) return names;
    keysDropped = true;
    return arraySlice(names, 0, MAX_KEYS) as string[];
  };
  // The library froze them: what it requires is an heir of ours.
  libraryModules[683] = { exports: create(primordials, { ObjectKeys: { value: firstKeys } }) };
  library = load(223) as Library;
  defaults = library.inspect.defaultOptions;
}

export interface Rendering {
  text: string;
  truncated: boolean;
}

/** The rest needs quoting, or cannot be told without a look at its neighbours. */
const NOT_PLAIN = /[^ -&(-[\]-~\xa0-\ud7ff\ue000-\uffff]/;
const PLAIN_LENGTH = 200;
const PLAIN_BIGINT = 2n ** 64n;

const usual = (): boolean =>
  defaults.colors === false && defaults.numericSeparator === false && defaults.maxStringLength === 10_000;

/**
 * Most results of cells: primitives whose text is known without the library, which takes longer for them than
 * the cell itself. Undefined: the library has to say.
 */
function plainText(value: unknown): string | undefined {
  switch (typeof value) {
    case 'number':
      return value === 0 && 1 / value < 0 ? '-0' : `${value}`;
    case 'bigint':
      return value < PLAIN_BIGINT && value > -PLAIN_BIGINT ? `${value}n` : undefined;
    case 'string':
      if (value.length > PLAIN_LENGTH || exec(NOT_PLAIN, value) !== null) return undefined;
      return `'${value}'`;
    case 'boolean':
    case 'undefined':
      return `${value}`;
    default:
      return value === null ? 'null' : undefined;
  }
}

/** The arguments of a console call joined by blanks, when all are primitives and the first is no format. */
function plainLine(args: unknown[]): string | undefined {
  const first = args[0];
  if (typeof first === 'string' && args.length > 1 && indexOf(first, '%') >= 0) return undefined;
  let line = '';
  for (let at = 0; at < args.length; at++) {
    const text = typeof args[at] === 'string' ? (args[at] as string) : plainText(args[at]);
    if (text === undefined || line.length + text.length >= MAX_TEXT) return undefined;
    line = at === 0 ? text : `${line} ${text}`;
  }
  return line;
}

/** Runs a renderer of the library; whatever goes wrong inside (a getter, a trap, the stack) becomes text. */
function bounded(render: () => string): Rendering {
  keysDropped = false;
  let text: string;
  try {
    text = render();
  } catch (thrown) {
    return { text: `[cannot be rendered: ${messageOf(thrown)}]`, truncated: false };
  }
  if (keysDropped) text += `\n… only the first ${MAX_KEYS} keys of each object are shown`;
  if (text.length <= MAX_TEXT) return { text, truncated: keysDropped };
  return { text: `${slice(text, 0, MAX_TEXT)}… ${text.length - MAX_TEXT} more characters`, truncated: true };
}

function messageOf(thrown: unknown): string {
  try {
    return `${thrown}`;
  } catch {
    return 'unknown error';
  }
}

export function inspectBounded(value: unknown, options?: InspectOptions): Rendering {
  const plain = options === undefined && usual() ? plainText(value) : undefined;
  return plain === undefined
    ? bounded(() => library.inspect(value, options))
    : { text: plain, truncated: false };
}

export const inspect = (value: unknown, options?: InspectOptions): string =>
  inspectBounded(value, options).text;

/** printf-style, as `util.format`. */
export function formatBounded(args: unknown[]): Rendering {
  const plain = usual() ? plainLine(args) : undefined;
  return plain === undefined ? bounded(() => formatAll(args)) : { text: plain, truncated: false };
}

const { apply } = Reflect;
const formatAll = (args: unknown[]): string => apply(library.format, undefined, args);

/** One line of at most 120 characters. */
export function preview(value: unknown): string {
  const { text } = inspectBounded(value, {
    depth: 1,
    breakLength: INFINITE,
    compact: 3,
    maxArrayLength: 12,
    maxStringLength: 120,
  });
  let line = '';
  let blank = false;
  for (let at = 0; at < text.length && line.length <= 120; at++) {
    const character = text[at]!;
    const white = character === '\n' || character === '\r' || character === ' ' || character === '\t';
    if (!white || !blank) line += white ? ' ' : character;
    blank = white;
  }
  return line.length <= 120 ? line : `${slice(line, 0, 119)}…`;
}

export interface Failure {
  name: string;
  message: string;
  stack: string;
}

/** A thrown value as name, message and the text a REPL prints. Non-errors are `Uncaught`. */
export function describe(thrown: unknown): Failure {
  const isObject = typeof thrown === 'object' && thrown !== null;
  let name = 'Uncaught';
  let message: string | undefined;
  try {
    // By prototype: errors may also be DOMExceptions or made by Object.create.
    if (isObject && hasInstance(IntrinsicError, thrown)) {
      const error = thrown as Error;
      name = `${error.name}`;
      message = `${error.message}`;
    }
  } catch {
    // A throwing getter: rendered below.
  }
  let stack = inspect(thrown);
  // No stack (the engine had none left to make one): the brackets around the text say nothing to a reader.
  if (message !== undefined && startsWith(stack, `[${name}: `)) stack = `${name}: ${message}`;
  return { name: bounds(name, 200), message: bounds(message ?? stack, 16_384), stack: bounds(stack, 65_536) };
}

const bounds = (text: string, limit: number): string =>
  text.length > limit ? `${slice(text, 0, limit)}…` : text;
