/** `reprise import`: a session out of a log. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import { BUNDLE_HEAD_BYTES, isBundle } from '../../bus/bundle.ts';
import { newCommandId } from '../../bus/client/command-id.ts';
import { contractLog } from '../../bus/client/contract-log.ts';
import type { LogSource } from '../../bus/client/import.ts';
import { jsonLines } from '../../bus/client/lines.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { Imported } from '../../bus/operations/lineage.ts';
import { addExamples, type Context, EXIT, sessionName } from '../context.ts';
import { type InputFile, inputFile } from '../input-file.ts';
import { withCounter } from '../progress.ts';
import type { Palette } from '../render/palette.ts';
import { count, firstLine, printable } from '../render/text.ts';

interface ImportCommandOptions {
  as?: string;
  id?: string;
  json?: boolean;
}

/** Declares `import`. */
export function addImport(program: Command, context: Context): void {
  const command = program
    .command('import')
    .description('begin a session out of a log; it has an id of its own and goes on where the log ends')
    .argument('<file>', 'JSONL, one event a line, or a bundle; - reads standard input')
    .option(
      '--as <name>',
      'name of the new session (default: the one in the log, else that of the file)',
      sessionName,
    )
    .option('--id <commandId>', 'id of this command: the same id imports once')
    .option('--json', 'print one line of JSON: {session, id, events, verified, divergence, closed, …}')
    .action((file: string, options: ImportCommandOptions) => importLog(context, file, options));
  addExamples(command, [
    ['reprise import demo.jsonl --as copy', ''],
    ['reprise export demo | reprise import - --as copy', 'a copy that shares nothing with demo'],
    ['reprise replay copy', 'gives the same when Reprise wrote the log'],
  ]);
}

async function importLog(context: Context, path: string, options: ImportCommandOptions): Promise<void> {
  const { terminal } = context;
  const { id: commandId = newCommandId(), json } = options;
  const abort = new AbortController();
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM'], () => abort.abort());
  const file = await inputFile(path, terminal);
  try {
    const source = await sourceOf(file);
    const session = options.as ?? (await nameIn(source, file));
    context.details = { session, commandId };
    const sessions = await context.sessions();
    let sent = 0;
    const onEvent = (events: number) => {
      sent = events;
    };
    const imported = await withCounter(
      terminal,
      () => `${count(sent, 'event')} sent …`,
      () => sessions.importLog(session, source, { commandId, onEvent, signal: abort.signal }),
    );
    if (json) return terminal.out(`${JSON.stringify(imported)}\n`);
    terminal.out(renderImported(imported, file.path, terminal.palette));
  } catch (thrown) {
    if (!abort.signal.aborted) throw thrown;
    context.exitCode = EXIT.interrupted;
  } finally {
    stop();
    await file.close();
  }
}

/** The events of a file, be it lines or a bundle. @throws RepriseError as the readers; of a bundle all is read */
async function sourceOf(file: InputFile): Promise<LogSource> {
  if (!isBundle(await file.beginning(BUNDLE_HEAD_BYTES))) return () => contractLog(jsonLines(file.bytes()));
  const { BundledLog } = await import('../../bus/bundled-log.ts');
  const log = await BundledLog.read(file.bytes());
  return () => log.events();
}

/** What a log calls its session, else what its file is called. @throws RepriseError as the source, BAD_REQUEST */
async function nameIn(source: LogSource, { path }: InputFile): Promise<string> {
  for await (const event of source()) {
    if (event.type === 'session' && event.name !== undefined) return sessionName(event.name);
    break;
  }
  if (path !== 'standard input') return sessionName(basename(path).replace(/\.[^.]+$/, ''));
  throw new RepriseError('BAD_REQUEST', 'the log does not name its session', {
    hint: 'give a name with --as',
  });
}

/** What was begun; of a log that this kernel does not give, what works nevertheless. */
function renderImported(imported: Imported, path: string, palette: Palette): string {
  const { session, events, closed, verified, divergence } = imported;
  const what = verified ? 're-execution gives the same' : palette.yellow('re-execution gives something else');
  const lines = [
    `${palette.bold(printable(session))}: ${count(events, 'event')} from ${printable(path)} · ${what}`,
  ];
  if (closed) lines.push(palette.dim('it has ended: it can be read and forked, and takes no more cells'));
  if (divergence) {
    const { seq, expected, actual } = divergence;
    lines.push(
      `at seq ${seq} the log says  ${firstLine(expected, 100).line}`,
      `re-execution gives  ${firstLine(actual, 100).line}`,
      palette.dim('its variables cannot be rebuilt, so no cell runs in it. log, export and replay work,'),
      palette.dim(`and so do show --at-last-good, at and fork --at before seq ${seq}`),
    );
  }
  return `${lines[0]}\n${lines
    .slice(1)
    .map((line) => `  ${line}\n`)
    .join('')}`;
}
