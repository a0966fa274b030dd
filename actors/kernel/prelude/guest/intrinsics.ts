/**
 * The builtins that the prelude relies on, taken before any user code runs. Users may overwrite every one of
 * them afterwards: nothing below this line looks them up again. Code of the prelude therefore also avoids
 * `for…of`, spreads and array patterns (they go through Symbol.iterator) and plain stores on user objects.
 */
const { bind, call } = Function.prototype;

/** `uncurry(String.prototype.slice)(text, 1)` is `text.slice(1)` whatever happens to the prototype. */
export const uncurry = bind.bind(call as never) as unknown as <T, A extends unknown[], R>(
  method: (this: T, ...args: A) => R,
) => (self: T, ...args: A) => R;

/** The getter of a property, uncurried. */
export function getterOf<T, R>(holder: object, key: PropertyKey): (self: T) => R {
  const getter = Object.getOwnPropertyDescriptor(holder, key)?.get;
  if (getter === undefined) throw new TypeError(`no getter ${String(key)}`);
  return uncurry(getter as (this: T) => R);
}

export const { apply, ownKeys } = Reflect;
export const {
  create,
  defineProperty,
  getPrototypeOf,
  setPrototypeOf,
  getOwnPropertyDescriptor,
  keys,
  freeze,
} = Object;
export const { isArray } = Array;
export const { stringify, parse } = JSON;
export const { floor, trunc, min, max, abs } = Math;
export const { isNaN: isNotANumber, POSITIVE_INFINITY: INFINITE } = Number;
export const { toStringTag } = Symbol;
export const objectPrototype: object = Object.prototype;
/** Boxes primitives. */
export const IntrinsicObject = Object;
export const { now } = Date;
export const {
  Array: IntrinsicArray,
  Date: IntrinsicDate,
  Error: IntrinsicError,
  Map: IntrinsicMap,
  Promise: IntrinsicPromise,
  Proxy: IntrinsicProxy,
  RangeError: IntrinsicRangeError,
  RegExp: IntrinsicRegExp,
  Set: IntrinsicSet,
  String: IntrinsicString,
  Number: IntrinsicNumber,
  Symbol: IntrinsicSymbol,
  SyntaxError: IntrinsicSyntaxError,
  TypeError: IntrinsicTypeError,
  Uint8Array: IntrinsicUint8Array,
  WeakMap: IntrinsicWeakMap,
  DOMException: IntrinsicDOMException,
} = globalThis;

/** Evaluates in the global scope: sees lexical names of cells. */
// biome-ignore lint/security/noGlobalEval: reading a name of the global lexical scope has no other way
export const globalEval: (code: string) => unknown = globalThis.eval;

// This engine evaluates `${a}${b}` by calling the `concat` it finds: what the prelude writes must not depend on a
// user's. Keeping it out of reach is the one thing that differs from Node.
defineProperty(String.prototype, 'concat', {
  __proto__: null,
  writable: false,
  configurable: false,
} as object);

export const objectToString = uncurry(Object.prototype.toString);
export const hasOwn = uncurry(Object.prototype.hasOwnProperty);
export const isEnumerable = uncurry(Object.prototype.propertyIsEnumerable);
export const functionToString = uncurry(Function.prototype.toString);
export const errorToString = uncurry(Error.prototype.toString);

export const slice = uncurry(String.prototype.slice);
export const indexOf = uncurry(
  String.prototype.indexOf as (this: string, search: string, from?: number) => number,
);
export const lastIndexOf = uncurry(String.prototype.lastIndexOf as (this: string, search: string) => number);
export const startsWith = uncurry(String.prototype.startsWith as (this: string, search: string) => boolean);
export const endsWith = uncurry(String.prototype.endsWith as (this: string, search: string) => boolean);
export const repeat = uncurry(String.prototype.repeat);
export const padStart = uncurry(
  String.prototype.padStart as (this: string, length: number, fill: string) => string,
);
export const charCodeAt = uncurry(String.prototype.charCodeAt);
export const toLowerCase = uncurry(String.prototype.toLowerCase);
export const { fromCharCode } = String;
export const toFixed = uncurry(Number.prototype.toFixed);
export const numberToString = uncurry(Number.prototype.toString as (this: number, radix: number) => string);
export const test = uncurry(RegExp.prototype.test);
export const exec = uncurry(RegExp.prototype.exec);

export const arrayJoin = uncurry(Array.prototype.join as (this: string[], by: string) => string);
export const arraySort = uncurry(Array.prototype.sort as (this: string[]) => string[]);
export const arraySlice = uncurry(
  Array.prototype.slice as (this: unknown[], from: number, to?: number) => unknown[],
);

export const chain = uncurry(
  Promise.prototype.then as (
    this: Promise<unknown>,
    fulfilled: ((value: unknown) => unknown) | undefined,
    rejected: (reason: unknown) => unknown,
  ) => Promise<unknown>,
);

/** A map that user code cannot reach into: methods are captured, keys are never converted. */
export class Table<K, V> {
  readonly #map = new IntrinsicMap<K, V>();
  get(key: K): V | undefined {
    return mapGet(this.#map, key) as V | undefined;
  }
  set(key: K, value: V): void {
    mapSet(this.#map, key, value);
  }
  delete(key: K): boolean {
    return mapDelete(this.#map, key);
  }
  has(key: K): boolean {
    return mapHas(this.#map, key);
  }
  each(visit: (value: V, key: K) => void): void {
    mapForEach(this.#map, visit as never);
  }
}
const mapGet = uncurry(Map.prototype.get);
const mapSet = uncurry(Map.prototype.set);
const mapDelete = uncurry(Map.prototype.delete);
const mapHas = uncurry(Map.prototype.has);
export const mapForEach = uncurry(Map.prototype.forEach);
export const setForEach = uncurry(Set.prototype.forEach);

/** Appends without touching setters that users may have put on Array.prototype. */
export function push<T>(list: T[], item: T): void {
  put(list, list.length, item);
}

/** Defines a global or a method as builtins are: writable, configurable, not enumerable. */
export function define(holder: object, key: PropertyKey, value: unknown): void {
  defineProperty(holder, key, {
    __proto__: null,
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  } as PropertyDescriptor);
}

/** Defines an ordinary property, whatever setters users have put on prototypes. */
export function put(holder: object, key: PropertyKey, value: unknown): void {
  defineProperty(holder, key, {
    __proto__: null,
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  } as PropertyDescriptor);
}

/** Defines a function or class under its name: bundling shortens the names of the source. */
export function expose(holder: object, name: string, value: object): void {
  define(value, 'name', name);
  define(holder, name, value);
}

/** Defines a hidden accessor. */
export function defineGetter(
  holder: object,
  key: PropertyKey,
  get: () => unknown,
  set?: (value: unknown) => void,
): void {
  defineProperty(holder, key, {
    __proto__: null,
    get,
    set,
    enumerable: false,
    configurable: true,
  } as PropertyDescriptor);
}

/** Marks a class or namespace for Object.prototype.toString. */
export function tag(holder: object, name: string): void {
  defineProperty(holder, Symbol.toStringTag, { value: name, configurable: true });
}
