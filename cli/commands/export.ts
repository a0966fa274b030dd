/** `reprise export`: a session's log as a file. */
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { addExamples, type Context, EXIT, sessionMissing, sessionName, wholeNumber } from '../context.ts';
import { type Output, outputFile, standardOutput } from '../output-file.ts';
import { withCounter } from '../progress.ts';
import { eventJson } from '../render/event.ts';
import { count, formatBytes, printable } from '../render/text.ts';
import type { Terminal } from '../terminal.ts';

interface ExportOptions {
  output?: string;
  from?: number;
  to?: number;
  bundle?: boolean;
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
    .option('--bundle', 'write the commits as they are stored, in a file that proves itself')
    .option('--force', 'replace the file when it is there already')
    .option('--json', 'with -o, print one line of JSON: {session, file, events, bytes…}')
    .action((session: string, options: ExportOptions) => {
      return exportLog(context, session, options);
    });
  addExamples(command, [
    ['reprise export demo -o demo.jsonl', 'a fork is written whole, with what it shares'],
    ['reprise export demo --to 41 | gzip > demo.jsonl.gz', 'as it was at event 41'],
    ['reprise import demo.jsonl --as copy', 'a session that goes on where the file ends'],
    ['reprise export demo --bundle -o demo.reprise', 'with the hashes of its commits'],
    ['reprise verify demo.reprise', 'exit code 3 when a byte or a cell differs'],
  ]);
}

async function exportLog(context: Context, session: string, options: ExportOptions): Promise<void> {
  const { from = 0, to, bundle } = options;
  assertAsked(options, context.terminal);
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
  const told = () => (bundle ? `${formatBytes(bytes)} …` : `${events} of ${total} events …`);
  await written(context, output, (signal) =>
    withCounter(terminal, told, async () => {
      const lines = linesOf(sessions.events(session, from, last, { signal }));
      for await (const chunk of bundle ? sessions.bundle(session, last, signal) : lines) {
        events += 1;
        bytes += Buffer.byteLength(chunk);
        await output.write(chunk);
      }
    }),
  );
  if (path === undefined) return;
  if (bundle) events = metadata.eventCount;
  if (options.json) return terminal.out(`${JSON.stringify({ session, file: path, events, bytes })}\n`);
  terminal.out(`${printable(path)}: ${count(events, 'event')}, ${formatBytes(bytes)}\n`);
}

/** @throws RepriseError BAD_REQUEST when what is asked for does not go together */
function assertAsked({ from = 0, to, bundle, output = '-' }: ExportOptions, { stdout }: Terminal): void {
  if (to !== undefined && from > to) {
    throw new RepriseError('BAD_REQUEST', `--from ${from} comes after --to ${to}`);
  }
  if (!bundle) return;
  if (from > 0 || to !== undefined) {
    throw new RepriseError('BAD_REQUEST', 'a bundle holds the whole of a session: leave out --from and --to');
  }
  if (output === '-' && stdout.isTTY) {
    throw new RepriseError('BAD_REQUEST', 'a bundle is nothing for a terminal', { hint: 'add -o <file>' });
  }
}

async function* linesOf(events: AsyncIterable<SessionEvent>): AsyncGenerator<string, void> {
  for await (const event of events) yield eventJson(event);
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
