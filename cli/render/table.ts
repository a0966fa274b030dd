/** Tables without borders, aligned for wide characters too. Pure. */
import stringWidth from 'string-width';
import type { Palette } from './palette.ts';

export interface Column {
  title: string;
  right?: boolean;
}

const PLAIN = /^[\x20-\x7e]*$/;

/** Columns of a terminal that a text takes. */
const widthOf = (text: string) => (PLAIN.test(text) ? text.length : stringWidth(text));

/** Rows under a dim header line; columns are two spaces apart; ends with a newline. */
export function renderTable(columns: Column[], rows: string[][], palette: Palette): string {
  const lines = [columns.map(({ title }) => palette.dim(title)), ...rows];
  const measured = lines.map((cells) => cells.map((text) => ({ text, width: widthOf(text) })));
  const widths = columns.map((_, at) =>
    measured.reduce((most, cells) => Math.max(most, cells[at]!.width), 0),
  );
  const pad = ({ text, width }: { text: string; width: number }, at: number) => {
    const space = ' '.repeat(widths[at]! - width);
    return columns[at]!.right ? space + text : text + space;
  };
  return measured.map((cells) => `${cells.map(pad).join('  ').trimEnd()}\n`).join('');
}
