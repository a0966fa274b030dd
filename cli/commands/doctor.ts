/** `reprise doctor`: what was found, which version, and what is wrong. Starts and downloads nothing. */
import type { Command } from 'commander';
import { addExamples, type Context, EXIT } from '../context.ts';

/** Declares `doctor`. */
export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('examine this machine: versions, folders, server, processes; starts nothing')
    .option('--json', 'print {ok, checks} as one line of JSON')
    .action((options: { json?: boolean }) => doctor(context, options));
  addExamples(command, [['reprise doctor', 'exit code 5 when something is wrong']]);
}

async function doctor(context: Context, options: { json?: boolean }): Promise<void> {
  const { terminal, system, version } = context;
  const [{ diagnose }, { gradeOf, renderChecks }] = await Promise.all([
    import('../../actors/supervisor/doctor.ts'),
    import('../render/checks.ts'),
  ]);
  const { env } = system;
  const found = await diagnose({ home: system.home, env, status: await system.status() });
  const checks = [{ name: 'reprise', ok: true, detail: version, hint: '' }, ...found].map((check) => ({
    ...check,
    grade: gradeOf(check, Boolean(env.REPRISE_NATS_URL)),
  }));
  const ok = checks.every(({ grade }) => grade !== 'wrong');
  if (!ok) context.exitCode = EXIT.unavailable;
  terminal.out(options.json ? `${JSON.stringify({ ok, checks })}\n` : renderChecks(checks, terminal.palette));
}
