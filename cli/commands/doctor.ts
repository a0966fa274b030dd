/** `reprise doctor`: what was found, which version, and what is wrong. Changes nothing. */
import type { Command } from 'commander';
import { addExamples, type Context, EXIT } from '../context.ts';

/** Declares `doctor`. */
export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('examine this machine: versions, folders, server, processes; changes nothing')
    .option('--json', 'print {ok, checks} as one line of JSON')
    .action(async (options: { json?: boolean }) => {
      const { terminal, system, version } = context;
      const { examine, renderChecks } = await import('../doctor.ts');
      const checks = await examine(terminal.env, system, version);
      const ok = checks.every((check) => check.state !== 'wrong');
      if (!ok) context.exitCode = EXIT.unavailable;
      terminal.out(
        options.json ? `${JSON.stringify({ ok, checks })}\n` : renderChecks(checks, terminal.palette),
      );
    });
  addExamples(command, [['reprise doctor', 'exit code 5 when something is wrong']]);
}
