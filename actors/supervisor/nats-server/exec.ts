/** Runs a program and collects what it prints, as a port that tests can replace. */
import { execFile } from 'node:child_process';

export interface ExecResult {
  /** Exit code; -1 when the program could not be started or was killed. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface ExecOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  timeoutMs?: number;
}

export type Exec = (file: string, args: string[], options?: ExecOptions) => Promise<ExecResult>;

/** Never throws: a program that cannot be started has code -1 and says why in `stderr`. */
export const execProgram: Exec = (file, args, options = {}) =>
  new Promise((resolve) => {
    const { cwd, env, timeoutMs = 10_000 } = options;
    const settings = { cwd, env, timeout: timeoutMs, killSignal: 'SIGKILL' as const, maxBuffer: 1 << 22 };
    execFile(file, args, settings, (error, stdout, stderr) => {
      if (!error) return resolve({ code: 0, stdout, stderr });
      const code = typeof error.code === 'number' ? error.code : -1;
      const why = error.killed ? `not done in ${timeoutMs} ms` : error.message;
      resolve({ code, stdout, stderr: stderr || why });
    });
  });
