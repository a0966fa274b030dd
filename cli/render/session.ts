/** Sessions and their state. Pure. */

import type { LastGoodReply } from '../../bus/operations/looks.ts';
import type { InspectReply, InterruptReply } from '../../bus/operations/sessions.ts';
import type { ReplState, SessionMetadata, VariableSummary } from '../../bus/types.ts';
import type { Palette } from './palette.ts';
import { renderTable } from './table.ts';
import { count, cut, formatBytes, formatTime, oneLine, printable } from './text.ts';

/** A session's metadata as commands with --json print it: dates as ISO strings. */
export type MetadataJson = Omit<SessionMetadata, 'created' | 'lastAccessed'> & {
  created: string;
  lastAccessed: string;
};

/** Metadata with its dates as ISO strings. */
export function metadataJson(metadata: SessionMetadata): MetadataJson {
  const { created, lastAccessed, ...rest } = metadata;
  return { ...rest, created: created.toISOString(), lastAccessed: lastAccessed.toISOString() };
}

/** Room that the other columns of the table of sessions need beside the names. */
const SESSIONS_REST = 80;
const NAME_MIN = 20;

/** Table of sessions, last used first, with names that fit into `columns`; a hint when there are none. */
export function renderSessions(
  sessions: SessionMetadata[],
  palette: Palette,
  columns = Number.POSITIVE_INFINITY,
): string {
  const room = Math.max(NAME_MIN, columns - SESSIONS_REST);
  if (sessions.length === 0)
    return `No sessions yet. ${palette.dim('Start one: reprise exec <session> <code>')}\n`;
  const rows = [...sessions]
    .sort((a, b) => b.lastAccessed.getTime() - a.lastAccessed.getTime() || (a.name < b.name ? -1 : 1))
    .map((session) => [
      palette.bold(cut(printable(session.name), room)),
      String(session.eventCount),
      String(session.checkpointCount),
      formatBytes(session.size),
      formatTime(session.created),
      formatTime(session.lastAccessed),
    ]);
  return renderTable(
    [
      { title: 'SESSION' },
      { title: 'EVENTS', right: true },
      { title: 'CHECKPOINTS', right: true },
      { title: 'SIZE', right: true },
      { title: 'CREATED' },
      { title: 'LAST USED' },
    ],
    rows,
    palette,
  );
}

/** Variables with kind, type and preview; a line saying so when there are none. */
export function renderVariables(variables: VariableSummary[], palette: Palette): string {
  if (variables.length === 0) return `${palette.dim('no variables')}\n`;
  return renderTable(
    [{ title: 'KIND' }, { title: 'NAME' }, { title: 'TYPE' }, { title: 'VALUE' }],
    variables.map(({ kind, name, type, preview }) => [
      palette.dim(kind),
      palette.bold(printable(name)),
      palette.cyan(printable(type)),
      oneLine(preview),
    ]),
    palette,
  );
}

/** What a session waits for, as a table under a heading; '' when for nothing. */
export function renderPending(state: ReplState, palette: Palette): string {
  if (state.pending.length === 0) return '';
  const rows = state.pending.map((effect) => [
    String(effect.effect),
    effect.kind,
    String(effect.seq),
    oneLine(effect.detail),
  ]);
  const columns = [{ title: 'EFFECT' }, { title: 'KIND' }, { title: 'SEQ' }, { title: 'REQUEST' }];
  return `\n${palette.bold('Waiting for')}\n${renderTable(columns, rows, palette)}`;
}

function backgroundFacts({ background }: ReplState): [string, string][] {
  if (!background || background.turns === 0) return [];
  const { turns, limit, paused } = background;
  const of = `${turns} of ${count(limit, 'turn')} since the last cell`;
  return [['background', paused ? `paused after ${of}: the next cell lets it go on` : of]];
}

function forkFacts({ parent }: SessionMetadata): [string, string][] {
  return parent ? [['fork of', `${printable(parent.session)} at seq ${parent.seq}`]] : [];
}

/** Everything `reprise show` tells about a session. */
export function renderSession({ state, metadata, passedOver = [] }: InspectReply, palette: Palette): string {
  // No heap is empty: nobody could look into it.
  const looked = state.heapBytes > 0 || state.status !== 'running';
  const facts: [string, string][] = [
    ['session', palette.bold(printable(metadata.name))],
    ['id', metadata.id],
    ...forkFacts(metadata),
    ['created', formatTime(metadata.created)],
    ['last used', formatTime(metadata.lastAccessed)],
    ['log', `${count(metadata.eventCount, 'event')}, newest seq ${state.seq}`],
    ['stored', `${formatBytes(metadata.size)}, ${count(metadata.checkpointCount, 'checkpoint')}`],
    ['status', `${state.status}, ${count(state.cells, 'cell')}`],
    ...passedOver.map(({ seq, why }): [string, string] => [
      'checkpoint',
      palette.red(`the one at seq ${seq} is of no use, an older state was the start: ${printable(why)}`),
    ]),
    ...backgroundFacts(state),
    ['heap', looked ? formatBytes(state.heapBytes) : palette.dim('not looked at while it computes')],
    ['state', state.stateId || palette.dim('known when the cell has ended')],
    ['kernel', state.kernel],
  ];
  const variables = looked
    ? renderVariables(state.variables, palette)
    : palette.dim('not looked at while it computes\n');
  const head = facts.map(([name, value]) => `${palette.dim(name.padEnd(11))}${value}\n`).join('');
  return `${head}\n${palette.bold('Variables')}\n${variables}${renderPending(state, palette)}`;
}

/** What `reprise show --at-last-good` tells: the state, and what is wrong after it. */
export function renderLastGood(reply: LastGoodReply, palette: Palette): string {
  const { divergence, state } = reply;
  const text = renderSession(reply, palette);
  if (!divergence)
    return `${palette.green('nothing is wrong with its log')}: this is the newest state\n${text}`;
  const { seq, position, kind, actual } = divergence;
  const where = position === undefined ? '' : `, log position ${position}`;
  return (
    `${palette.red('the log is good up to')} seq ${state.seq}; this is the state after it\n` +
    `${palette.dim('wrong'.padEnd(11))}seq ${seq} (${kind}${where}): ${oneLine(actual)}\n${text}`
  );
}

/** What an interrupt struck, as one line. An older worker does not say: then it was a cell. */
export function renderInterrupted(session: string, { seq, interrupted = 'cell' }: InterruptReply): string {
  const name = `'${printable(session)}'`;
  const told = {
    cell: `interrupted ${name} after seq ${seq}`,
    callback: `interrupted a timer's callback in ${name} after seq ${seq}; its other timers go on`,
    queued: `took the cell back before it began in ${name}`,
    nothing: `no cell runs in ${name}`,
  };
  return `${told[interrupted]}\n`;
}
