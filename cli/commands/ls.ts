/** `reprise ls`: the sessions there are. */
import type { Command } from 'commander';
import { addExamples, type Context } from '../context.ts';

/** Declares `ls`. */
export function addLs(program: Command, context: Context): void {
  const command = program
    .command('ls')
    .description('list the sessions, last used first')
    .option('--json', 'print them as one JSON array')
    .action(async (options: { json?: boolean }) => {
      const { terminal } = context;
      const found = await (await context.sessions()).listSessions();
      const { metadataJson, renderSessions } = await import('../render/session.ts');
      terminal.out(
        options.json
          ? `${JSON.stringify(found.map(metadataJson))}\n`
          : renderSessions(found, terminal.palette, terminal.columns),
      );
    });
  addExamples(command, [
    ['reprise ls', ''],
    ['reprise ls --json', 'name, id, events, checkpoints, bytes, times'],
  ]);
}
