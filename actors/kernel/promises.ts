/**
 * What the engine knows of promises and no export tells, read from its memory: whether anybody waits for a promise,
 * and which promise was made last. (It would tell a tracker of rejections, but this build lets nobody set one.)
 *
 * The places are those of the pinned build; `assertPromiseLayout` refuses another one.
 */
import { RepriseError } from '../../bus/errors.ts';

/** An instance's memory, as long as the guest does not run. */
interface EngineMemory {
  readonly words: Int32Array;
  readonly bytes: Buffer;
}

/** Bytes into the engine's structs. */
const RUNTIME_OBJECTS = 88;
const OBJECT_KIND = 4;
const OBJECT_CLASS = 6;
const OBJECT_LINK = 8;
const OBJECT_DATA = 32;
const PROMISE_HANDLED = 20;
/** Of anything that is collected, the kind of ordinary objects. */
const KIND_OBJECT = 0;
const CLASS_PROMISE = 51;
/** The function that rejects one promise: the last object that the making of a promise makes. */
const CLASS_REJECT = 53;
/** The upper word of a value that is an object; the lower one is its address. */
const TAG_OBJECT = -1;
const STATE_FULFILLED = 1;
const STATE_REJECTED = 2;
/** Objects to look back at: what a function's parameters may have made before its body began. */
const LOOK_BACK = 64;

/** What a promise needs: nothing (it is fulfilled, or somebody waits for it); an eye on it; to be told of. */
export const UNHEARD = { not: 0, pending: 1, rejected: 2 } as const;

/** Whether what `value` points to is a promise that may reject, or has, without anybody to hear of it. */
export function unheard(instance: EngineMemory, value: number): number {
  const { words, bytes } = instance;
  const object = words[value >> 2]!;
  if (words[(value >> 2) + 1] !== TAG_OBJECT || classOf(instance, object) !== CLASS_PROMISE)
    return UNHEARD.not;
  const data = words[(object + OBJECT_DATA) >> 2]!;
  const state = words[data >> 2]!;
  if (state === STATE_FULFILLED || bytes[data + PROMISE_HANDLED] !== 0) return UNHEARD.not;
  return state === STATE_REJECTED ? UNHEARD.rejected : UNHEARD.pending;
}

/**
 * Points to the promise that was made last, 0 when that was too long ago. Asked at the start of an async function or
 * of an executor, it is that function's own.
 */
export function lastPromise(instance: EngineMemory, runtime: number): number {
  const { words } = instance;
  const head = runtime + RUNTIME_OBJECTS;
  let link = words[head >> 2]!;
  for (let steps = 0; steps < LOOK_BACK && link !== head; steps++) {
    const object = link - OBJECT_LINK;
    if (classOf(instance, object) === CLASS_REJECT) return words[(object + OBJECT_DATA) >> 2]!;
    link = words[link >> 2]!;
  }
  return 0;
}

/** -1: no ordinary object. */
function classOf({ bytes }: EngineMemory, object: number): number {
  if (object <= 0 || object + OBJECT_DATA + 4 > bytes.length) return -1;
  if ((bytes[object + OBJECT_KIND]! & 15) !== KIND_OBJECT) return -1;
  return bytes.readUInt16LE(object + OBJECT_CLASS);
}

/**
 * Compares the places with what known promises show, in an instance that is then thrown away.
 * @param make evaluates a script and points to its value
 * @throws RepriseError INTERNAL
 */
export function assertPromiseLayout(
  instance: EngineMemory,
  runtime: number,
  make: (code: string) => number,
): void {
  const pending = make('var pending = new Promise((_, reject) => { globalThis.reject = reject }); pending');
  const last = lastPromise(instance, runtime);
  const same = last !== 0 && instance.words[last >> 2] === instance.words[pending >> 2];
  const seen = [
    unheard(instance, pending),
    unheard(instance, make('var refused = Promise.reject(1); refused')),
    unheard(instance, make('Promise.resolve(1)')),
    unheard(instance, make('refused.then(() => 0, () => 0); refused')),
    unheard(instance, make('pending.then(() => 0, () => 0); pending')),
    unheard(instance, make('({})')),
    unheard(instance, make('1')),
  ];
  const { not } = UNHEARD;
  const expected = [UNHEARD.pending, UNHEARD.rejected, not, not, not, not, not];
  if (!same || seen.join() !== expected.join()) {
    throw new RepriseError('INTERNAL', 'this build of QuickJS keeps its promises elsewhere');
  }
}
