/** What every command is given, and how its outcome leaves the process. */
import type { Command } from 'commander';
import type { ProcessManager } from '../actors/supervisor/process-manager.ts';
import type { SessionClient } from '../bus/client/client.ts';
import { RepriseError } from '../bus/errors.ts';
import { normalName } from '../bus/subjects.ts';
import type { Terminal } from './terminal.ts';

export interface Context {
  readonly terminal: Terminal;
  readonly version: string;
  /** The processes of the data folder. */
  readonly system: ProcessManager;
  /** Sessions of the running system; starts the local one when nothing runs. */
  sessions(): Promise<SessionClient>;
  /** Exit code of a command that did not fail. */
  exitCode: number;
  /** Facts that a failure is printed with (--json), e.g. the commandId to retry with. */
  details: Record<string, unknown>;
}

export const EXIT = {
  ok: 0,
  /** The cell threw. */
  threw: 1,
  /** `diff`: as diff(1). */
  differ: 1,
  usage: 2,
  divergence: 3,
  notFound: 4,
  /** Unavailable or timed out; safe to retry. */
  unavailable: 5,
  denied: 6,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

/** Adds an Examples section to a command's help: pairs of command line and explanation. */
export function addExamples(command: Command, examples: [line: string, explanation: string][]): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, why]) => `  ${line.padEnd(width)}  ${why}`.trimEnd());
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/**
 * Parser of a whole-number option between two bounds.
 * @throws RepriseError BAD_REQUEST (from the parser) for anything else.
 */
export function wholeNumber(option: string, min: number, max?: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= (max ?? Number.MAX_SAFE_INTEGER)) return value;
    const range =
      max === undefined ? `a whole number, ${min} or more` : `a whole number from ${min} to ${max}`;
    throw new RepriseError('BAD_REQUEST', `${option}: '${text}' is not ${range}`);
  };
}

/** Parser of an option that may be repeated: all its values, in order. */
export const repeatable = (text: string, before: string[] = []): string[] => [...before, text];

/** Parser of a session's name, so that a bad one is refused before anything is started. @throws RepriseError BAD_NAME */
export const sessionName = (text: string): string => normalName(text);

/** The error for a session that does not exist. */
export function sessionMissing(session: string): RepriseError {
  return new RepriseError('NOT_FOUND', `there is no session '${session}'`);
}
