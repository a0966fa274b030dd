/**
 * Everything that a newer kernel does otherwise than an older one, so that the same log leads to other outputs, other
 * requests or another heap. A session keeps the behaviours it was born with: its `session` event names a version, and
 * a replay of it, on whatever kernel, does as that version did. Pure.
 *
 * The rule: no such change without a row here, a version of its own, and a log in `test/histories/` that was written
 * before it. (Source of the idea: the flags of Temporal's workflow SDK.)
 */
export interface Behaviour {
  /** First version of sessions that behave so. */
  since: number;
  /** What changed, and why. */
  why: string;
  /** What a replay of an older session does: the old way, or what makes the difference harmless. */
  before: string;
}

export const BEHAVIOURS = {
  effectsCapped: {
    since: 2,
    why: 'A session waits for a bounded number of timers and model calls: without a bound a loop of setTimeout took minutes of all processes.',
    before: 'There is no bound.',
  },
  cellsChecked: {
    since: 2,
    why: 'What is neither JavaScript nor TypeScript is a SyntaxError: it was repaired and its clashing names renamed, so that a cell wrote to another variable than it said.',
    before: 'Cells are read leniently, repairs and new names included.',
  },
  lineSeparators: {
    since: 2,
    why: 'U+2028 and U+2029 in or behind a comment end the line, as in JavaScript: what followed was not taken for a new statement.',
    before: 'They end the comment, but not the line.',
  },
  objectCells: {
    since: 2,
    why: 'A cell is read as an object exactly when all of it is one object literal, as in DevTools: `{a: 1};` gave 1, `{} + 1` a string.',
    before: 'What starts with a brace and does not end with a semicolon is an expression when it can be one.',
  },
  requestLimitCoded: {
    since: 2,
    why: 'A request to a model that is too large fails with a code, as the other failures of model calls do.',
    before: 'The error has no code.',
  },
  rejectionsReported: {
    since: 2,
    why: 'A rejected promise that nobody waited for when the jobs of its turn had run vanished; it is reported on stderr.',
    before: 'Only what the callbacks of timers, microtasks and listeners give is reported.',
  },
  deadZones: {
    since: 2,
    why: 'Top-level let, const and class are the engine’s own: a dead zone before them, constants that nothing writes to.',
    before:
      'They are variables from the start of their cell, undefined at first; constants hold in the text of cells alone.',
  },
  overflowStacks: {
    since: 3,
    why: 'The error of a stack overflow has a stack: the host gives the prelude room to write it.',
    before: 'Its stack is null, when the cell catches it.',
  },
  nestingBounded: {
    since: 3,
    why: 'A list that holds itself is left out of its text, as in V8, and JSON of deep values fails where V8’s does: the engine looked through all levels above at each, 100,000 of them for half a minute.',
    before: 'The engine’s own: a stack overflow, and no bound but the stack.',
  },
  linesEverywhere: {
    since: 3,
    why: 'Errors in fields, computed names, cases and brackets of statements over several lines are told with their line.',
    before: 'They are said to be on the line of the statement, or on line 1.',
  },
  promptsOnce: {
    since: 4,
    why: 'A prompt stands in the log once: it was in the event’s prompt and in its request.',
    before: 'The request of an llm_req event repeats the prompt.',
  },
  requestsUnbounded: {
    since: 4,
    why: 'A request to a model may be as large as the heap lets it be: it goes into a blob when no message takes it.',
    before: 'A request of more than 600,000 characters is refused.',
  },
  patternsUnmarked: {
    since: 5,
    why: 'What a destructuring pattern binds or writes to gets no marker: `const {⏎ a: b } = o` was refused as an invalid destructuring target.',
    before: 'Patterns that rename behind a line break are SyntaxErrors.',
  },
  exitsSettle: {
    since: 5,
    why: 'exit() in a callback ends the cell that waits without an error, whatever else is pending: it depended on whether another timer was.',
    before: 'A cell that waits for nothing else is said to be never settled, besides ending the session.',
  },
  operationsNoted: {
    since: 6,
    why: 'What fails in an operator, a property, a spread list, the constructor of a class or the next turn of a loop is told on its own line: it was that of an operand, of the statement, of the class’s end or of the body.',
    before: 'Errors of operations over several lines are told on the line of what ran before.',
  },
  nativeTexts: {
    since: 6,
    why: 'The text of a builtin is on one line, as V8 writes it: patterns that look for native code did not find it.',
    before: 'It is on three lines.',
  },
} as const satisfies Record<string, Behaviour>;

export type BehaviourId = keyof typeof BEHAVIOURS;

/** The version that new sessions are born with: raised with each row. */
export const BEHAVIOUR_VERSION = 6;

/** Whether a session of `version` behaves so. */
export function behaves(version: number, id: BehaviourId): boolean {
  return version >= (BEHAVIOURS[id] as Behaviour).since;
}
