/** `reprise verify`: all that can be proven of sessions. */
import { statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { SessionClient } from '../../bus/client/client.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { Trouble } from '../../bus/operations/catalogue.ts';
import { normalName } from '../../bus/subjects.ts';
import { addExamples, type Context, EXIT, wholeNumber } from '../context.ts';
import { withProgress } from '../progress.ts';
import { count, printable } from '../render/text.ts';
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
    .argument(
      '[sessions...]',
      'names of sessions, or bundles (files that end in .reprise), which need no server',
    )
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
    ['reprise verify demo.reprise', 'a bundle: hashes first, then by executing it here'],
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
  const bundles = given.filter(isBundle);
  for (const file of bundles) await verifyFile(context, file, options);
  const named = [...new Set(given.filter((name) => !bundles.includes(name)).map(normalName))];
  if (bundles.length > 0 && named.length === 0) return;
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

/** Whether an argument is no session but a file. */
function isBundle(argument: string): boolean {
  return argument.endsWith('.reprise') && statSync(argument, { throwIfNoEntry: false })?.isFile() === true;
}

/** Checks a bundle in this process: whoever has the file can. */
async function verifyFile(context: Context, file: string, { json }: VerifyCommandOptions): Promise<void> {
  const { terminal } = context;
  const [{ verifyBundle }, { renderVerification }] = await Promise.all([
    import('../../actors/worker/bundle.ts'),
    import('../render/verification.ts'),
  ]);
  const reply = await withProgress(terminal, 're-executing the log …', () => verifyBundle(file));
  if (!reply.verified) context.exitCode = EXIT.divergence;
  if (json) return terminal.out(`${JSON.stringify({ file, ...reply })}\n`);
  const { session, commits, hash } = reply;
  terminal.out(`${printable(session)}: ${count(commits, 'commit')}, the newest is ${hash.slice(0, 16)}\n`);
  terminal.out(renderVerification(reply, terminal.palette));
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
