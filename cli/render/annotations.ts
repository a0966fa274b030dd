/** What is said of moments, as lines and tables. Pure. */
import type { Snapshot } from '../../bus/client/snapshots.ts';
import type { AnnotateReply } from '../../bus/operations/annotations.ts';
import type { CheckpointAnnotation } from '../../bus/types.ts';
import type { Palette } from './palette.ts';
import { type Column, renderTable } from './table.ts';
import { count, formatTime, oneLine, printable } from './text.ts';

/** An annotation as commands with --json print it: its date as an ISO string. */
export function annotationJson({ created, ...rest }: CheckpointAnnotation) {
  return { ...rest, created: created.toISOString() };
}

const DONE = { add: 'annotated', change: 'changed the annotation of', remove: 'removed the annotation of' };

/** What became of `reprise annotate`, as one line. */
export function renderAnnotated(session: string, reply: AnnotateReply, palette: Palette): string {
  const { action, annotation, repeated } = reply;
  const what = `${DONE[action]} '${printable(session)}' at seq ${annotation.checkpointSeq}`;
  const again = repeated ? palette.dim(' (it was done before)') : '';
  return `${what}: ${palette.bold(oneLine(annotation.label))}${tagsOf(annotation, palette)}${again}\n`;
}

const tagsOf = ({ tags }: { tags: readonly string[] }, palette: Palette): string =>
  palette.cyan(tags.map((tag) => ` #${oneLine(tag)}`).join(''));

/** Characters of a description in a table, where there is no terminal. */
const WIDE = 120;
const REST = 60;

interface Found extends CheckpointAnnotation {
  session?: string;
}

/** Annotations under a heading; a hint when there are none. Of several sessions each row names its own. */
export function renderAnnotations(found: readonly Found[], palette: Palette, columns: number): string {
  if (found.length === 0)
    return `No annotations. ${palette.dim('Make one: reprise annotate <session> <label>')}\n`;
  const isMany = found.some(({ session }) => session !== found[0]!.session);
  const room = Number.isFinite(columns) ? Math.max(20, columns - REST) : WIDE;
  const titles: Column[] = [
    { title: 'SEQ', right: true },
    { title: 'LABEL' },
    { title: 'TAGS' },
    { title: 'MADE' },
    { title: 'DESCRIPTION' },
  ];
  const rows = found.map(({ session = '', checkpointSeq, label, tags, created, description, snapshot }) => [
    ...(isMany ? [printable(session)] : []),
    String(checkpointSeq),
    snapshot ? palette.magenta('◆ snapshot') : palette.bold(oneLine(label)),
    palette.cyan(tags.map((tag) => oneLine(tag)).join(' ')),
    formatTime(created),
    shortened(description, room),
  ]);
  return renderTable(isMany ? [{ title: 'SESSION' }, ...titles] : titles, rows, palette);
}

function shortened(text: string, room: number): string {
  const line = oneLine(text);
  const characters = [...line];
  return characters.length > room ? `${characters.slice(0, room - 1).join('')}…` : line;
}

/** Annotations that `show` tells, at most: the newest. */
const SHOWN_MAX = 10;

/** What `reprise show` tells of them; '' when there are none. */
export function renderNewest(
  all: readonly CheckpointAnnotation[],
  session: string,
  palette: Palette,
  columns: number,
): string {
  if (all.length === 0) return '';
  const newest = all.slice(-SHOWN_MAX);
  const more = all.length - newest.length;
  const rest = more > 0 ? palette.dim(`${count(more, 'older one')}: reprise annotations ${session}\n`) : '';
  return `\n${palette.bold('Annotations')}\n${renderAnnotations(newest, palette, columns)}${rest}`;
}

/** A snapshot and how to go on from it. */
export function renderSnapshot(snapshot: Snapshot, palette: Palette): string {
  const { id, created, description, checkpointSeq, sessionName } = snapshot;
  const head = `${palette.bold(printable(id))}${tagsOf(snapshot, palette)}${description ? ` — ${oneLine(description)}` : ''}\n`;
  const place = `'${printable(sessionName)}' at seq ${checkpointSeq}, kept ${formatTime(created)}`;
  return `${head}${palette.dim(`${place}; reprise snapshot restore ${printable(id)} <new> goes on from it`)}\n`;
}

/** Snapshots as a table; a hint when there are none. */
export function renderSnapshots(found: readonly Snapshot[], palette: Palette, columns: number): string {
  if (found.length === 0)
    return `No snapshots. ${palette.dim('Make one: reprise snapshot create <session>')}\n`;
  const room = Number.isFinite(columns) ? Math.max(20, columns - REST) : WIDE;
  return renderTable(
    [{ title: 'SNAPSHOT' }, { title: 'TAGS' }, { title: 'MADE' }, { title: 'DESCRIPTION' }],
    found.map(({ id, tags, created, description }) => [
      palette.bold(printable(id)),
      palette.cyan(tags.map((tag) => oneLine(tag)).join(' ')),
      formatTime(created),
      shortened(description, room),
    ]),
    palette,
  );
}
