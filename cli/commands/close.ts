/** `reprise close`: end a session; its log stays. */
import type { Command } from 'commander';
import { addExamples, type Context, sessionName } from '../context.ts';

/** Declares `close`. */
export function addClose(program: Command, context: Context): void {
  const command = program
    .command('close')
    .description('end a session: it takes no more cells, its log stays')
    .argument('<session>', 'name of the session', sessionName)
    .option('--reason <text>', 'recorded in the log')
    .option('--json', 'print one line of JSON')
    .action(async (session: string, options: { reason?: string; json?: boolean }) => {
      const { terminal } = context;
      const { seq } = await (await context.sessions()).closeSession(session, options.reason);
      terminal.out(
        options.json ? `${JSON.stringify({ session, seq })}\n` : `closed '${session}' at seq ${seq}\n`,
      );
    });
  addExamples(command, [["reprise close demo --reason 'done'", 'reading it stays possible']]);
}
