/** Tables without borders, aligned for wide characters too. Pure. */
import Table from 'cli-table3';
import type { Palette } from './palette.ts';

export interface Column {
  title: string;
  right?: boolean;
}

const BARE = Object.fromEntries(
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid'
    .split(' ')
    .map((part) => [part, '']),
);

/** Rows under a dim header line; columns are two spaces apart; ends with a newline. */
export function renderTable(columns: Column[], rows: string[][], palette: Palette): string {
  const table = new Table({
    chars: { ...BARE, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: columns.map((column) => (column.right ? 'right' : 'left')),
  });
  table.push(columns.map((column) => palette.dim(column.title)));
  table.push(...rows);
  const lines = table.toString().split('\n');
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}
