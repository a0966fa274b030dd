/** `reprise interrupt`: Ctrl-C for the running cell of a session. */
import type { Command } from 'commander';
import { addExamples, type Context, sessionName } from '../context.ts';

/** Declares `interrupt`. */
export function addInterrupt(program: Command, context: Context): void {
  const command = program
    .command('interrupt')
    .description('stop the cell that runs in a session; the session stays usable')
    .argument('<session>', 'name of the session', sessionName)
    .option('--id <commandId>', 'only when this command runs')
    .option('--json', 'print one line of JSON')
    .action(async (session: string, options: { id?: string; json?: boolean }) => {
      const { terminal } = context;
      const { seq } = await (await context.sessions()).interrupt(session, options.id);
      terminal.out(
        options.json
          ? `${JSON.stringify({ session, seq })}\n`
          : `interrupted '${session}' after seq ${seq}\n`,
      );
    });
  addExamples(command, [['reprise interrupt demo', 'as Ctrl-C in its repl']]);
}
