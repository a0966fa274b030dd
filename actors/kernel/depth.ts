/**
 * How deep a value of the guest is, read from the engine's memory: the guest itself could not tell at a price that
 * every `JSON.stringify` may pay. A guess: getters, proxies and what is no plain object or list are not looked into,
 * nor more than the first thousands of objects.
 *
 * The places are those of the pinned build; `assertObjectLayout` refuses another one.
 */
import { RepriseError } from '../../bus/errors.ts';

/** Levels of JSON that V8 writes. */
export const JSON_LEVELS = 4_103;
/** Objects that one guess looks at. */
const MAX_SEEN = 10_000;

/** Words into the engine's structs. */
const OBJECT_SHAPE = 4;
const OBJECT_PROPERTIES = 5;
const LIST_VALUES = 9;
const LIST_COUNT = 10;
const SHAPE_COUNT = 8;
/** The class stands in the upper half of a word, above flags. */
const OBJECT_FLAGS = 1;
const CLASS_OBJECT = 1;
const CLASS_ARRAY = 2;
/** The upper word of a value that is an object; the lower one is its address. */
const TAG_OBJECT = -1;

/** Whether the value at `pointer` goes down further than `levels`. */
export function isDeep(words: Int32Array, pointer: number, levels = JSON_LEVELS): boolean {
  const seen = new Set<number>();
  /** First and last value still to be looked at, a pair for each level. */
  const path = [pointer >> 2, pointer >> 2];
  while (path.length > 0 && seen.size < MAX_SEEN) {
    const last = path.length - 1;
    const at = path[last - 1]!;
    if (at > path[last]!) {
      path.length -= 2;
      continue;
    }
    path[last - 1] = at + 2;
    const object = words[at]! >> 2;
    if (words[at + 1] !== TAG_OBJECT || seen.has(object)) continue;
    seen.add(object);
    const [values, count] = valuesOf(words, object);
    if (count === 0) continue;
    if (path.length > 2 * levels) return true;
    path.push(values, values + 2 * (count - 1));
  }
  return false;
}

/** Where the values stand that an object or list holds. Two words a value. */
function valuesOf(words: Int32Array, object: number): [at: number, count: number] {
  switch (words[object + OBJECT_FLAGS]! >>> 16) {
    case CLASS_OBJECT: {
      const shape = words[object + OBJECT_SHAPE]! >> 2;
      return [words[object + OBJECT_PROPERTIES]! >> 2, words[shape + SHAPE_COUNT]!];
    }
    case CLASS_ARRAY:
      return [words[object + LIST_VALUES]! >> 2, words[object + LIST_COUNT]!];
    default:
      return [0, 0];
  }
}

/**
 * Compares the places with what known values show, in an instance that is then thrown away.
 * @param make evaluates a script and points to its value
 * @throws RepriseError INTERNAL
 */
export function assertObjectLayout(words: () => Int32Array, make: (code: string) => number): void {
  const deep = (code: string, levels: number): boolean => {
    const value = make(code);
    return isDeep(words(), value, levels);
  };
  const known = '[1, "a", { a: 1, b: [{}, [{ c: [] }]], get d() { return this } }]';
  const seen = [
    deep(known, 4),
    deep(known, 5),
    deep('1', 0),
    deep('({})', 0),
    deep('[[]]', 0),
    deep('[1]', 0),
  ];
  if (seen.join() !== 'true,false,false,false,true,true') {
    throw new RepriseError('INTERNAL', 'this build of QuickJS keeps the properties of objects elsewhere');
  }
}
