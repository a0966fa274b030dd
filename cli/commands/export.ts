/** `reprise export`: a session's log as a file. */
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import { addExamples, type Context, EXIT, sessionMissing, sessionName, wholeNumber } from '../context.ts';
import { type Output, outputFile, standardOutput } from '../output-file.ts';
import { withCounter } from '../progress.ts';
import { eventJson } from '../render/event.ts';
import { count, formatBytes, printable } from '../render/text.ts';

interface ExportOptions {
  output?: string;
  from?: number;
  to?: number;
  force?: boolean;
  json?: boolean;
}

/** Declares `export`. */
export function addExport(program: Command, context: Context): void {
  const command = program
    .command('export')
    .description('write the log of a session as JSONL: one event a line, as `reprise import` reads it')
    .argument('<session>', 'name of the session', sessionName)
    .option('-o, --output <file>', 'write to a file, which is whole or not there (default: standard output)')
    .option('--from <seq>', 'first event (a part of a log cannot be imported)', wholeNumber('--from', 0))
    .option('--to <seq>', 'last event', wholeNumber('--to', 0))
    .option('--force', 'replace the file when it is there already')
    .option('--json', 'with -o, print one line of JSON: {session, file, events, bytes}')
    .action((session: string, options: ExportOptions) => exportLog(context, session, options));
  addExamples(command, [
    ['reprise export demo -o demo.jsonl', 'a fork is written whole, with what it shares'],
    ['reprise export demo --to 41 | gzip > demo.jsonl.gz', 'as it was at event 41'],
    ['reprise import demo.jsonl --as copy', 'a session that goes on where the file ends'],
  ]);
}

async function exportLog(context: Context, session: string, options: ExportOptions): Promise<void> {
  const { from = 0, to } = options;
  if (to !== undefined && from > to) {
    throw new RepriseError('BAD_REQUEST', `--from ${from} comes after --to ${to}`);
  }
  const path = options.output === '-' ? undefined : options.output;
  const { terminal } = context;
  const sessions = await context.sessions();
  const metadata = await sessions.getSession(session);
  if (metadata === null) throw sessionMissing(session);
  // What comes while it is written is not part of it.
  const last = Math.min(to ?? Number.POSITIVE_INFINITY, metadata.eventCount - 1);
  const total = Math.max(0, last - from + 1);
  const output = path === undefined ? standardOutput(terminal) : await outputFile(path, options.force);
  let [events, bytes] = [0, 0];
  await written(context, output, (signal) =>
    withCounter(
      terminal,
      () => `${events} of ${total} events …`,
      async () => {
        for await (const event of sessions.events(session, from, last, { signal })) {
          const line = eventJson(event);
          events += 1;
          bytes += Buffer.byteLength(line);
          await output.write(line);
        }
      },
    ),
  );
  if (path === undefined) return;
  if (options.json) return terminal.out(`${JSON.stringify({ session, file: path, events, bytes })}\n`);
  terminal.out(`${printable(path)}: ${count(events, 'event')}, ${formatBytes(bytes)}\n`);
}

/** Does `work`, which writes; what fails or is ended by Ctrl-C leaves no file. */
async function written(
  { terminal }: Pick<Context, 'terminal'>,
  output: Output,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM'], () => abort.abort());
  try {
    await work(abort.signal);
    if (!abort.signal.aborted) await output.finish();
  } finally {
    stop();
    await output.discard();
  }
  if (abort.signal.aborted) terminal.exit(EXIT.interrupted);
}
