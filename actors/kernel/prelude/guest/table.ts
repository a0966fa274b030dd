/** `console.table`: rows and columns in box characters, as Node draws them. */
import {
  charCodeAt,
  hasOwn,
  INFINITE,
  isArray,
  keys,
  mapForEach,
  max,
  push,
  repeat,
  setForEach,
  Table,
} from './intrinsics.ts';
import { isMap, isSet } from './kinds.ts';
import { inspect } from './rendering.ts';

const MAX_ROWS = 1000;

/** A cell: objects of more than two keys only by their class. */
function show(value: unknown): string {
  const large = typeof value === 'object' && value !== null && !isArray(value) && keys(value).length > 2;
  return inspect(value, {
    maxArrayLength: 3,
    breakLength: INFINITE,
    depth: large ? -1 : 0,
  });
}

interface Row {
  index: string;
  cells: Record<string, string>;
}

/** The table of a collection, or undefined when `data` is none (a primitive). */
export function tableOf(data: unknown, columns: unknown): string | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const rows: Row[] = [];
  const names: string[] = [];
  const hasName = new Table<string, true>();
  const values: string[] = [];
  let anyValue = false;
  const addRow = (index: string, value: unknown) => {
    if (rows.length >= MAX_ROWS) return;
    const cells: Record<string, string> = { __proto__: null } as never;
    let single = '';
    if (typeof value === 'object' && value !== null) {
      const own = isArray(columns) ? (columns as string[]) : keys(value);
      for (let at = 0; at < own.length; at++) {
        const key = `${own[at]}`;
        if (!hasName.has(key)) {
          hasName.set(key, true);
          push(names, key);
        }
        if (hasOwn(value, key)) cells[key] = show((value as Record<string, unknown>)[key]);
      }
    } else {
      single = show(value);
      anyValue = true;
    }
    push(rows, { index, cells });
    push(values, single);
  };

  const addValue = (index: string, value: unknown) => {
    if (rows.length >= MAX_ROWS) return;
    push(rows, { index, cells: {} });
    push(values, show(value));
    anyValue = true;
  };

  let head = '(index)';
  let keyed: string[] | undefined;
  if (isMap(data)) {
    head = '(iteration index)';
    keyed = [];
    let count = 0;
    mapForEach(
      data as Map<unknown, unknown>,
      ((value: unknown, key: unknown) => {
        push(keyed!, show(key));
        addValue(`${count++}`, value);
      }) as never,
    );
  } else if (isSet(data)) {
    head = '(iteration index)';
    let count = 0;
    setForEach(data as Set<unknown>, (value) => {
      addValue(`${count++}`, value);
    });
  } else {
    const own = keys(data);
    for (let at = 0; at < own.length && at < MAX_ROWS; at++) {
      addRow(own[at]!, (data as Record<string, unknown>)[own[at]!]);
    }
  }

  const heads: string[] = [head];
  const lines: string[][] = [];
  if (keyed !== undefined) push(heads, 'Key');
  for (let at = 0; at < names.length; at++) push(heads, names[at]!);
  if (anyValue) push(heads, 'Values');
  for (let at = 0; at < rows.length; at++) {
    const line: string[] = [rows[at]!.index];
    if (keyed !== undefined) push(line, keyed[at]!);
    for (let name = 0; name < names.length; name++) push(line, rows[at]!.cells[names[name]!] ?? '');
    if (anyValue) push(line, values[at]!);
    push(lines, line);
  }
  return draw(heads, lines);
}

/** Columns a character takes on a terminal; wide ones count twice. */
function widthOf(text: string): number {
  let width = 0;
  for (let at = 0; at < text.length; at++) {
    const code = charCodeAt(text, at);
    if (code >= 0xdc00 && code < 0xe000) continue;
    const wide =
      (code >= 0x1100 && code < 0x1160) ||
      (code >= 0x2e80 && code < 0xa4d0) ||
      (code >= 0xac00 && code < 0xe000) ||
      (code >= 0xf900 && code < 0xfb00) ||
      (code >= 0xff00 && code < 0xff61);
    width += wide ? 2 : 1;
  }
  return width;
}

function draw(heads: string[], lines: string[][]): string {
  const widths: number[] = [];
  for (let column = 0; column < heads.length; column++) {
    let width = widthOf(heads[column]!);
    for (let at = 0; at < lines.length; at++) width = max(width, widthOf(lines[at]![column]!));
    push(widths, width + 2);
  }
  const rule = (left: string, middle: string, right: string): string => {
    let text = left;
    for (let at = 0; at < widths.length; at++) text += (at > 0 ? middle : '') + repeat('─', widths[at]!);
    return text + right;
  };
  const row = (cells: string[]): string => {
    let text = '│';
    for (let at = 0; at < widths.length; at++) {
      text += pad(cells[at]!, widths[at]!) + (at + 1 < widths.length ? '│' : '');
    }
    return `${text}│`;
  };
  let text = `${rule('┌', '┬', '┐')}\n${row(heads)}\n${rule('├', '┼', '┤')}\n`;
  for (let at = 0; at < lines.length; at++) text += `${row(lines[at]!)}\n`;
  return text + rule('└', '┴', '┘');
}

function pad(text: string, width: number): string {
  return ` ${text}${repeat(' ', width - widthOf(text) - 1)}`;
}
