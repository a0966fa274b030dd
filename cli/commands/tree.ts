/** `reprise tree`: which session is a fork of which. */
import type { Command } from 'commander';
import { addExamples, type Context, sessionMissing, sessionName } from '../context.ts';

/** Declares `tree`. */
export function addTree(program: Command, context: Context): void {
  const command = program
    .command('tree')
    .description('show which session is a fork of which, and where it left it')
    .argument('[session]', 'the lineage of this session alone', sessionName)
    .option('--json', 'print one JSON array: {session, id, events, at?, removed?, forks: […]}')
    .action(async (session: string | undefined, options: { json?: boolean }) => {
      const { terminal } = context;
      const all = await (await context.sessions()).listSessions();
      const { lineages, renderTree } = await import('../render/tree.ts');
      const trees = lineages(all, session);
      if (session !== undefined && trees.length === 0) throw sessionMissing(session);
      terminal.out(
        options.json ? `${JSON.stringify(trees)}\n` : renderTree(trees, session, terminal.palette),
      );
    });
  addExamples(command, [
    ['reprise tree', 'all sessions'],
    ['reprise tree demo', 'what demo came from, and what came from it'],
  ]);
}
