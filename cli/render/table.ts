/** Tables without borders, aligned for wide characters too. Pure. */
import { widthOf } from './fit.ts';
import type { Palette } from './palette.ts';

export interface Column {
  title: string;
  right?: boolean;
}

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
