/** A session's life as a picture of text, and as JSON. Pure. */

import { formatDuration } from '../duration.ts';
import { type Axis, axisOf } from '../timeline/axis.ts';
import type { Span, TimelineData } from '../timeline/shape.ts';
import { clip, fit } from './fit.ts';
import type { Colour, Palette } from './palette.ts';
import { busyOf, factsOf, groupedNote, marksOf, type Row, rowsOf } from './timeline-rows.ts';

/** Columns of a picture: where there is no terminal; at most; at least. */
const WIDTH = { piped: 100, most: 160, least: 40 };

const BARS = { cell: '█', call: '━' };
const COLOURS: Record<Row['mood'], Colour> = {
  good: 'green',
  bad: 'red',
  open: 'yellow',
  'given up': 'dim',
};

/** Columns of the label, the bars and the note, with a space between them. */
function layoutOf(columns: number) {
  const wanted = Number.isFinite(columns) ? Math.min(columns, WIDTH.most) : WIDTH.piped;
  const width = Math.max(wanted, WIDTH.least);
  const label = Math.floor(width * 0.34);
  const note = Math.floor(width * 0.24);
  return { width, label, note, bars: width - label - note - 2 };
}

/** A row for each cell and call over an axis of time; rows for what happens at once; no line wider than `columns`. */
export function renderTimeline(data: TimelineData, palette: Palette, columns: number): string {
  const { width, label, note, bars } = layoutOf(columns);
  const line = (text: string, paint: (text: string) => string = palette.dim) =>
    `${paint(clip(text, width))}\n`;
  const head = line(data.session, palette.bold);
  if (data.from === null) return `${head}${line('no events in this range')}`;
  const range = `seq ${data.from} to ${data.to}`;
  const facts = factsOf(data);
  const lines = [head, line([range, ...facts.slice(0, -1)].join(' · ')), line(facts.at(-1)!)];
  const axis = axisOf(busyOf(data), data, bars);
  const space = ' '.repeat(label + 1);
  const end = `+${formatDuration(data.endMs - data.startMs)}`;
  lines.push(palette.dim(`${space}0${end.padStart(bars - 1)}`), '\n');
  const rows = rowsOf(data);
  const digits = Math.max(1, ...rows.map(({ type, name }) => (type === 'cell' ? name.length : 1)));
  for (const row of rows) {
    const isCell = row.type === 'cell';
    const name = isCell ? row.name.padStart(digits) : `${' '.repeat(digits)} ${row.name}`;
    const text = fit(`${name} ${row.what}`, label);
    const paint = palette[COLOURS[row.mood]];
    const painted = isCell ? palette.cyan(text.slice(0, digits)) + text.slice(digits) : palette.dim(text);
    const bar = barOf(row, axis, bars, paint, palette.dim);
    lines.push(`${painted} ${bar} ${paint(clip(row.note, note))}`.trimEnd(), '\n');
  }
  for (const { name, sign, marks, total } of marksOf(data)) {
    const row = marksRow(marks, sign, axis, bars);
    lines.push(`${palette.dim(fit(name, label))} ${palette.magenta(row)} ${palette.dim(`${total}`)}`, '\n');
  }
  if (axis.breaks.length > 0) lines.push(line('┊ time in which nothing went on is cut short'));
  lines.push(
    wrapped(groupedNote(data), width)
      .map((text) => line(text))
      .join(''),
  );
  return lines.join('');
}

/** First and last column of a span. */
function columnsOf({ startMs, endMs }: Span, axis: Axis, width: number): [from: number, to: number] {
  const from = Math.min(width - 1, Math.floor(axis.place(startMs)));
  return [from, Math.max(from, Math.min(width, Math.ceil(axis.place(endMs))) - 1)];
}

type Paint = (text: string) => string;

function barOf({ type, span, mood }: Row, axis: Axis, width: number, paint: Paint, dim: Paint): string {
  const [from, to] = columnsOf(span, axis, width);
  const empty = new Array<string>(width).fill(' ');
  for (const at of axis.breaks) empty[Math.min(width - 1, Math.floor(at))] = '┊';
  const length = to - from + 1;
  const bar = mood === 'open' ? `${BARS[type].repeat(length - 1)}►` : BARS[type].repeat(length);
  return dim(empty.slice(0, from).join('')) + paint(bar) + dim(empty.slice(to + 1).join(''));
}

function marksRow(marks: readonly Span[], sign: string, axis: Axis, width: number): string {
  const row = new Array<string>(width).fill(' ');
  for (const mark of marks) row[columnsOf(mark, axis, width)[0]] = sign;
  return row.join('');
}

/** Words on lines of at most `width` columns. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** One line of JSON. Times are ISO; of what has not ended, `end` is the time of the newest event. */
export function timelineJson(data: TimelineData): string {
  const { session, from, to, state, atOnce, totals } = data;
  const time = (ms: number) => new Date(ms).toISOString();
  const spanned = <T extends Span>({ startMs, endMs, ...rest }: T) => ({
    ...rest,
    start: time(startMs),
    end: time(endMs),
  });
  const marked = <T extends Span & { seq: number; detail: string }>({ seq, detail, startMs, count }: T) => ({
    seq,
    time: time(startMs),
    detail,
    count,
  });
  return `${JSON.stringify({
    session,
    from,
    to,
    start: time(data.startMs),
    end: time(data.endMs),
    state,
    cells: data.cells.map(spanned),
    calls: data.calls.map(spanned),
    checkpoints: data.checkpoints.map(marked),
    interrupts: data.interrupts.map(marked),
    background: data.background.map(marked),
    atOnce,
    totals,
  })}\n`;
}
