/** `reprise down`: stop what runs. */
import type { Command } from 'commander';
import { addExamples, type Context } from '../context.ts';
import { withProgress } from '../progress.ts';
import { processesOf } from '../render/status.ts';

/** Declares `down`. */
export function addDown(program: Command, context: Context): void {
  const command = program
    .command('down')
    .description('park the sessions and stop every process that was started here; data stays')
    .option('--json', 'print {stopped: [{name, pid}]} as one line of JSON')
    .action(async (options: { json?: boolean }) => {
      const { terminal, system } = context;
      const running = processesOf(await system.status());
      const ran = await withProgress(terminal, 'parking sessions and stopping …', () => system.down());
      const stopped = ran ? running : [];
      if (options.json) return terminal.out(`${JSON.stringify({ stopped })}\n`);
      if (!ran) return terminal.out('nothing was running\n');
      const { dim } = terminal.palette;
      terminal.out(
        stopped.map(({ name, pid }) => `stopped ${name} ${dim(`(pid ${pid})`)}\n`).join('') || 'stopped\n',
      );
    });
  addExamples(command, [['reprise down', 'leaves no process behind']]);
}
