/**
 * What the compiler puts into the code of functions, for the engine to note where things stand (see
 * `compiler/markers.ts` and `compiler/slots.ts`). The engine's optimiser drops it all again; the prelude keeps it out
 * of `toString`.
 */

/** Before a statement. */
export const MARKER = 'if(0)0;';
/** Before an expression that stands where an assignment could. */
export const SLOT_MARKER = ' 0?0+0:/*~*/';
/** Around an expression that stands where no assignment could. (A function may end with the bracket.) */
export const OPERAND_MARKER = ' (0?0+0:/*~*/';
export const OPERAND_END = '/*~~*/)';
/** Around the last argument of a call: what is noted behind it is where the call itself stands. */
export const LAST_MARKER = '1?/*~*/';
export const CALL_MARKER = ' :0+0/*~*/';

/**
 * What the compiler puts at the start of an async function or of an executor, so that the prelude gets hold of its
 * promise (see `compiler/began.ts`). An arrow function without braces gets brackets.
 */
export const BEGAN = '__reprise_began';
export const BEGAN_MARKER = `${BEGAN}();`;
export const BEGAN_OPEN = `(${BEGAN}(),`;
export const BEGAN_CLOSE = `/*${BEGAN}*/)`;

/** All that `toString` of a function must not show. */
export const MARKERS: readonly string[] = [
  MARKER,
  SLOT_MARKER,
  OPERAND_MARKER,
  OPERAND_END,
  LAST_MARKER,
  CALL_MARKER,
  BEGAN_MARKER,
  BEGAN_OPEN,
  BEGAN_CLOSE,
];
