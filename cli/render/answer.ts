/** The answer to a cell, for people and for programs. Pure. */
import type { ExecuteReply } from '../../bus/protocol.ts';
import type { Palette } from './palette.ts';

/** Text for the two output streams, in the order in which they are written. */
export interface AnswerText {
  stdout: string;
  stderr: string;
  /** Result line(s) of the cell, for stdout. */
  result: string;
  /** Stack of the error that ended the cell, for stderr. */
  failure: string;
}

const terminated = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

/** Console output as it was, then the result or the error with its stack. */
export function renderAnswer(reply: ExecuteReply, palette: Palette): AnswerText {
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
  return error.stack.includes(error.message) && error.message !== ''
    ? error.stack
    : `${headline}\n${error.stack}`;
}

/** One line of JSON; the fields of the contract first. */
export function answerJson(reply: ExecuteReply): string {
  const { session, commandId, seq, output, shouldExit, stdout, error, durationMs, stderr, worker, repeated } =
    reply;
  const answer = { session, commandId, seq, output, shouldExit, stdout, error, durationMs };
  return `${JSON.stringify({ ...answer, stderr, worker, repeated })}\n`;
}
