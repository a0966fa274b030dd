/** `reprise repl`: a line at a time, for people. */
import path from 'node:path';
import type { Command } from 'commander';
import { addExamples, type Context, sessionName } from '../context.ts';

/** Declares `repl`. */
export function addRepl(program: Command, context: Context): void {
  const command = program
    .command('repl')
    .description('talk to a session line by line: history, multi-line cells, tab completion, Ctrl-C')
    .argument('[session]', 'name of the session', sessionName, 'main')
    .action(async (session: string) => {
      const { runRepl } = await import('../repl.ts');
      await runRepl(context, session, path.join(context.system.home.root, 'repl_history'));
    });
  addExamples(command, [
    ['reprise repl', "opens the session 'main'"],
    ['reprise repl demo', '.help inside lists what else there is'],
    ['reprise repl demo < script.js', 'cells from a file, one after the other'],
  ]);
}
