/** Small readings of values: sizes, times, one-line previews. Pure. */

/** Bytes with a binary unit: `512 B`, `34.1 KiB`, `2 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : Number(value.toFixed(1))} ${units[unit]}`;
}

/** `2026-01-31 12:00:01` (UTC) of an ISO time or Date; what cannot be read comes back as it is. */
export function formatTime(time: string | Date): string {
  const iso = typeof time === 'string' ? time : time.toISOString();
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(iso) ? iso.slice(0, 19).replace('T', ' ') : iso;
}

/** Control and format characters, but for newlines, tabs, and what joins the parts of a letter or an emoji. */
const UNSEEN = /(?![\n\t\u{e0020}-\u{e007f}]|\u200c|\u200d)[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/**
 * Text without characters that would move the cursor, ring or recolour the terminal, or that would not be seen
 * (direction marks, spaces without width), so that two names that differ look different. Newlines and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** Text from outside on one line. */
export function oneLine(text: string): string {
  return printable(text).replaceAll('\n', ' ');
}

/** A word that a POSIX shell reads as this text. */
export function shellWord(text: string): string {
  return /^[\w.:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Text of at most `width` characters; the end of a longer one becomes `…`. */
export function cut(text: string, width: number): string {
  const characters = text.length > width ? [...text] : [];
  return characters.length > width ? `${characters.slice(0, Math.max(0, width - 1)).join('')}…` : text;
}

/** The first line of a text, at most `width` characters, and how many lines were left out. */
export function firstLine(text: string, width: number): { line: string; more: number } {
  const trimmed = text.replace(/^\s*\n/, '').trimEnd();
  const end = trimmed.indexOf('\n');
  const line = printable(end < 0 ? trimmed : trimmed.slice(0, end));
  const more = end < 0 ? 0 : trimmed.slice(end + 1).split('\n').length;
  return { line: cut(line, width), more };
}

/** `1 event`, `2 events`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
