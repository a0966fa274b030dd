/** Events of a log as lines. Pure. */
import { annotationText } from '../../bus/client/annotations.ts';
import { warningText } from '../../bus/client/warning-text.ts';
import type { SessionEvent, SessionEventType } from '../../bus/types.ts';
import type { Colour, Palette } from './palette.ts';
import { firstLine, formatTime, printable } from './text.ts';

const COLOURS: Record<SessionEventType, Colour> = {
  session: 'bold',
  input: 'cyan',
  output: 'green',
  error: 'red',
  checkpoint: 'dim',
  llm_req: 'magenta',
  llm_resp: 'magenta',
  effect_req: 'blue',
  effect_resp: 'blue',
  effect_cancel: 'blue',
  interrupt: 'yellow',
  paused: 'yellow',
  warning: 'yellow',
  fork: 'bold',
  annotation: 'cyan',
  closed: 'bold',
};

const failed = (error: { name: string; message: string }) => `✗ ${error.name}: ${error.message}`;

/** What an event says, in full: code, output, message. */
export function eventContent(event: SessionEvent): string {
  switch (event.type) {
    case 'session':
      return `${event.name ?? event.id}${event.parent ? ` (fork of ${event.parent.id} at ${event.parent.seq})` : ''}`;
    case 'input':
      return event.code;
    case 'output':
      return event.value;
    case 'error':
      return event.stack || event.message;
    case 'checkpoint':
      return `${event.stateId.slice(0, 16)} (${event.reason})`;
    case 'llm_req':
      return event.prompt;
    case 'llm_resp':
      return event.error ? failed(event.error) : event.response;
    case 'effect_req':
      return `${event.kind} ${JSON.stringify(event.payload)}`;
    case 'effect_resp':
      return `${event.kind} ${event.error ? failed(event.error) : JSON.stringify(event.value ?? null)}`;
    case 'effect_cancel':
      return `no longer waits for effect ${event.effect}`;
    case 'interrupt':
      return event.reason === 'user' ? 'by Ctrl-C' : 'time budget spent';
    case 'warning':
      return warningText(event);
    case 'paused':
      return `${event.turns} turns in the background since the last cell: the next one lets it go on`;
    case 'fork':
      return `${event.name} goes on from ${event.parent.session} at seq ${event.parent.seq}`;
    case 'annotation':
      return annotationText(event);
    case 'closed':
      return event.reason;
    default:
      return JSON.stringify(event); // a later version's event
  }
}

/** Short name of what the event is: its type, or the stream of an output that is not a result. */
function label(event: SessionEvent): string {
  if (event.type === 'output' && event.stream !== undefined && event.stream !== 'result') return event.stream;
  return event.type;
}

/** `seq  time  type  first line of content`, cut to `width` characters, with a newline. */
export function renderEvent(event: SessionEvent, palette: Palette, width: number): string {
  const seq = String(event.seq ?? 0).padStart(6);
  const written = event.type === 'session' ? event.created : event.timestamp;
  const time = (written === undefined ? '' : formatTime(written)).padEnd(19);
  const name = label(event).padEnd(14);
  const cell = 'cell' in event && event.cell !== undefined ? `[${event.cell}] ` : '';
  const room = Math.max(20, width - seq.length - time.length - name.length - cell.length - 6);
  const { line, more } = firstLine(eventContent(event), room);
  const rest = more > 0 ? palette.dim(` … +${more}`) : '';
  const paint = palette[COLOURS[event.type] ?? 'dim'];
  return `${palette.dim(seq)}  ${palette.dim(time)}  ${paint(name)}${palette.dim(cell)}${line}${rest}\n`;
}

/** An event as one line of JSON, exactly as the log holds it. */
export function eventJson(event: SessionEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/** Where a log breaks, as a line between its events. */
export function renderBreak(what: string, palette: Palette): string {
  return `${palette.red(`✗ the log is broken here: ${printable(what)}`)}\n`;
}
