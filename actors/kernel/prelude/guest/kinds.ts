/**
 * What a value really is, by its internal slots: unlike `instanceof` and `Symbol.toStringTag`, users cannot fake
 * these. They also replace the weaker checks of the inspection library.
 */
import {
  expose,
  functionToString,
  getPrototypeOf,
  getterOf,
  IntrinsicError,
  IntrinsicPromise,
  IntrinsicProxy,
  IntrinsicTypeError,
  IntrinsicWeakMap,
  objectPrototype,
  objectToString,
  startsWith,
  toStringTag,
  uncurry,
} from './intrinsics.ts';
import { probePromise } from './wall.ts';

type Check = (value: unknown) => boolean;

const inherits = uncurry(Object.prototype.isPrototypeOf as (this: object, value: unknown) => boolean);

/**
 * A check by internal slot: true when `probe` accepts the value as its receiver. A refusal costs an exception, so
 * ordinary objects, which descend from Object.prototype but not from the kind's own prototype, are not asked. (A Map
 * whose prototype was replaced by a plain one counts as plain.)
 */
const accepts =
  (kind: object, probe: (value: never) => unknown): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null) return false;
    if (inherits(objectPrototype, value) && !inherits(kind, value)) return false;
    try {
      probe(value as never);
      return true;
    } catch {
      return false;
    }
  };

const weakMapHas = uncurry(WeakMap.prototype.has);
const weakSetHas = uncurry(WeakSet.prototype.has);
const derefWeak = uncurry(WeakRef.prototype.deref);
const regExpGlobal = getterOf<RegExp, boolean | undefined>(RegExp.prototype, 'global');
const probeKey = {};

const typedTag = getterOf<unknown, string | undefined>(
  getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
);
/** 'Uint8Array' and so on, undefined for anything else. */
export const typedArrayName = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null ? typedTag(value) : undefined;

export const isMap = accepts(Map.prototype, getterOf(Map.prototype, 'size'));
export const isSet = accepts(Set.prototype, getterOf(Set.prototype, 'size'));
export const isWeakMap = accepts(WeakMap.prototype, (value: WeakMap<object, unknown>) =>
  weakMapHas(value, probeKey),
);
export const isWeakSet = accepts(WeakSet.prototype, (value: WeakSet<object>) => weakSetHas(value, probeKey));
export const isWeakRef = accepts(WeakRef.prototype, (value: WeakRef<object>) => derefWeak(value));
export const isDate = accepts(Date.prototype, uncurry(Date.prototype.getTime));
export const isArrayBuffer = accepts(ArrayBuffer.prototype, getterOf(ArrayBuffer.prototype, 'byteLength'));
export const isSharedArrayBuffer = accepts(
  SharedArrayBuffer.prototype,
  getterOf(SharedArrayBuffer.prototype, 'byteLength'),
);
export const isDataView = accepts(DataView.prototype, getterOf(DataView.prototype, 'buffer'));
export const isStringObject = accepts(String.prototype, uncurry(String.prototype.valueOf));
export const isNumberObject = accepts(Number.prototype, uncurry(Number.prototype.valueOf));
export const isBooleanObject = accepts(Boolean.prototype, uncurry(Boolean.prototype.valueOf));
export const isBigIntObject = accepts(BigInt.prototype, uncurry(BigInt.prototype.valueOf));
export const isSymbolObject = accepts(Symbol.prototype, uncurry(Symbol.prototype.valueOf));
export const isTypedArray: Check = (value) => typedArrayName(value) !== undefined;
const RegExpPrototype: object = RegExp.prototype;
const hasRegExpSlots = accepts(RegExpPrototype, (value: RegExp) => regExpGlobal(value));
/** The prototype itself answers some of the getters. */
export const isRegExp: Check = (value) => value !== RegExpPrototype && hasRegExpSlots(value);

export const isError: Check = (IntrinsicError as unknown as { isError: Check }).isError;

