/** `reprise status`: what runs. Starts nothing. */
import type { Command } from 'commander';
import { addExamples, type Context } from '../context.ts';
import { renderStatus } from '../render/status.ts';
import { renderTroubles } from '../render/trouble.ts';
import { troublesOf } from '../troubles.ts';

/** Declares `status`. */
export function addStatus(program: Command, context: Context): void {
  const command = program
    .command('status')
    .description('say what runs; starts nothing')
    .option('--json', 'print one line of JSON: {nats, storage, llm, workers, …}')
    .action(async (options: { json?: boolean }) => {
      const { terminal, system } = context;
      const status = await system.status();
      const troubles = status.storage.length > 0 ? await troublesOf(context) : [];
      if (options.json) terminal.out(`${JSON.stringify({ ...status, troubles })}\n`);
      else {
        const { palette } = terminal;
        terminal.out(`${renderStatus(status, palette)}${renderTroubles(troubles, Date.now(), palette)}`);
      }
    });
  addExamples(command, [
    ['reprise status', ''],
    ['reprise status --json', 'pids, sessions of each worker'],
  ]);
}
