/**
 * Line breaks that the engine knows only in part: U+2028, U+2029 and a lone carriage return end a line for JavaScript,
 * but for the engine not when they stand in a comment or end one. Pure.
 */
import type { Token } from 'acorn';
import type { Rewriting } from './rewriting.ts';

const RARE = /[\u2028\u2029]|\r(?!\n)/;

/** Makes line feeds of the rare ones between tokens; in strings they mean themselves, and only positions shift. */
export function unifyBreaks(out: Rewriting, text: string, tokens: readonly Token[]): void {
  if (!RARE.test(text)) return;
  let end = 0;
  for (const token of [...tokens, { start: text.length, end: text.length }]) {
    for (const { index } of text.slice(end, token.start).matchAll(new RegExp(RARE, 'g'))) {
      out.replace(end + index, end + index + 1, '\n');
    }
    if (RARE.test(text.slice(token.start, token.end))) out.insert(token.end, '');
    end = token.end;
  }
}
