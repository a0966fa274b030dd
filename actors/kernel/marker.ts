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
 * Around what an operation works on when it is told on another line: what is noted behind it is where the operation
 * stands.
 */
export const WORKED_ON = ' (1?/*~*/';
export const OPERATION = ' :0+0/*~~*/)';
/** Before the first bracket of a statement, which would make a call of it and the line above. */
export const HEAD_MARKER = ' 0,/*~*/';
/** Before what begins a line and is told on another one: what notes nothing is told where its line begins. */
export const SPACER = ' /*~*/ ';
/** At the end of a loop's body, with braces when it has none: the next element is asked for behind it. */
export const TURN_MARKER = ';if(0)0;/*~*/';
export const BODY_OPEN = ' {/*~*/';
export const BODY_CLOSE = ';if(0)0;/*~~*/}';

/**
 * What the compiler puts at the start of an async function or of an executor, so that the prelude gets hold of its
 * promise (see `compiler/began.ts`). An arrow function without braces gets brackets.
 */
export const BEGAN = '__reprise_began';
export const BEGAN_MARKER = `${BEGAN}();`;
export const BEGAN_OPEN = `(${BEGAN}(),`;
export const BEGAN_CLOSE = `/*${BEGAN}*/)`;

/** All that `toString` of a function must not show, those that hold others before them. */
export const MARKERS: readonly string[] = [
  WORKED_ON,
  OPERATION,
  HEAD_MARKER,
  SPACER,
  TURN_MARKER,
  BODY_OPEN,
  BODY_CLOSE,
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
