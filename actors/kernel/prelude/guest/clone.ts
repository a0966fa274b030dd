/** `structuredClone`, as the HTML standard has it for values that exist here. */
import {
  define,
  expose,
  getOwnPropertyDescriptor,
  getterOf,
  hasOwn,
  IntrinsicArray,
  IntrinsicDate,
  IntrinsicDOMException,
  IntrinsicError,
  IntrinsicMap,
  IntrinsicRegExp,
  IntrinsicSet,
  IntrinsicTypeError,
  isArray,
  keys,
  mapForEach,
  push,
  put,
  setForEach,
  Table,
  uncurry,
} from './intrinsics.ts';
import * as kind from './kinds.ts';
import { inspect } from './rendering.ts';

const getTime = uncurry(Date.prototype.getTime);
const sourceOf = getterOf<RegExp, string>(RegExp.prototype, 'source');
const flagsOf = getterOf<RegExp, string>(RegExp.prototype, 'flags');
const sliceBuffer = uncurry(ArrayBuffer.prototype.slice as (this: ArrayBuffer, from: number) => ArrayBuffer);
const transferBuffer = uncurry(
  (ArrayBuffer.prototype as unknown as { transfer(this: ArrayBuffer): ArrayBuffer }).transfer,
);
const isDetached = getterOf<ArrayBuffer, boolean>(ArrayBuffer.prototype, 'detached');
const mapSet = uncurry(Map.prototype.set);
const setAdd = uncurry(Set.prototype.add);
const typed = Object.getPrototypeOf(Uint8Array.prototype) as object;
const typedBuffer = getterOf<unknown, ArrayBuffer>(typed, 'buffer');
const typedOffset = getterOf<unknown, number>(typed, 'byteOffset');
const typedLength = getterOf<unknown, number>(typed, 'length');
const viewBuffer = getterOf<DataView, ArrayBuffer>(DataView.prototype, 'buffer');
const viewOffset = getterOf<DataView, number>(DataView.prototype, 'byteOffset');
const viewLength = getterOf<DataView, number>(DataView.prototype, 'byteLength');

const typedConstructors: Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => object> =
  {};
for (const name of [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'BigInt64Array',
  'BigUint64Array',
  'Float16Array',
  'Float32Array',
  'Float64Array',
]) {
  const made = (globalThis as unknown as Record<string, never>)[name];
  if (made !== undefined) typedConstructors[name] = made;
}
const errorConstructors: Record<string, ErrorConstructor> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};
const IntrinsicDataView = DataView;
const boxed = Object;
const stringValue = uncurry(String.prototype.valueOf);
const numberValue = uncurry(Number.prototype.valueOf);
const booleanValue = uncurry(Boolean.prototype.valueOf);
const bigintValue = uncurry(BigInt.prototype.valueOf);

type Seen = Table<object, object>;

function refuse(value: unknown): never {
  let shown = typeof value === 'symbol' || typeof value === 'function' ? '' : '#<Object>';
  try {
    if (typeof value === 'function') shown = `${value}`;
    else shown = inspect(value, { depth: -1 });
  } catch {
    // A hostile toString: the short form will do.
  }
  throw new IntrinsicDOMException(`${shown} could not be cloned.`, 'DataCloneError');
}

