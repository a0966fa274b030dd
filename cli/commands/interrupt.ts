/** `reprise interrupt`: Ctrl-C for the running cell of a session. */
import type { Command } from 'commander';
import { addExamples, type Context, sessionName } from '../context.ts';
import { printable } from '../render/text.ts';

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
      const sessions = await context.sessions();
      const { state } = await sessions.inspect(session);
      const { seq } = await sessions.interrupt(session, options.id);
      const running = state.status === 'running' || state.status === 'awaitingEffects';
      if (options.json) return terminal.out(`${JSON.stringify({ session, seq })}\n`);
      terminal.out(
        running
          ? `interrupted '${printable(session)}' after seq ${seq}\n`
          : `no cell runs in '${printable(session)}'\n`,
      );
    });
  addExamples(command, [['reprise interrupt demo', 'as Ctrl-C in its repl']]);
}
