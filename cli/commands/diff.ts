/** `reprise diff`: where two moments differ, of one session or of two. */
import type { Command } from 'commander';
import { addExamples, type Context, EXIT, sessionName, wholeNumber } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { withProgress } from '../progress.ts';

interface DiffCommandOptions {
  atA?: number;
  atB?: number;
  timeout?: number;
  json?: boolean;
}

/** Declares `diff`. */
export function addDiff(program: Command, context: Context): void {
  const command = program
    .command('diff')
    .description(
      'show where two moments differ: the event at which they part, variables, outputs, calls; touches nothing',
    )
    .argument('<a>', 'name of a session', sessionName)
    .argument('<b>', 'name of another one, of a fork of it, or the same', sessionName)
    .option('--at-a <seq>', 'a right after this event (default: the newest)', wholeNumber('--at-a', 0))
    .option('--at-b <seq>', 'b right after this event (default: the newest)', wholeNumber('--at-b', 0))
    .option('--timeout <duration>', 'time budget of looking into the variables of one side', parseDuration)
    .option('--json', 'print one line of JSON: {a, b, parted, variables, outputs, calls, same, bounds}')
    .action((a: string, b: string, options: DiffCommandOptions) => diff(context, a, b, options));
  addExamples(command, [
    ['reprise diff demo what-if', 'a session and its fork; exit code 1 when they differ'],
    ['reprise diff demo demo --at-a 4 --at-b 12', 'what came of it between two events'],
  ]);
}

async function diff(
  context: Context,
  a: string,
  b: string,
  { atA, atB, timeout: timeoutMs, json }: DiffCommandOptions,
): Promise<void> {
  const { terminal } = context;
  context.details = { a, b };
  const { renderDiff } = await import('../render/diff.ts');
  const sessions = await context.sessions();
  const reply = await withProgress(terminal, 're-executing both logs …', () =>
    sessions.diff({ session: a, seq: atA }, { session: b, seq: atB }, { timeoutMs }),
  );
  if (!reply.same) context.exitCode = EXIT.differ;
  terminal.out(json ? `${JSON.stringify(reply)}\n` : renderDiff(reply, terminal.palette));
}
