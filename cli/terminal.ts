/**
 * What a command may touch of the outside world: streams, environment, Ctrl-C. `main.ts` hands in the
 * process's own; tests hand in theirs.
 */
import type { AnswerText } from './render/answer.ts';
import { makePalette, type Palette, wantsColour } from './render/palette.ts';

export interface Terminal {
  readonly env: Record<string, string | undefined>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Colours of stdout. */
  readonly palette: Palette;
  /** Colours of stderr. */
  readonly errPalette: Palette;
  /** Columns of stdout; unlimited when it is no terminal. */
  readonly columns: number;
  out(text: string): void;
  err(text: string): void;
  /** Calls `listener` at each of these signals instead of dying; returns a function that stops it. */
  onSignal(signals: NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void;
  /** Resolves once all that was written has left the process. */
  flush(): Promise<void>;
  /** Leaves at once. */
  exit(code: number): never;
}

const flushed = (stream: NodeJS.WriteStream) =>
  new Promise<void>((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write('', () => resolve());
  });

/** Exit code when what was to be told could not be written. */
const UNWRITTEN = 5;

/**
 * The terminal of a process. A reader that went away (`| head`) ends the process quietly; any other failure to
 * write (a full disk) is said on the other stream.
 */
export function makeTerminal(process: NodeJS.Process): Terminal {
  const { env, stdin, stdout, stderr } = process;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
      if (stream === stdout) stderr.write(`error: the output cannot be written: ${error.message}\n`);
      process.exit(UNWRITTEN);
    });
  }
  return {
    env,
    stdin,
    stdout,
    stderr,
    palette: makePalette(wantsColour(env, stdout.isTTY === true)),
    errPalette: makePalette(wantsColour(env, stderr.isTTY === true)),
    get columns() {
      return stdout.isTTY ? stdout.columns || 80 : Number.POSITIVE_INFINITY;
    },
    out: (text) => void (text !== '' && stdout.write(text)),
    err: (text) => void (text !== '' && stderr.write(text)),
    onSignal(signals, listener) {
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.off(signal, listener);
      };
    },
    async flush() {
      await Promise.all([flushed(stdout), flushed(stderr)]);
    },
    exit: (code) => process.exit(code),
  };
}

/** Writes an answer, each part to its stream, in order. */
export function tellAnswer(
  { out, err }: Pick<Terminal, 'out' | 'err'>,
  { stdout, stderr, result, failure }: AnswerText,
): void {
  out(stdout);
  err(stderr);
  out(result);
  err(failure);
}
