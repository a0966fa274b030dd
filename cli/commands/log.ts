/** `reprise log`: the events of a session, and those to come. */
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import { addExamples, type Context, sessionMissing, sessionName, wholeNumber } from '../context.ts';
import { eventJson, renderEvent } from '../render/event.ts';

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
  if ((await sessions.getSession(session)) === null) throw sessionMissing(session);
  const abort = new AbortController();
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM'], () => abort.abort());
  try {
    for await (const event of sessions.events(session, from, to, { follow, signal: abort.signal })) {
      terminal.out(options.json ? eventJson(event) : renderEvent(event, terminal.palette, terminal.columns));
    }
  } finally {
    stop();
  }
}
