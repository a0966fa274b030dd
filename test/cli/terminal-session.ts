/** A command in a pseudo-terminal. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { until } from '../kit/until.ts';
import { ROOT, type Shell } from './shell.ts';

export class TerminalSession {
  readonly child: ChildProcessWithoutNullStreams;
  text = '';

  constructor(shell: Shell, args: string) {
    const command = `"${process.execPath}" "${path.join(ROOT, 'cli', 'reprise.mjs')}" ${args}`;
    const env = shell.environment({ TERM: 'xterm', NO_COLOR: '1' });
    this.child = spawn('script', ['-qec', command, '/dev/null'], { cwd: ROOT, env });
    this.child.stdout.setEncoding('utf8').on('data', (chunk) => {
      this.text += stripVTControlCharacters(chunk);
    });
  }

  /** Types, then waits until `expected` is shown after it. */
  async type(keys: string, expected: RegExp): Promise<void> {
    const from = this.text.length;
    this.child.stdin.write(keys);
    await until(() => expected.test(this.text.slice(from)));
  }

  /** Waits until `expected` is shown. */
  shows(expected: RegExp): Promise<void> {
    return until(() => expected.test(this.text));
  }
}

const hasScript = spawnSync('script', ['--version']).status === 0;
/** Why tests that need a terminal are left out, false when they are not. */
export const skip = hasScript ? false : 'there is no script(1) of util-linux to make a pseudo-terminal with';
