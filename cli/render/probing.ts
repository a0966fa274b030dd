/** What was seen in a cell that ran once more, for people and for programs. Pure. */
import type {
  CellRun,
  ProbedValue,
  ProbeReply,
  TracedName,
  TraceReply,
} from '../../bus/operations/probing.ts';
import type { Palette } from './palette.ts';
import { count, printable } from './text.ts';
import { renderDivergence } from './verification.ts';

const oneLine = (text: string): string => printable(text).replace(/\s*\n\s*/g, ' ');

/** A line a hit, then what the run came to. */
export function renderProbe(reply: ProbeReply, palette: Palette): string {
  const { hits, line, refused } = reply;
  const value = ({ expr, value, error }: ProbedValue) =>
    `${printable(expr)} = ${error === undefined ? oneLine(value ?? '') : palette.red(oneLine(error))}`;
  const lines = hits.map(
    ({ values }, index) => `${palette.dim(`hit ${index + 1}`)}  ${values.map(value).join('  ')}\n`,
  );
  const total = `${count(hits.length, 'hit')} on line ${line} of cell ${reply.cell}`;
  const note = refused === undefined ? '' : palette.yellow(`the condition threw: ${oneLine(refused)}\n`);
  return `${lines.join('')}${closing(reply, total, palette)}${note}`;
}

/** A line a statement: its line, the code, and what had changed before it. */
export function renderTrace(reply: TraceReply, palette: Palette): string {
  const { steps, changed } = reply;
  const width = Math.max(1, ...steps.map(({ line }) => `${line}`.length));
  const changes = (names: readonly TracedName[]) =>
    names.map(({ name, value }) => `  ${palette.cyan(`${printable(name)} = ${oneLine(value)}`)}`).join('');
  const lines = steps.map(
    (step) =>
      `${palette.dim(`${step.line}`.padStart(width))}  ${oneLine(step.source)}${changes(step.changed)}\n`,
  );
  const end = changed.length === 0 ? '' : `${' '.repeat(width)}  ${palette.dim('end')}${changes(changed)}\n`;
  const total = `${count(steps.length, 'statement')} of cell ${reply.cell}`;
  return `${lines.join('')}${end}${closing(reply, total, palette)}`;
}

function closing(
  { more, unfinished, struck, undone, divergence }: CellRun,
  total: string,
  palette: Palette,
): string {
  const rest = more === 0 ? '' : `, and ${more.toLocaleString('en')} more (\`--limit\`)`;
  const notes: string[] = [];
  if (unfinished) notes.push('the cell has no outcome in the log yet: what has none was not run');
  if (struck) notes.push(`the cell was stopped (${struck === 'user' ? 'Ctrl-C' : 'its time was up'})`);
  if (undone) notes.push(`the cell was undone (${printable(undone)}): nothing of this lasted`);
  const told = notes.map((note) => palette.yellow(`${note}\n`)).join('');
  const differs = divergence
    ? `${palette.red('it gave something else than the log says')}: ${renderDivergence(divergence, palette)}`
    : '';
  return `${palette.dim(`${total}${rest}`)}\n${told}${differs}`;
}

/** A line of JSON a hit, and one for all of them. */
export function probeJson({ hits, expressions, ...run }: ProbeReply): string {
  const lines: object[] = hits.map(({ values }, index) => ({ hit: index + 1, line: run.line, values }));
  return jsonLines([...lines, { hits: hits.length, expressions, ...run }]);
}

/** A line of JSON a statement, and one for all of them. */
export function traceJson({ steps, changed, ...run }: TraceReply): string {
  const lines: object[] = steps.map((step, index) => ({ step: index + 1, ...step }));
  return jsonLines([...lines, { steps: steps.length, changed, ...run }]);
}

const jsonLines = (lines: readonly object[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join('');
