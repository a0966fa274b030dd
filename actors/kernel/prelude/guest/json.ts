/** User values as JSON for the wall, or a TypeError that says where they are none. */
import {
  getPrototypeOf,
  IntrinsicTypeError,
  isArray,
  keys,
  push,
  put,
  setPrototypeOf,
  stringify,
} from './intrinsics.ts';

const MAX_DEPTH = 200;
const plainPrototype = Object.prototype;

/**
 * A copy of `value` made of null-prototype objects and arrays, so that no `toJSON` of anyone is asked later.
 * Properties that are undefined are left out, as in JSON.
 * @throws TypeError naming the path of what is not JSON
 */
export function jsonOf(value: unknown, path: string): unknown {
  return copy(value, path, []);
}

function copy(value: unknown, path: string, above: object[]): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (value - value !== 0) throw new IntrinsicTypeError(`${path} is ${value}, which is not JSON`);
      return value;
    case 'object':
      if (value === null) return null;
      break;
    default:
      throw new IntrinsicTypeError(`${path} is ${article(typeof value)}, which is not JSON`);
  }
  for (let at = 0; at < above.length; at++) {
    if (above[at] === value)
      throw new IntrinsicTypeError(`${path} refers back to its parent: cycles are not JSON`);
  }
  if (above.length > MAX_DEPTH) throw new IntrinsicTypeError(`${path} is nested too deeply`);
  push(above, value);
  const made = isArray(value) ? copyArray(value, path, above) : copyObject(value, path, above);
  above.length--;
  return made;
}

const article = (kind: string): string => (kind === 'undefined' ? kind : `a ${kind}`);

function copyArray(value: unknown[], path: string, above: object[]): unknown[] {
  const made: unknown[] = [];
  for (let at = 0; at < value.length; at++) {
    const item = value[at];
    push(made, item === undefined ? null : copy(item, `${path}[${at}]`, above));
  }
  return setPrototypeOf(made, null) as unknown[];
}

function copyObject(value: object, path: string, above: object[]): object {
  const prototype = getPrototypeOf(value);
  if (prototype !== null && prototype !== plainPrototype) {
    throw new IntrinsicTypeError(`${path} is an instance of a class: only plain objects and arrays are JSON`);
  }
  const made = { __proto__: null };
  const names = keys(value);
  for (let at = 0; at < names.length; at++) {
    const name = names[at]!;
    const item = (value as Record<string, unknown>)[name];
    if (item === undefined) continue;
    put(made, name, copy(item, `${path}.${name}`, above));
  }
  return made;
}

/**
 * JSON text of plain values. Not `JSON.stringify`: that asks `toJSON` of prototypes, and its inner list can be
 * broken by a setter on Array.prototype.
 */
export function jsonText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return stringify(value) ?? 'null';
  let text = '';
  if (isArray(value)) {
    for (let at = 0; at < value.length; at++) text += (at > 0 ? ',' : '') + jsonText(value[at]);
    return `[${text}]`;
  }
  const names = keys(value);
  for (let at = 0; at < names.length; at++) {
    const item = (value as Record<string, unknown>)[names[at]!];
    if (item !== undefined) text += `${text === '' ? '' : ','}${stringify(names[at])}:${jsonText(item)}`;
  }
  return `{${text}}`;
}
