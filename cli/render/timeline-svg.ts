/**
 * A session's life as an SVG that needs nothing beside itself: no script, no font, no link. It reads in light and in
 * dark, says in words what it shows, and takes text from sessions as text. Pure.
 */
import { formatDuration } from '../duration.ts';
import { axisOf } from '../timeline/axis.ts';
import type { TimelineData } from '../timeline/shape.ts';
import { clip } from './fit.ts';
import { busyOf, factsOf, groupedNote, marksOf, type Row, rowsOf } from './timeline-rows.ts';

const WIDTH = 1_100;
const MARGIN = 16;
/** Where the bars are, and how high a row is. */
const BARS = { x: 330, width: 480 };
const ROW = 20;
const HEAD = 84;
/** Characters that fit beside the bars. */
const LABEL_CHARS = 42;
const NOTE_CHARS = 36;

const STYLE = `
  svg { --ground: #fff; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0; --cell: #1a7f37; --call: #8250df;
    --bad: #cf222e; --open: #9a6700; background: var(--ground); }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --line: #3d444d; --cell: #3fb950; --call: #ab7df8;
      --bad: #f85149; --open: #d29922; }
  }
  .ground { fill: var(--ground); }
  text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: var(--ink); white-space: pre; }
  .title { font-size: 16px; font-weight: bold; }
  .faint { fill: var(--faint); }
  .cell { fill: var(--cell); }
  .call { fill: var(--call); }
  .bad { fill: var(--bad); }
  .open { fill: var(--open); }
  .up { fill: var(--faint); }
  .mark { fill: var(--ink); }
  line { stroke: var(--line); }
  .cut { stroke-dasharray: 2 3; }
`;

/** What XML takes for something else, or does not take at all. */
export function escaped(text: string): string {
  return text
    .replace(
      /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|[\ufffe\uffff]/g,
      '\ufffd',
    )
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The whole file. */
export function timelineSvg(data: TimelineData): string {
  const rows = rowsOf(data);
  const marks = marksOf(data);
  const height = HEAD + (rows.length + marks.length + 1) * ROW + 2 * MARGIN;
  const axis = axisOf(busyOf(data), data, BARS.width);
  const x = (ms: number) => round(BARS.x + axis.place(ms));
  const bottom = HEAD + (rows.length + marks.length) * ROW;
  const facts = factsOf(data).join(' · ');
  const range = data.from === null ? 'no events in this range' : `seq ${data.from} to ${data.to}`;
  const name = clip(data.session, 100);
  const parts = [
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    text(MARGIN, 28, name, 'title'),
    text(MARGIN, 48, `${range} · ${facts}`, 'faint'),
    text(BARS.x, HEAD - 10, '0', 'faint'),
    text(BARS.x + BARS.width, HEAD - 10, `+${formatDuration(data.endMs - data.startMs)}`, 'faint end'),
    ...[BARS.x, BARS.x + BARS.width].map((at) => upright(at, bottom, '')),
    ...axis.breaks.map((at) => upright(round(BARS.x + at), bottom, 'cut')),
    ...rows.map((row, at) => drawRow(row, HEAD + at * ROW, x)),
    ...marks.map(({ name: what, marks: of, total }, at) => {
      const y = HEAD + (rows.length + at) * ROW;
      const signs = of.map(({ seq, detail, startMs, count }) => {
        const said = count > 1 ? `${count} from seq ${seq}` : `seq ${seq}: ${detail}`;
        return `<circle class="mark" cx="${x(startMs)}" cy="${y + 10}" r="3.5">${titled(said)}</circle>`;
      });
      return `<g>${text(MARGIN, y + 14, `${what} (${total})`, 'faint')}${signs.join('')}</g>`;
    }),
    text(MARGIN, bottom + ROW, [cutNote(axis.breaks), groupedNote(data)].filter(Boolean).join('; '), 'faint'),
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc">
<title id="title">${escaped(`Timeline of session ${name}`)}</title>
<desc id="desc">${escaped(`${range}; ${facts}. A row for each cell and each call, with a bar from its beginning to its end.`)}</desc>
<style>${STYLE}  .end { text-anchor: end; }
</style>
${parts.join('\n')}
</svg>
`;
}

function drawRow({ type, name, what, span, mood, note }: Row, y: number, x: (ms: number) => number): string {
  const label = type === 'cell' ? `${name} ${what}` : `  ${name} ${what}`;
  const [from, to] = [x(span.startMs), x(span.endMs)];
  const look = { good: type, bad: 'bad', open: 'open', 'given up': 'up' }[mood];
  const tall = type === 'cell' ? 12 : 6;
  const width = round(Math.max(2, to - from));
  const bar = `<rect class="${look}" x="${from}" y="${y + 10 - tall / 2}" width="${width}" height="${tall}" rx="1.5">`;
  return (
    `<g>${text(MARGIN, y + 14, clip(label, LABEL_CHARS), type === 'call' ? 'faint' : '')}` +
    `${bar}${titled(`${label.trim()} — ${note}`)}</rect>` +
    `${text(BARS.x + BARS.width + 12, y + 14, clip(note, NOTE_CHARS), mood === 'good' ? 'faint' : look)}</g>`
  );
}

const cutNote = (breaks: number[]) =>
  breaks.length > 0 ? 'dotted: time in which nothing went on is cut short' : '';

const titled = (said: string) => `<title>${escaped(clip(said, 300))}</title>`;

function text(x: number, y: number, said: string, look: string): string {
  if (said === '') return '';
  return `<text x="${x}" y="${y}"${look ? ` class="${look}"` : ''}>${escaped(said)}</text>`;
}

const upright = (x: number, bottom: number, look: string) =>
  `<line${look ? ` class="${look}"` : ''} x1="${x}" x2="${x}" y1="${HEAD - 4}" y2="${bottom}"/>`;

const round = (value: number): number => Math.round(value * 10) / 10;
