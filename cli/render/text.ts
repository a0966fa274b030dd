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

/** Text without characters that would move the cursor, ring or recolour the terminal. Newlines and tabs stay. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: making control characters visible is the point
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return `\\x${code}`;
  });
}

/** The first line of a text, at most `width` characters, and how many lines were left out. */
export function firstLine(text: string, width: number): { line: string; more: number } {
  const trimmed = text.replace(/^\s*\n/, '').trimEnd();
  const end = trimmed.indexOf('\n');
  const line = printable(end < 0 ? trimmed : trimmed.slice(0, end));
  const more = end < 0 ? 0 : trimmed.slice(end + 1).split('\n').length;
  const characters = line.length > width ? [...line] : [];
  const cut = characters.length > width ? `${characters.slice(0, Math.max(0, width - 1)).join('')}…` : line;
  return { line: cut, more };
}

/** `1 event`, `2 events`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
