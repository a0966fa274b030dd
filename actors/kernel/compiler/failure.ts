/** Why a cell does not compile: one error shape for acorn, swc and our own rules. */

export interface CellSyntaxError {
  name: 'SyntaxError';
  message: string;
  /** `SyntaxError: message` and one frame, `at <cell 3>:2:7`. */
  stack: string;
}

/** Thrown inside the compiler, never out of it. `offset` is into `text`, the reading that was parsed. */
export class CellFailure extends Error {
  readonly offset: number;
  readonly text: string;
  /** Characters of ours at the start of `text`. */
  shift = 0;
  constructor(message: string, offset: number, text: string) {
    super(message);
    this.offset = offset;
    this.text = text;
  }
}

export function syntaxError(message: string, cell: number, line: number, column: number): CellSyntaxError {
  return {
    name: 'SyntaxError',
    message,
    stack: `SyntaxError: ${message}\n    at <cell ${cell}>:${line}:${column}`,
  };
}

const OWN_WORDS: Record<string, string> = {
  "'return' outside of function": "Illegal return statement: 'return' works only inside a function",
  "Cannot use 'import.meta' outside a module": "Cannot use 'import.meta' in a cell",
  'Assigning to rvalue': 'Invalid left-hand side in assignment',
  "Unexpected character '@'": 'Decorators are not available in a cell',
};

/** What stands right before an unexpected token and says more than it. */
const WORDS_BEFORE: [RegExp, string][] = [
  [/(?<![\w$.])await\s+$/, "'await' works only in async functions and at the top level of a cell"],
  [/(?<![\w$.])yield\s+$/, "'yield' works only in generator functions"],
];

/** An element, not a comparison: a tag that is closed. */
const JSX = /^<([A-Za-z][\w.]*)(\s[^<>]*)?(\/>|>[\s\S]*<\/\1\s*>)|^<>[\s\S]*<\/>/;

/** True when what neither JavaScript nor TypeScript could read at `offset` is an element. */
export const isElement = (code: string, offset: number): boolean => JSX.test(code.slice(offset));

/** acorn's message, in the words people know from V8 where acorn is terse. */
export function wording(message: string, code: string, offset: number): string {
  const bare = message.replace(/ \(\d+:\d+\)$/, '');
  const own = OWN_WORDS[bare];
  if (own !== undefined) return own;
  if (bare.startsWith('Using declaration')) return "'using' declarations are not available in a cell";
  if (bare === 'Unsyntactic break' || bare === 'Unsyntactic continue') {
    const word = bare.slice('Unsyntactic '.length);
    return `Illegal ${word} statement: '${word}' works only inside a loop${word === 'break' ? ' or switch' : ''}`;
  }
  if (bare !== 'Unexpected token') return bare;
  const before = code.slice(Math.max(offset - 50, 0), offset);
  for (const [word, meaning] of WORDS_BEFORE) if (word.test(before)) return meaning;
  if (offset >= code.length) return 'Unexpected end of input';
  const token = /^(?:[\p{ID_Start}$_][\p{ID_Continue}$]*|\d[\w.]*|["'`]|[^\s])/u.exec(code.slice(offset));
  const text = token?.[0] ?? '';
  if (/^[\p{ID_Start}$_]/u.test(text)) return `Unexpected identifier or keyword '${text}'`;
  if (/^\d/.test(text)) return 'Unexpected number';
  if (/^["']/.test(text)) return 'Unexpected string';
  return `Unexpected token '${text}'`;
}
