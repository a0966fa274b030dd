/** `reprise verify`: all that can be proven of sessions. */
import { type Command, Option } from 'commander';
import type { SessionClient } from '../../bus/client/client.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { Trouble } from '../../bus/operations/catalogue.ts';
import { normalName } from '../../bus/subjects.ts';
import { addExamples, type Context, EXIT, wholeNumber } from '../context.ts';
import type { VerifyOptions } from '../verify-run.ts';

interface VerifyCommandOptions extends VerifyOptions {
  jobs: number;
}

/** Declares `verify`. */
export function addVerify(program: Command, context: Context): void {
  const command = program
    .command('verify')
    .description(
      'prove sessions: re-execute each from its first event and from each checkpoint on, and compare everything',
    )
    .argument('[sessions...]', 'names of sessions')
    .option('--all', 'every session')
    .addOption(
      new Option('--jobs <number>', 'sessions at a time').argParser(wholeNumber('--jobs', 1, 64)).default(2),
    )
    .option('--resume', 'leave out what was verified before and has not changed, by the same kernel')
    .option('--schedule <seed>', 'once more, moved into a new kernel between turns chosen by this seed')
    .option(
      '--json',
      'print a line of JSON a session: {session, events, verified, checkpoints, tails, divergence?, place?}',
    )
    .action((names: string[], options: VerifyCommandOptions) => verify(context, names, options));
  addExamples(command, [
    ['reprise verify demo', 'exit code 3 when anything differs'],
    ['reprise verify --all --jobs 4', ''],
    ['reprise verify --all --resume', 'go on after Ctrl-C, or every night'],
    ['reprise verify demo --schedule 7', 'checkpoints between turns must change nothing'],
  ]);
}

async function verify(context: Context, given: string[], options: VerifyCommandOptions): Promise<void> {
  const { terminal } = context;
  const { all = false, jobs } = options;
  if (all === given.length > 0) {
    throw new RepriseError('BAD_REQUEST', 'verify takes names of sessions, or --all', {
      hint: '`reprise verify --help`',
    });
  }
  const named = [...new Set(given.map(normalName))];
  const [{ VerifyRun }, { VerifiedFile }, { inParallel }] = await Promise.all([
    import('../verify-run.ts'),
    import('../verified.ts'),
    import('../parallel.ts'),
  ]);
  const sessions = await context.sessions();
  const { names, troubles } = all ? await everySession(sessions) : { names: named };
  const file = new VerifiedFile(context.system.home, serverOf(context));
  const run = new VerifyRun({ context, sessions, file }, { total: names.length, troubles }, options);
  const abort = new AbortController();
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM'], () => {
    if (abort.signal.aborted) terminal.exit(EXIT.interrupted);
    abort.abort();
  });
  try {
    await inParallel(names, jobs, abort.signal, (name) => run.verify(name, abort.signal));
  } finally {
    stop();
    run.end(abort.signal.aborted);
  }
}

/** Every session, those that cannot be restored included. */
async function everySession(client: SessionClient): Promise<{ names: string[]; troubles: Trouble[] }> {
  const { sessions, troubles } = await client.overview();
  const names = [...sessions.map(({ name }) => name), ...troubles.map(({ session }) => session)];
  return { names: [...new Set(names)], troubles };
}

/** Whose sessions they are: those of this home, or of a server elsewhere. */
function serverOf({ system }: Context): string {
  const { REPRISE_NATS_URL, REPRISE_PREFIX = '' } = system.env;
  return REPRISE_NATS_URL ? `${system.connection().url} ${REPRISE_PREFIX}` : 'local';
}
