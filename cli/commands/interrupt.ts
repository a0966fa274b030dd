/** `reprise interrupt`: Ctrl-C for the running cell of a session. */
import type { Command } from 'commander';
import { addExamples, type Context, sessionName } from '../context.ts';
import { renderInterrupted } from '../render/session.ts';

/** Declares `interrupt`. */
export function addInterrupt(program: Command, context: Context): void {
  const command = program
    .command('interrupt')
    .description('stop the cell, or the timer’s callback, that runs in a session; the session stays usable')
    .argument('<session>', 'name of the session', sessionName)
    .option('--id <commandId>', 'only when this command runs, or waits for another one')
    .option('--json', 'print one line of JSON')
    .action(async (session: string, options: { id?: string; json?: boolean }) => {
      const { terminal } = context;
      const sessions = await context.sessions();
      const { seq, interrupted = 'cell' } = await sessions.interrupt(session, options.id);
      if (options.json) terminal.out(`${JSON.stringify({ session, seq, interrupted })}\n`);
      else terminal.out(renderInterrupted(session, { seq, interrupted }));
    });
  addExamples(command, [['reprise interrupt demo', 'as Ctrl-C in its repl']]);
}
