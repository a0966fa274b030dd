/** The command line: every command's declaration in one tree, and how failures leave it. */
import { Command, CommanderError } from 'commander';
import { RepriseError } from '../bus/errors.ts';
import { addAnnotate } from './commands/annotate.ts';
import { addAnnotations } from './commands/annotations.ts';
import { addAt } from './commands/at.ts';
import { addBisect } from './commands/bisect.ts';
import { addCheckpoint } from './commands/checkpoint.ts';
import { addClose } from './commands/close.ts';
import { addDemo } from './commands/demo.ts';
import { addDiff } from './commands/diff.ts';
import { addDoctor } from './commands/doctor.ts';
import { addDown } from './commands/down.ts';
import { addEdit } from './commands/edit.ts';
import { addExec } from './commands/exec.ts';
import { addExport } from './commands/export.ts';
import { addFork } from './commands/fork.ts';
import { addImport } from './commands/import.ts';
import { addInterrupt } from './commands/interrupt.ts';
import { addLog } from './commands/log.ts';
import { addLs } from './commands/ls.ts';
import { addProbe, addTrace } from './commands/probe.ts';
import { addRepl } from './commands/repl.ts';
import { addReplay } from './commands/replay.ts';
import { addRm } from './commands/rm.ts';
import { addShow } from './commands/show.ts';
import { addSnapshot } from './commands/snapshot.ts';
import { addStatus } from './commands/status.ts';
import { addTimeline } from './commands/timeline.ts';
import { addTree } from './commands/tree.ts';
import { addUp } from './commands/up.ts';
import { addVerify } from './commands/verify.ts';
import { type Context, EXIT } from './context.ts';
import { failureJson, renderFailure } from './render/failure.ts';

const EXIT_CODES = `
Exit codes:
  0 ok   1 the cell threw, or moments differ   2 usage   3 divergence   4 not found
  5 unavailable or timed out (safe to retry)   6 denied   130 Ctrl-C

Environment:
  REPRISE_HOME      where data lives (default: the platform's data folder)
  REPRISE_NATS_URL  use this nats-server instead of a local one: nats://user:password@host:4222
  NO_COLOR, FORCE_COLOR`;

/** The whole command tree. Writes go to the terminal, usage errors to `onUsage`; nothing exits the process. */
export function makeProgram(context: Context, onUsage: (text: string) => void): Command {
  const { terminal } = context;
  const program = new Command('reprise')
    .description('JavaScript/TypeScript REPL sessions that never die')
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: onUsage,
      outputError: (text, write) => write(text),
    });
  for (const add of [
    addExec,
    addRepl,
    addLs,
    addShow,
    addLog,
    addTimeline,
    addAt,
    addBisect,
    addProbe,
    addTrace,
    addFork,
    addEdit,
    addDiff,
    addTree,
    addAnnotate,
    addAnnotations,
    addCheckpoint,
    addSnapshot,
    addExport,
    addImport,
    addReplay,
    addVerify,
    addInterrupt,
    addClose,
    addRm,
  ]) {
    add(program, context);
  }
  for (const add of [addUp, addDown, addStatus, addDoctor, addDemo]) add(program, context);
  return program;
}

/** True when the command line asks for JSON (an argument after -- is no option). */
export function asksForJson(argv: string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

/**
 * Runs one command line and returns its exit code; never throws.
 * With --json a failure is one line of JSON on stdout; otherwise it is told on stderr.
 */
export async function run(argv: string[], context: Context): Promise<number> {
  const { terminal } = context;
  let usage = '';
  const program = makeProgram(context, (text) => {
    usage += text;
  });
  const json = asksForJson(argv);
  const tell = (error: RepriseError) => {
    const { details } = context;
    if (json) terminal.out(failureJson(error, details));
    else terminal.err(renderFailure(error, terminal.errPalette, details.commandId as string | undefined));
  };
  try {
    await program.parseAsync(argv, { from: 'user' });
    return context.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === EXIT.ok) return EXIT.ok;
      // Without any command the usage is the answer.
      if (!json && !usage.startsWith('error:')) terminal.err(usage);
      else tell(usageError(thrown, argv, program));
      return EXIT.usage;
    }
    const error = RepriseError.from(thrown);
    tell(error);
    if (error.code === 'INTERNAL' && terminal.env.REPRISE_DEBUG) terminal.err(`${traceOf(error)}\n`);
    return error.exitCode;
  }
}

/** What commander found wrong, with the help that fits. */
function usageError(thrown: CommanderError, argv: string[], program: Command): RepriseError {
  const message = thrown.message.replace(/^error: /, '').replaceAll('\n', ' ');
  const command = program.commands.find((one) => one.name() === argv[0])?.name();
  const dashed = thrown.code === 'commander.unknownOption' && command !== undefined;
  const hint = `\`reprise ${command ? `${command} ` : ''}--help\` shows usage and examples`;
  return new RepriseError('BAD_REQUEST', message, {
    hint: dashed ? `${hint}; a name that starts with a dash goes after --` : hint,
  });
}

const traceOf = (error: RepriseError) => (error.cause instanceof Error ? error.cause.stack : error.stack);
