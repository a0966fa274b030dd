/** `reprise fork`: a new session that goes on from any event of another one. */
import type { Command } from 'commander';
import { newCommandId } from '../../bus/client/command-id.ts';
import { addExamples, type Context, sessionName, wholeNumber } from '../context.ts';
import { withProgress } from '../progress.ts';
import { printable } from '../render/text.ts';

interface ForkCommandOptions {
  at?: number;
  id?: string;
  json?: boolean;
}

/** Declares `fork`. */
export function addFork(program: Command, context: Context): void {
  const command = program
    .command('fork')
    .description(
      'begin a session that shares everything up to an event of another one; never touches that one',
    )
    .argument('<session>', 'name of the session', sessionName)
    .argument('<new>', 'name of the new session', sessionName)
    .option(
      '--at <seq>',
      'number of the event, as `reprise log` shows it (default: the newest)',
      wholeNumber('--at', 0),
    )
    .option('--id <commandId>', 'id of this command: the same id forks once, a retry gets the first answer')
    .option('--json', 'print one line of JSON: {session, parent: {session, seq}, bytesWritten, durationMs}')
    .action((session: string, name: string, options: ForkCommandOptions) =>
      fork(context, session, name, options),
    );
  addExamples(command, [
    ['reprise fork demo what-if', 'goes on from the newest event of demo'],
    ['reprise fork demo what-if --at 12', 'from right after event 12'],
    ['reprise tree', 'shows what came from what'],
  ]);
}

async function fork(
  context: Context,
  session: string,
  name: string,
  { at, id: commandId = newCommandId(), json }: ForkCommandOptions,
): Promise<void> {
  const { terminal } = context;
  context.details = { session, commandId };
  const sessions = await context.sessions();
  const reply = await withProgress(terminal, 'forking …', () =>
    sessions.fork(session, name, at, { commandId }),
  );
  if (json) return terminal.out(`${JSON.stringify(reply)}\n`);
  const { parent } = reply;
  const { bold } = terminal.palette;
  terminal.out(
    `${bold(printable(reply.session))} goes on from ${printable(parent.session)} at seq ${parent.seq}\n`,
  );
}
