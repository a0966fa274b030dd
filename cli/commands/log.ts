/** `reprise log`: the events of a session, and those to come. */
import type { Command } from 'commander';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { addExamples, type Context, EXIT, sessionMissing, sessionName, wholeNumber } from '../context.ts';
import { eventJson, renderBreak, renderEvent } from '../render/event.ts';

interface LogOptions {
  from?: number;
  to?: number;
  follow?: boolean;
  json?: boolean;
}

/** Declares `log`. */
export function addLog(program: Command, context: Context): void {
  const command = program
    .command('log')
    .description('print the events of a session')
    .argument('<session>', 'name of the session', sessionName)
    .option('--from <seq>', 'first event', wholeNumber('--from', 0))
    .option('--to <seq>', 'last event', wholeNumber('--to', 0))
    .option('--follow', 'go on with events as they are committed, until Ctrl-C')
    .option('--json', 'one event a line, exactly as stored')
    .action((session: string, options: LogOptions) => log(context, session, options));
  addExamples(command, [
    ['reprise log demo', ''],
    ['reprise log demo --from 10 --to 20', ''],
    ['reprise log demo --follow', 'watch a session at work'],
    ['reprise log demo --json | head -1', 'the session header'],
  ]);
}

async function log(context: Context, session: string, options: LogOptions): Promise<void> {
  const { terminal } = context;
  const { from = 0, to, follow } = options;
  if (to !== undefined && from > to) {
    throw new RepriseError('BAD_REQUEST', `--from ${from} comes after --to ${to}`);
  }
  const sessions = await context.sessions();
  const abort = new AbortController();
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM'], () => abort.abort());
  let printed = -1;
  const print = (event: SessionEvent) => {
    printed = event.seq ?? 0;
    terminal.out(options.json ? eventJson(event) : renderEvent(event, terminal.palette, terminal.columns));
  };
  try {
    if ((await sessions.getSession(session)) === null) throw sessionMissing(session);
    for await (const event of sessions.events(session, from, to, { follow, signal: abort.signal }))
      print(event);
  } catch (thrown) {
    if (!hasCode(thrown, 'CHAIN_BROKEN', 'CORRUPT')) throw thrown;
    await printBroken(context, session, thrown, { from, to, json: options.json, after: printed, print });
  } finally {
    stop();
  }
}

interface Broken {
  from: number;
  to?: number;
  json?: boolean;
  /** seq of the last event that was printed before the break was met. */
  after: number;
  print(event: SessionEvent): void;
}

/** Goes on with what can be read of a log that is not whole; where it breaks is marked, on stderr for machines. */
async function printBroken(
  context: Context,
  session: string,
  error: RepriseError,
  { from, to = Number.POSITIVE_INFINITY, json, after, print }: Broken,
): Promise<void> {
  const { terminal } = context;
  context.exitCode = EXIT.divergence;
  let marks = 0;
  const mark = (what: string) => {
    marks += 1;
    if (json) terminal.err(renderBreak(what, terminal.errPalette));
    else terminal.out(renderBreak(what, terminal.palette));
  };
  for await (const found of (await context.sessions()).salvage(session)) {
    if ('broken' in found) {
      mark(found.broken);
      continue;
    }
    const seq = found.event.seq ?? 0;
    if (seq >= from && seq <= to && (marks > 0 || seq > after)) print(found.event);
  }
  // What no single commit shows: the newest ones are gone, say.
  if (marks === 0) mark(error.message);
  terminal.err(`${terminal.errPalette.dim('nothing was changed; `reprise rm` removes the session')}\n`);
}
