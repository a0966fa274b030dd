/** The answer to a cell, for people and for programs. Pure. */
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import type { EventOf } from '../../bus/types.ts';
import type { Unseen } from '../looking-back.ts';
import type { Palette } from './palette.ts';
import { count, firstLine, shellWord } from './text.ts';

/** Text for the two output streams, in the order in which they are written. */
export interface AnswerText {
  stdout: string;
  stderr: string;
  /** Result line(s) of the cell, for stdout. */
  result: string;
  /** Stack of the error that ended the cell, for stderr. */
  failure: string;
}

const INPUT_WIDTH = 60;
const terminated = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

/** Console output as it was, then the result or the error with its stack. */
export function renderAnswer(
  reply: Pick<ExecuteReply, 'stdout' | 'stderr' | 'output' | 'error'>,
  palette: Palette,
): AnswerText {
  return {
    stdout: terminated(reply.stdout),
    stderr: terminated(reply.stderr),
    result: terminated(reply.output),
    failure: reply.error === null ? '' : terminated(palette.red(errorText(reply.error))),
  };
}

/** A stack that starts with what was thrown, whichever way the engine wrote it. */
function errorText(error: NonNullable<ExecuteReply['error']>): string {
  const headline = error.message === '' ? error.name : `${error.name}: ${error.message}`;
  if (error.stack === '' || error.stack === headline) return headline;
  const isHeaded =
    error.stack.startsWith(`${headline}\n`) || (error.message !== '' && error.stack.includes(error.message));
  return isHeaded ? error.stack : `${headline}\n${error.stack}`;
}

/** Of lines that were shown while they were printed, and are not in the log. */
export function renderUnrecorded(lines: number, palette: Palette): string {
  const what = lines === 1 ? 'the line above was' : `the ${lines} lines above were`;
  return palette.yellow(`(${what} not recorded: the turn that printed so was run again, or undone)\n`);
}

/** Of a cell that somebody else gave to the session: its number and its beginning. */
export function renderInput(input: EventOf<'input'>, palette: Palette): string {
  const { line, more } = firstLine(input.code, INPUT_WIDTH);
  const rest = more > 0 ? ` … +${more}` : '';
  return palette.dim(`[${input.cell ?? '?'}] ${line}${rest}\n`);
}

/** Of the same cell: its result, or what it threw. */
export function renderEnd(event: EventOf<'output'> | EventOf<'error'>, palette: Palette): string {
  if (event.type === 'output') return terminated(event.value);
  const { name = 'Error', message, stack = '' } = event;
  return terminated(palette.red(errorText({ name, message, stack })));
}

/** Of output that was not read in time. */
export function renderUnread(session: string, [from, to]: [number, number], palette: Palette): string {
  const where = `\`reprise log ${logRange(session, from, to)}\``;
  return palette.yellow(`(the rest of the output could not be read now: ${where} shows it)\n`);
}

/** Of what was printed when nobody was there. */
export function renderUnseen(
  session: string,
  { from, to, lines, atLeast }: Unseen,
  palette: Palette,
): string {
  const some = `${atLeast ? 'at least ' : ''}${count(lines, 'line')}`;
  const where = `\`reprise log ${logRange(session, from, to)}\``;
  return palette.dim(`(${some} of output since the cell before: ${where})\n`);
}

function logRange(session: string, from: number, to: number): string {
  return `${session.startsWith('-') ? `--from ${from} --to ${to} -- ` : ''}${shellWord(session)}${
    session.startsWith('-') ? '' : ` --from ${from} --to ${to}`
  }`;
}

/** One line of JSON; the fields of the contract first. */
export function answerJson(reply: ExecuteReply): string {
  const { session, commandId, seq, output, shouldExit, stdout, error, durationMs, stderr, worker, repeated } =
    reply;
  const answer = { session, commandId, seq, output, shouldExit, stdout, error, durationMs };
  return `${JSON.stringify({ ...answer, stderr, worker, repeated })}\n`;
}
