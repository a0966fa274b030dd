/** What the picture of a timeline says in each of its rows, on a terminal and in a file. Pure. */

import { formatDuration } from '../duration.ts';
import type { CallSpan, CellSpan, Mark, Outcome, Span, TimelineData } from '../timeline/shape.ts';
import { count, formatTime } from './text.ts';

export interface Row {
  type: 'cell' | 'call';
  /** Number of a cell, kind of a call. */
  name: string;
  /** Code of a cell, what a call asks for. */
  what: string;
  span: Span;
  mood: 'good' | 'bad' | 'open' | 'given up';
  /** How long it took, and what came of it. */
  note: string;
}

const MOODS: Record<Outcome, Row['mood']> = {
  result: 'good',
  error: 'bad',
  running: 'open',
  waiting: 'open',
  lost: 'given up',
};

/** Cells and calls by the time at which they began; a cell before what it asked for. */
export function rowsOf({ cells, calls }: TimelineData): Row[] {
  const order = (seq: number | null) => seq ?? -1;
  return [
    ...cells.map((cell) => ({ row: cellRow(cell), seq: order(cell.seq) })),
    ...calls.map((call) => ({ row: callRow(call), seq: order(call.seq) })),
  ]
    .sort((a, b) => a.row.span.startMs - b.row.span.startMs || a.seq - b.seq)
    .map(({ row }) => row);
}

function cellRow(span: CellSpan): Row {
  const { cell, code, outcome, text, lines, count: cells } = span;
  const first = cell ?? '?';
  const printed = lines > 0 ? ` · ${count(lines, 'line')}` : '';
  const cameOf = {
    result: text && (cells > 1 ? '' : ` = ${text}`),
    error: ` ✗ ${text}`,
    running: ' running',
    waiting: ' waits',
    lost: ' given up',
  }[outcome];
  return {
    type: 'cell',
    name: String(first),
    what: cells > 1 ? `and ${cells - 1} more: ${code}` : code,
    span,
    mood: MOODS[outcome],
    note: `${lengthOf(span)}${cameOf}${printed}`,
  };
}

function callRow(span: CallSpan): Row {
  const { kind, detail, ok, cancelled, count: calls } = span;
  const mood = ok === false ? 'bad' : ok ? 'good' : cancelled ? 'given up' : 'open';
  const cameOf = { bad: ' ✗', good: '', 'given up': ' given up', open: ' no answer yet' }[mood];
  const many = calls > 1 ? `×${calls} ` : '';
  return { type: 'call', name: kind, what: `${many}${detail}`, span, mood, note: lengthOf(span) + cameOf };
}

const lengthOf = ({ startMs, endMs }: Span): string => formatDuration(endMs - startMs);

/** Moments, a row a kind. */
export function marksOf({ checkpoints, interrupts, background }: TimelineData) {
  const rows: { name: string; sign: string; marks: readonly Mark[] }[] = [
    { name: 'checkpoints', sign: '◆', marks: checkpoints },
    { name: 'interrupts', sign: '!', marks: interrupts },
    { name: 'background', sign: '▪', marks: background },
  ];
  return rows
    .filter(({ marks }) => marks.length > 0)
    .map((row) => ({ ...row, total: row.marks.reduce((sum, mark) => sum + mark.count, 0) }));
}

/** What there is, in numbers. */
export function factsOf({ totals, atOnce, state, startMs, endMs }: TimelineData): string[] {
  const facts = [state === 'empty' ? 'no cell yet' : state, count(totals.cells, 'cell')];
  const calls = count(totals.calls, 'call');
  if (totals.calls > 0) facts.push(atOnce > 1 ? `${calls}, up to ${atOnce} at once` : calls);
  facts.push(`${formatDuration(endMs - startMs)} from ${formatTime(new Date(startMs))}`);
  return facts;
}

/** Said when there are more things than rows; '' else. */
export function groupedNote({ totals, cells, calls }: TimelineData): string {
  const said: string[] = [];
  if (cells.length < totals.cells) said.push(`${totals.cells} cells in ${count(cells.length, 'row')}`);
  if (calls.length < totals.calls) said.push(`${totals.calls} calls in ${count(calls.length, 'row')}`);
  return said.length === 0
    ? ''
    : `${said.join(', ')}: neighbours are put together; --from and --to show fewer events, --json more rows`;
}

/** The spans that make time go on. */
export function busyOf({ cells, calls, checkpoints, interrupts, background }: TimelineData): Span[] {
  return [...cells, ...calls, ...checkpoints, ...interrupts, ...background];
}