export const hasInstance = uncurry(Function.prototype[Symbol.hasInstance]);
const PromisePrototype: object = Promise.prototype;
export const isPromise: Check = (value) => {
  if (typeof value !== 'object' || value === null) return false;
  if (inherits(objectPrototype, value) && !inherits(PromisePrototype, value)) return false;
  if (probePromise !== undefined) {
    const state = probePromise(value, 0);
    return state === 0 || state === 1 || state === 2;
  }
  return hasInstance(IntrinsicPromise, value as object);
};

const Generator = getPrototypeOf(getPrototypeOf((function* () {})())) as object;
const AsyncFunction = getPrototypeOf(async () => {});
const GeneratorFunction = getPrototypeOf(function* () {});
const AsyncGeneratorFunction = getPrototypeOf(async function* () {});

export const isGenerator: Check = (value) => {
  let at: unknown = value;
  for (let depth = 0; typeof at === 'object' && at !== null && depth < 4; depth++) {
    at = getPrototypeOf(at);
    if (at === Generator) return true;
  }
  return false;
};

export const isClass: Check = (value) =>
  typeof value === 'function' && startsWith(functionToString(value), 'class');

/** Targets of proxies, so that rendering never runs a trap. */
const proxyTargets = new IntrinsicWeakMap<object, [target: object | null, handler: object | null]>();
const remember = uncurry(proxyTargets.set);
const recall = uncurry(proxyTargets.get);

export const proxyDetails = (value: unknown): [object | null, object | null] | undefined =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'
    ? recall(proxyTargets, value as object)
    : undefined;

/** Replaces Proxy by one that takes note of targets; otherwise indistinguishable. */
export function installProxy(): void {
  const revocable = IntrinsicProxy.revocable;
  function create(this: unknown, target: object, handler: ProxyHandler<object>): object {
    if (new.target === undefined) throw new IntrinsicTypeError("Constructor Proxy requires 'new'");
    const proxy = new IntrinsicProxy(target, handler);
    remember(proxyTargets, proxy, [target, handler]);
    return proxy;
  }
  // Bound: a constructor without `prototype`, as Proxy is.
  const Noted = create.bind(undefined);
  expose(Noted, 'revocable', (target: object, handler: ProxyHandler<object>) => {
    const made = revocable(target, handler);
    remember(proxyTargets, made.proxy, [target, handler]);
    const { revoke } = made;
    made.revoke = () => {
      remember(proxyTargets, made.proxy, [null, null]);
      revoke();
    };
    return made;
  });
  expose(globalThis, 'Proxy', Noted);
}

/** The `types` module of the inspection library. */
export const types = {
  isAsyncFunction: (value: unknown) => {
    const prototype = typeof value === 'function' ? getPrototypeOf(value) : null;
    return prototype === AsyncFunction || prototype === AsyncGeneratorFunction;
  },
  isGeneratorFunction: (value: unknown) => {
    const prototype = typeof value === 'function' ? getPrototypeOf(value) : null;
    return prototype === GeneratorFunction || prototype === AsyncGeneratorFunction;
  },
  isAnyArrayBuffer: (value: unknown) => isArrayBuffer(value) || isSharedArrayBuffer(value),
  isArrayBuffer,
  isArgumentsObject: (value: unknown) =>
    typeof value === 'object' &&
    value !== null &&
    !(toStringTag in value) &&
    objectToString(value) === '[object Arguments]',
  isBoxedPrimitive: (value: unknown) =>
    isStringObject(value) ||
    isNumberObject(value) ||
    isBooleanObject(value) ||
    isBigIntObject(value) ||
    isSymbolObject(value),
  isDataView,
  isExternal: () => false,
  isMap,
  // Looking into an iterator would move it on: they are shown without their items, as other iterators are.
  isMapIterator: () => false,
  isModuleNamespaceObject: () => false,
  isNativeError: isError,
  isPromise,
  isSet,
  isSetIterator: () => false,
  isWeakMap,
  isWeakSet,
  isRegExp,
  isDate,
  isTypedArray,
  isStringObject,
  isNumberObject,
  isBooleanObject,
  isBigIntObject,
  isSymbolObject,
};

/** The type of a value, for messages. */
export const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);
