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
      const { sessions, troubles } = await (await context.sessions()).overview();
      const { metadataJson, renderSessions } = await import('../render/session.ts');
      const { renderTroubles, withTroubles } = await import('../render/trouble.ts');
      if (options.json) {
        terminal.out(`${JSON.stringify(withTroubles(sessions.map(metadataJson), troubles))}\n`);
      } else {
        const { palette, columns } = terminal;
        const isListed = sessions.length > 0 || troubles.length === 0;
        if (isListed) terminal.out(renderSessions(sessions, palette, columns));
        terminal.out(renderTroubles(troubles, Date.now(), palette));
      }
    });
  addExamples(command, [
    ['reprise ls', ''],
    [
      'reprise ls --json',
      'name, id, events, checkpoints, bytes, times; `trouble` where one cannot be restored',
    ],
  ]);
}
