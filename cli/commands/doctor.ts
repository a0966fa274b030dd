/** `reprise doctor`: what was found, which version, and what is wrong. Starts and downloads nothing. */
import type { Command } from 'commander';
import type { Check } from '../../actors/supervisor/doctor.ts';
import type { SessionClient } from '../../bus/client/client.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { BrokenLog } from '../../bus/operations/logs.ts';
import { connectSessions } from '../connection.ts';
import { addExamples, type Context, EXIT } from '../context.ts';
import { withProgress } from '../progress.ts';
import { count, printable } from '../render/text.ts';
import { TROUBLE_HINT } from '../render/trouble.ts';
import { troublesOf } from '../troubles.ts';

/** Declares `doctor`. */
export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('examine this machine: versions, folders, server, processes; starts nothing')
    .option('--deep', 'read every log from end to end, and check that each commit is as it was written')
    .option('--json', 'print {ok, checks} as one line of JSON')
    .action((options: DoctorOptions) => doctor(context, options));
  addExamples(command, [
    ['reprise doctor', 'exit code 5 when something is wrong'],
    ['reprise doctor --deep', 'takes as long as the logs are long'],
  ]);
}

interface DoctorOptions {
  deep?: boolean;
  json?: boolean;
}

async function doctor(context: Context, options: DoctorOptions): Promise<void> {
  const { terminal, system, version } = context;
  const [{ diagnose }, { gradeOf, renderChecks }] = await Promise.all([
    import('../../actors/supervisor/doctor.ts'),
    import('../render/checks.ts'),
  ]);
  const { env } = system;
  const status = await system.status();
  const found = await diagnose({ home: system.home, env, status });
  const logs =
    status.storage.length > 0 ? [await checkLogs(context, options), await checkTroubles(context)] : [];
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
async function checkLogs({ system, terminal }: Context, { deep = false }: DoctorOptions): Promise<Check> {
  const name = 'logs';
  try {
    const sessions = await connectSessions(system);
    const look = async () => {
      const found = await sessions.examine();
      return deep ? withProgress(terminal, 'reading every log …', () => readThrough(sessions, found)) : found;
    };
    const { broken, examined } = await look().finally(() => sessions.disconnect());
    const how = deep ? 'all whole, every commit as it was written' : 'all whole';
    if (broken.length === 0)
      return { name, ok: true, detail: `${count(examined, 'session')}, ${how}`, hint: '' };
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

/** What is known, and of the other sessions the first place at which a log is not as it was written. */
async function readThrough(
  sessions: SessionClient,
  { broken: known, examined }: { broken: BrokenLog[]; examined: number },
): Promise<{ broken: BrokenLog[]; examined: number }> {
  const broken = [...known];
  const { sessions: listed } = await sessions.overview();
  for (const { name } of listed) {
    if (known.some(({ session }) => session === name)) continue;
    for await (const found of sessions.salvage(name)) {
      if (!('broken' in found)) continue;
      broken.push({ session: name, problem: found.broken });
      break;
    }
  }
  return { broken, examined };
}
