/** Errors as the CLI prints them: what happened, whether a retry is safe, what to do next. Pure. */
import type { ErrorCode, RepriseError } from '../../bus/errors.ts';
import type { Palette } from './palette.ts';
import { printable, shellWord } from './text.ts';

/** What to do next, for errors that do not say so themselves. */
const NEXT: Partial<Record<ErrorCode, string>> = {
  NO_RESPONDERS: '`reprise status` shows what runs, `reprise up` starts what is missing',
  TIMEOUT: 'retry with the same --id: a command that was executed is not executed again',
  DISCONNECTED: 'retry with the same --id; `reprise doctor` examines the connection',
  UNAVAILABLE: '`reprise doctor` says what is missing',
  FENCED: 'retry with the same --id',
  DRAINING: 'retry with the same --id',
  NOT_FOUND: '`reprise ls` lists the sessions',
  BAD_REQUEST: 'see `reprise help <command>`',
  BAD_NAME: 'a name has 1 to 512 characters without control characters',
  BAD_FORMAT: '`reprise doctor` compares the versions of the parts',
  TOO_LARGE: 'make the cell smaller, or bring the data in by parts',
  SEQ_GAP: '`reprise replay <session>` checks the log',
  CHAIN_BROKEN: '`reprise log <session>` shows what can be read',
  DIVERGED: '`reprise log <session>` shows both sides of the place',
  CORRUPT: '`reprise doctor` examines the store',
  CLOSED: 'open another session, or read this one with `reprise log`',
  DENIED: 'ask for access, or use another server in REPRISE_NATS_URL',
  STORAGE_FULL: 'free disk space or delete sessions with `reprise rm`, then retry',
  INTERNAL: '`reprise doctor` gathers what a bug report needs',
};

/** The hint of an error, its own or the usual one for its code. */
export function hintOf(error: RepriseError): string | undefined {
  return error.hint ?? NEXT[error.code];
}

/** A few lines for a person; `commandId`: of the command that failed, so that it can be asked again. */
export function renderFailure(error: RepriseError, palette: Palette, commandId?: string): string {
  const lines = [`${palette.red('error:')} ${printable(error.message)} ${palette.dim(`(${error.code})`)}`];
  lines.push(error.retryable ? '  Safe to retry.' : '  A retry alone will not help.');
  const hint = hintOf(error);
  if (hint !== undefined) lines.push(`  Next: ${hint}`);
  if (error.retryable && commandId !== undefined) lines.push(`  Id:   --id ${shellWord(commandId)}`);
  return `${lines.join('\n')}\n`;
}

/** One line of JSON for a program: {error, code, retryable, hint}, plus what the command adds. */
export function failureJson(error: RepriseError, more: Record<string, unknown> = {}): string {
  const { message, code, retryable } = error;
  return `${JSON.stringify({ error: message, code, retryable, hint: hintOf(error), ...more })}\n`;
}