function clone(value: unknown, seen: Seen): unknown {
  if (typeof value === 'symbol' || typeof value === 'function') refuse(value);
  if (typeof value !== 'object' || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (kind.proxyDetails(value) !== undefined) refuse(value);
  const leaf = cloneLeaf(value, seen);
  if (leaf !== undefined) {
    seen.set(value, leaf);
    return leaf;
  }
  if (kind.isMap(value)) return cloneMap(value as Map<unknown, unknown>, seen);
  if (kind.isSet(value)) return cloneSet(value as Set<unknown>, seen);
  if (kind.isError(value)) return cloneError(value as Error, seen);
  if (
    kind.isPromise(value) ||
    kind.isWeakMap(value) ||
    kind.isWeakSet(value) ||
    kind.isWeakRef(value) ||
    kind.isGenerator(value)
  ) {
    refuse(value);
  }
  const made: object = isArray(value) ? new IntrinsicArray(value.length) : {};
  seen.set(value, made);
  const names = keys(value);
  for (let at = 0; at < names.length; at++) {
    const name = names[at]!;
    if (hasOwn(value, name)) put(made, name, clone((value as Record<string, unknown>)[name], seen));
  }
  return made;
}

/** What has no members: dates, buffers, boxes… undefined for everything else. */
function cloneLeaf(value: object, seen: Seen): object | undefined {
  if (kind.isDate(value)) return new IntrinsicDate(getTime(value as Date));
  if (kind.isRegExp(value)) return new IntrinsicRegExp(sourceOf(value as RegExp), flagsOf(value as RegExp));
  if (kind.isArrayBuffer(value)) {
    if (isDetached(value as ArrayBuffer)) refuse(value);
    return sliceBuffer(value as ArrayBuffer, 0);
  }
  if (kind.isSharedArrayBuffer(value)) refuse(value);
  const name = kind.typedArrayName(value);
  if (name !== undefined) {
    const buffer = clone(typedBuffer(value), seen) as ArrayBuffer;
    return new typedConstructors[name]!(buffer, typedOffset(value), typedLength(value));
  }
  if (kind.isDataView(value)) {
    const view = value as DataView;
    return new IntrinsicDataView(
      clone(viewBuffer(view), seen) as ArrayBuffer,
      viewOffset(view),
      viewLength(view),
    );
  }
  if (kind.isStringObject(value)) return boxed(stringValue(value as unknown as string)) as object;
  if (kind.isNumberObject(value)) return boxed(numberValue(value as unknown as number)) as object;
  if (kind.isBooleanObject(value)) return boxed(booleanValue(value as unknown as boolean)) as object;
  if (kind.isBigIntObject(value)) return boxed(bigintValue(value as unknown as bigint)) as object;
  if (kind.isSymbolObject(value)) refuse(value);
  return undefined;
}

function cloneMap(value: Map<unknown, unknown>, seen: Seen): object {
  const made = new IntrinsicMap();
  seen.set(value, made);
  const entries: unknown[] = [];
  mapForEach(value, ((item: unknown, key: unknown) => {
    push(entries, key);
    push(entries, item);
  }) as never);
  for (let at = 0; at < entries.length; at += 2) {
    mapSet(made, clone(entries[at], seen), clone(entries[at + 1], seen));
  }
  return made;
}

function cloneSet(value: Set<unknown>, seen: Seen): object {
  const made = new IntrinsicSet();
  seen.set(value, made);
  const items: unknown[] = [];
  setForEach(value, ((item: unknown) => push(items, item)) as never);
  for (let at = 0; at < items.length; at++) setAdd(made, clone(items[at], seen));
  return made;
}

function cloneError(value: Error, seen: Seen): object {
  const name = `${value.name}`;
  const Constructor = hasOwn(errorConstructors, name) ? errorConstructors[name]! : IntrinsicError;
  const message = getOwnPropertyDescriptor(value, 'message');
  const made =
    message !== undefined && 'value' in message ? new Constructor(`${message.value}`) : new Constructor();
  seen.set(value, made);
  if (typeof value.stack === 'string') define(made, 'stack', value.stack);
  if (hasOwn(value, 'cause')) define(made, 'cause', clone(value.cause, seen));
  return made;
}

function structuredClone(value: unknown, options?: { transfer?: unknown }): unknown {
  const seen: Seen = new Table();
  const transfer = options?.transfer;
  const moved: ArrayBuffer[] = [];
  if (transfer !== undefined && transfer !== null) {
    if (!isArray(transfer)) throw new IntrinsicTypeError('structuredClone: transfer must be an array');
    for (let at = 0; at < transfer.length; at++) {
      const item: unknown = transfer[at];
      if (typeof item !== 'object' || item === null) {
        throw new IntrinsicTypeError('structuredClone: transfer must hold objects');
      }
      if (!kind.isArrayBuffer(item) || isDetached(item as ArrayBuffer) || seen.has(item as object)) {
        throw new IntrinsicDOMException('Value not transferable', 'DataCloneError');
      }
      // A copy stands in until everything has been cloned: a failed clone must not detach anything.
      seen.set(item as object, sliceBuffer(item as ArrayBuffer, 0));
      push(moved, item as ArrayBuffer);
    }
  }
  const made = clone(value, seen);
  for (let at = 0; at < moved.length; at++) transferBuffer(moved[at]!);
  return made;
}

export function installClone(): void {
  const named = (...given: [value?: unknown, options?: { transfer?: unknown }]): unknown => {
    if (given.length === 0) throw new IntrinsicTypeError('structuredClone: 1 argument required');
    return structuredClone(given[0], given[1]);
  };
  expose(globalThis, 'structuredClone', named);
}
