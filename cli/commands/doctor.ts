/** `reprise doctor`: what was found, which version, and what is wrong. Starts and downloads nothing. */
import type { Command } from 'commander';
import type { Check } from '../../actors/supervisor/doctor.ts';
import { RepriseError } from '../../bus/errors.ts';
import { connectSessions } from '../connection.ts';
import { addExamples, type Context, EXIT } from '../context.ts';
import { count, printable } from '../render/text.ts';
import { TROUBLE_HINT } from '../render/trouble.ts';
import { troublesOf } from '../troubles.ts';

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
  const status = await system.status();
  const found = await diagnose({ home: system.home, env, status });
  const logs = status.storage.length > 0 ? [await checkLogs(context), await checkTroubles(context)] : [];
  const checks = [{ name: 'reprise', ok: true, detail: version, hint: '' }, ...found, ...logs].map(
    (check) => ({
      ...check,
      grade: gradeOf(check, Boolean(env.REPRISE_NATS_URL)),
    }),
  );
  const ok = checks.every(({ grade }) => grade !== 'wrong');
  if (!ok) context.exitCode = EXIT.unavailable;
  terminal.out(options.json ? `${JSON.stringify({ ok, checks })}\n` : renderChecks(checks, terminal.palette));
}

/** Sessions that no worker could restore. */
async function checkTroubles(context: Context): Promise<Check> {
  const name = 'sessions';
  const troubles = (await troublesOf(context)).filter(({ tries }) => tries > 0);
  if (troubles.length === 0) return { name, ok: true, detail: 'none in trouble', hint: '' };
  const detail = troubles.map(
    ({ session, code, message }) => `${printable(session)}: ${code} ${printable(message)}`,
  );
  return { name, ok: false, detail: detail.join('\n'), hint: TROUBLE_HINT };
}

/** Sessions whose logs are not whole: only a running storage actor can tell. */
async function checkLogs({ system }: Context): Promise<Check> {
  const name = 'logs';
  try {
    const sessions = await connectSessions(system);
    const { broken, examined } = await sessions.examine().finally(() => sessions.disconnect());
    if (broken.length === 0)
      return { name, ok: true, detail: `${count(examined, 'session')}, all whole`, hint: '' };
    return {
      name,
      ok: false,
      detail: broken.map(({ session, problem }) => `${printable(session)}: ${printable(problem)}`).join('\n'),
      hint: TROUBLE_HINT,
    };
  } catch (thrown) {
    const { message, hint = '' } = RepriseError.from(thrown);
    return { name, ok: false, detail: `could not be looked through: ${message}`, hint };
  }
}
