/** Text in columns of a terminal, where some characters take two. Pure. */
import stringWidth from 'string-width';
import { oneLine } from './text.ts';

const PLAIN = /^[\x20-\x7e]*$/;

/** Columns of a terminal that a text takes. */
export const widthOf = (text: string) => (PLAIN.test(text) ? text.length : stringWidth(text));

/** Text from outside on one line of at most `width` columns; the end of a longer one becomes `…`. */
export function clip(text: string, width: number): string {
  const line = oneLine(text).replaceAll('\t', ' ');
  if (widthOf(line) <= width) return line;
  let kept = '';
  for (const character of line) {
    if (widthOf(kept + character) > width - 1) break;
    kept += character;
  }
  return width < 1 ? '' : `${kept}…`;
}

/** The same on exactly `width` columns. */
export function fit(text: string, width: number): string {
  const line = clip(text, width);
  return line + ' '.repeat(Math.max(0, width - widthOf(line)));
}
