/** Log files of processes that run in the background. */
import { openSync, renameSync, statSync } from 'node:fs';

const LOG_SIZE_MAX = 10 * 1024 * 1024;

/** Size of a file in bytes; 0 when there is none. */
export function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Opens a log for appending; one that grew above 10 MB is put aside as `<file>.1` first. */
export function openLog(file: string): number {
  if (logSize(file) > LOG_SIZE_MAX) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o600);
}

/** A line of a process's log as a person would say it: of a structured one, the error and what to do. */
export function readableLine(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const { error, hint, msg } = JSON.parse(line) as { error?: string; hint?: string; msg?: string };
    const what = error ?? msg;
    if (typeof what !== 'string') return line;
    return hint ? `${what} (${hint})` : what;
  } catch {
    return line;
  }
}
