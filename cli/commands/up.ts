/** `reprise up`: start what is missing. */
import type { Command } from 'commander';
import { addExamples, type Context, EXIT, wholeNumber } from '../context.ts';
import { withProgress } from '../progress.ts';
import { renderStarted } from '../render/status.ts';

const WORKERS_MAX = 1_000;

/** Declares `up`. */
export function addUp(program: Command, context: Context): void {
  const command = program
    .command('up')
    .description('start what is missing, in the background; returns when all of it is ready')
    .option('--workers <number>', 'how many workers shall run', wholeNumber('--workers', 1, WORKERS_MAX))
    .option('--json', 'print what runs as one line of JSON')
    .action((options: { workers?: number; json?: boolean }) => up(context, options));
  addExamples(command, [
    ['reprise up', 'two workers, or as many as run already'],
    ['reprise up --workers 4', 'more or fewer, also while it runs'],
    ['REPRISE_DURABILITY=power reprise up', 'every acknowledged cell survives a power failure'],
  ]);
}

async function up(context: Context, options: { workers?: number; json?: boolean }): Promise<void> {
  const { terminal, system } = context;
  const before = await system.status();
  const abort = new AbortController();
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM'], () => {
    if (abort.signal.aborted) terminal.exit(EXIT.interrupted);
    terminal.err('giving up; ending what was started …\n');
    abort.abort();
  });
  try {
    const onProgress = (line: string) => terminal.err(`${terminal.errPalette.dim(`${line} …`)}\n`);
    await withProgress(terminal, 'starting …', () =>
      system.up({ workers: options.workers, signal: abort.signal, onProgress }),
    );
  } catch (thrown) {
    if (!abort.signal.aborted) throw thrown;
    context.exitCode = EXIT.interrupted;
    return;
  } finally {
    stop();
  }
  const after = await system.status();
  terminal.out(options.json ? `${JSON.stringify(after)}\n` : renderStarted(before, after, terminal.palette));
}
