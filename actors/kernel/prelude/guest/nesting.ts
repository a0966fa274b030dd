/**
 * Builtins that go through what is nested, where the engine knows no cycles (lists written as text) or looks for them
 * at a price that grows with the square of the depth (JSON).
 */
import {
  apply,
  define,
  stringify as engineStringify,
  expose,
  isArray,
  setPrototypeOf,
} from './intrinsics.ts';
import { callWithin, hostDeep } from './wall.ts';

type Method = (this: unknown, ...given: unknown[]) => unknown;
const arrayPrototype = Array.prototype as unknown as Record<string, Method>;
const json: object = JSON;
const { join: engineJoin, toLocaleString: engineLocale } = arrayPrototype;

/** Lists that are being written, without a prototype: no setter of the user's is asked. */
let writing = setPrototypeOf([], null) as unknown[];

/** Notes a list that is going to be written; false when it is being written already. */
function enter(list: unknown): boolean {
  for (let at = 0; at < writing.length; at++) if (writing[at] === list) return false;
  writing[writing.length] = list;
  return true;
}

/** After a strike, which no `finally` sees. */
export function forgetWriting(): void {
  if (writing.length > 0) writing = setPrototypeOf([], null) as unknown[];
}

function localeText(list: ArrayLike<unknown>, given: unknown[]): string {
  let text = '';
  for (let at = 0; at < list.length; at++) {
    const item = list[at];
    if (at > 0) text += ',';
    if (item === null || item === undefined) continue;
    text += `${apply((item as object).toLocaleString, item, given)}`;
  }
  return text;
}

/** Bytes of stack for `JSON.stringify` of what is deep: about the 4,100 levels that it has in V8. */
const STRINGIFY_STACK = 66_000;

/** In a class, as it is strict there: `this` is what the caller says. */
class Ours {
  join(this: unknown, separator?: never): unknown {
    if (!enter(this)) return '';
    try {
      return apply(engineJoin!, this, [separator]);
    } finally {
      // Calls nothing: the stack may have no room for it.
      writing.length--;
    }
  }
  toLocaleString(this: unknown, ...given: never[]): unknown {
    if (!enter(this)) return '';
    try {
      return isArray(this) ? localeText(this, given) : apply(engineLocale!, this, []);
    } finally {
      writing.length--;
    }
  }
  stringify(value: unknown, replacer?: never, space?: never): unknown {
    const deep = typeof value === 'object' && value !== null && hostDeep?.(value, undefined) !== undefined;
    return deep && callWithin !== undefined
      ? callWithin(() => engineStringify(value, replacer, space), STRINGIFY_STACK)
      : engineStringify(value, replacer, space);
  }
}
const ours = Ours.prototype;
define(ours.join, 'length', 1);
define(ours.toLocaleString, 'length', 0);
define(ours.stringify, 'length', 3);

export function installNesting(): void {
  expose(Array.prototype, 'join', ours.join);
  expose(Array.prototype, 'toLocaleString', ours.toLocaleString);
  expose(JSON, 'stringify', ours.stringify);
}

/** Sessions of older versions have the engine's own. */
export function uninstallNesting(): void {
  define(arrayPrototype, 'join', engineJoin);
  define(arrayPrototype, 'toLocaleString', engineLocale);
  define(json, 'stringify', engineStringify);
}
