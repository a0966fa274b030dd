/** `reprise checkpoint`: save the heap of a session now. */
import type { Command } from 'commander';
import { addExamples, type Context, sessionName } from '../context.ts';
import { withProgress } from '../progress.ts';
import { printable } from '../render/text.ts';

/** Declares `checkpoint`. */
export function addCheckpoint(program: Command, context: Context): void {
  const command = program
    .command('checkpoint')
    .description('save the heap of a session now; sessions do so by themselves when it is worth it')
    .argument('<session>', 'name of the session', sessionName)
    .option('--json', 'print one line of JSON: {session, seq, stateId}')
    .action(async (session: string, { json }: { json?: boolean }) => {
      const { terminal } = context;
      const sessions = await context.sessions();
      const { seq, stateId } = await withProgress(terminal, 'saving the heap …', () =>
        sessions.checkpoint(session),
      );
      const told = `checkpoint of '${printable(session)}' at seq ${seq}, state ${stateId}\n`;
      terminal.out(json ? `${JSON.stringify({ session, seq, stateId })}\n` : told);
    });
  addExamples(command, [
    [
      'reprise checkpoint demo',
      'waits for the cell that computes; says the one there is when nothing happened',
    ],
    ["reprise snapshot create demo -d 'before the import'", 'one to come back to'],
  ]);
}
