/**
 * Where the engine keeps the bindings of top-level let, const and class: an object without a prototype that no code can
 * reach, right behind the global object in the context. The prelude is given it (`prelude/guest/bindings.ts`).
 */
import { RepriseError } from '../../bus/errors.ts';

/** Words of a context that are searched. */
const CONTEXT_WORDS = 256;

/**
 * Address of the value that is the lexical scope; nobody may free it.
 * @param words of the instance's memory
 * @param global address of a value that is the global object
 * @throws RepriseError INTERNAL for another build of the engine
 */
export function findLexicalScope(words: Int32Array, context: number, global: number): number {
  const pointer = words[global >> 2]!;
  const tag = words[(global >> 2) + 1]!;
  const start = context >> 2;
  for (let word = start; word < start + CONTEXT_WORDS; word++) {
    const here = words[word] === pointer && words[word + 1] === tag;
    if (here && words[word + 2] !== 0 && words[word + 3] === tag) return (word + 2) * 4;
  }
  throw new RepriseError('INTERNAL', 'this build of QuickJS keeps its lexical scope elsewhere');
}
