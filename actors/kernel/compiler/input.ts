/** What a line editor asks while the user types: is the input complete, what could complete it. Pure. */
import { parse, type Token, tokenizer } from 'acorn';
import { CellFailure } from './failure.ts';
import { CELL_SYNTAX } from './syntax.ts';
import { stripTypes } from './typescript.ts';

/**
 * True when more lines could make `code` valid: an open block, bracket, template or comment, an operator without
 * its right side. An open quote is an error (a string does not span lines) unless its line ends in a backslash.
 */
export function isIncomplete(code: string): boolean {
  const offset = failsAt(code);
  if (offset === null) return false;
  if (offset === 'open') return true;
  if (offset >= code.trimEnd().length) return true;
  try {
    stripTypes(code, 'checked');
    return false;
  } catch (thrown) {
    return thrown instanceof CellFailure && thrown.offset >= code.trimEnd().length;
  }
}

function failsAt(code: string): number | 'open' | null {
  const comments: { end: number }[] = [];
  try {
    parse(code, {
      ...CELL_SYNTAX,
      allowReturnOutsideFunction: true,
      onComment: (...comment) => comments.push({ end: comment[3] }),
    });
    return null;
  } catch (thrown) {
    const { message, pos } = thrown as { message: string; pos?: number };
    if (pos === undefined) return 0;
    if (/^Unterminated (template|comment)/.test(message)) return 'open';
    if (message.startsWith('Unterminated string')) return /\\(\r\n?|\n)?$/.test(code) ? 'open' : 0;
    if (message.startsWith('Unterminated regular')) return 0;
    // Only comments and blanks between the place of the error and the end: the end is what was unexpected.
    return comments.some((comment) => comment.end >= code.trimEnd().length) && code.slice(pos).trim() === ''
      ? 'open'
      : pos;
  }
}

export interface CompletionTarget {
  /** Whose properties are asked for; null: a name in scope. Free of calls and assignments. */
  expression: string | null;
  prefix: string;
  /** Where the prefix starts: completions replace [from, cursor). */
  from: number;
}

/** What stands before the cursor, as something that can be completed. In strings and comments: nothing. */
export function completionTarget(code: string, cursor: number): CompletionTarget {
  const at = Math.min(Math.max(Math.trunc(cursor) || 0, 0), code.length);
  const before = code.slice(0, at);
  const nothing: CompletionTarget = { expression: null, prefix: '', from: at };
  const tokens = tokensOf(before);
  if (tokens === null) return nothing;
  let index = tokens.length - 1;
  let prefix = '';
  const last = tokens[index];
  if (last && last.end === at && isWord(last, before)) {
    prefix = before.slice(last.start, last.end);
    index--;
  }
  const from = at - prefix.length;
  const dot = tokens[index];
  if (!dot || !isDot(dot)) return { expression: null, prefix, from };
  const start = chainStart(tokens, index - 1, before);
  return start === null ? nothing : { expression: before.slice(start, dot.start).trimEnd(), prefix, from };
}

/** Tokens of possibly unfinished code; null when it ends inside a string, template text or comment. */
function tokensOf(code: string): Token[] | null {
  const tokens: Token[] = [];
  let commented = 0;
  try {
    const options = {
      ...CELL_SYNTAX,
      onComment: (block: boolean, _text: string, _start: number, end: number) => {
        if (!block) commented = end;
      },
    };
    for (const token of tokenizer(code, options)) tokens.push(token);
  } catch (thrown) {
    if (/^Unterminated/.test((thrown as Error).message)) return null;
  }
  return commented === code.length && commented > 0 ? null : tokens;
}

const isDot = (token: Token): boolean => token.type.label === '.' || token.type.label === '?.';

const isWord = (token: Token, code: string): boolean =>
  token.type.label === 'name' ||
  token.type.label === 'privateId' ||
  (token.type.keyword !== undefined && /^\w+$/.test(code.slice(token.start, token.end)));

/** Start of the member chain that ends at tokens[index], or null when looking would run code. */
function chainStart(tokens: Token[], index: number, code: string): number | null {
  let at = index;
  for (;;) {
    const token = tokens[at];
    if (!token) return null;
    const { label } = token.type;
    if (label === 'string' || label === 'regexp') return isDot(tokens[at - 1] ?? token) ? null : token.start;
    if (label === ']') {
      // a[0], a['b'], [1, 2]
      const key = tokens[at - 1];
      const simple =
        tokens[at - 2]?.type.label === '[' && (key?.type.label === 'num' || key?.type.label === 'string');
      const owner = tokens[at - 3];
      if (!simple || !owner || !(isWord(owner, code) || owner.type.label === ']')) {
        return literalStart(tokens, at);
      }
      at -= 3;
      continue;
    }
    if (!isWord(token, code)) return null;
    if (token.type.keyword !== undefined && label !== 'this' && !isDot(tokens[at - 1] ?? token)) return null;
    const dot = tokens[at - 1];
    if (!dot || !isDot(dot)) return token.start;
    at -= 2;
  }
}

/** Start of an array literal of plain literals that ends at tokens[end]. */
function literalStart(tokens: Token[], end: number): number | null {
  for (let at = end - 1; at >= 0; at--) {
    const label = tokens[at]!.type.label;
    if (label === '[') {
      const owner = tokens[at - 1]?.type.label;
      return owner === 'name' || owner === ')' || owner === ']' ? null : tokens[at]!.start;
    }
    if (!['num', 'string', ',', 'true', 'false', 'null'].includes(label)) return null;
  }
  return null;
}
