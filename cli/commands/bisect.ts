/** `reprise bisect`: the first event after which something holds. */
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import type { BisectReply } from '../../bus/operations/looks.ts';
import { normalName } from '../../bus/subjects.ts';
import { addExamples, type Context, EXIT } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { withProgress } from '../progress.ts';

interface BisectCommandOptions {
  all?: boolean;
  monotonic?: boolean;
  timeout?: number;
  json?: boolean;
}

/** Declares `bisect`. */
export function addBisect(program: Command, context: Context): void {
  const command = program
    .command('bisect')
    .description('find the first event after which a predicate over the variables holds; touches nothing')
    .usage('[options] <session> <predicate>\n       reprise bisect --all [options] <predicate>')
    .argument('<arguments...>', 'name of the session, and an expression; where it throws, it does not hold')
    .option('--monotonic', 'once it holds it holds for ever: by halving instead of turn by turn')
    .option('--all', 'in every session')
    .option('--timeout <duration>', 'time budget of the predicate at one moment', parseDuration)
    .option('--json', 'print a line of JSON a session: {session, seq, cell, time, before, after, steps}')
    .action((given: string[], options: BisectCommandOptions) => bisect(context, given, options));
  addExamples(command, [
    ["reprise bisect demo 'total < 0'", 'exit code 4 when it never holds'],
    ["reprise bisect demo 'log.length > 100' --monotonic", 'much faster in a long session'],
    ['reprise bisect --all \'state === "broken"\'', 'in every session'],
  ]);
}

async function bisect(context: Context, given: string[], options: BisectCommandOptions): Promise<void> {
  const { terminal } = context;
  const { all = false, monotonic, timeout: timeoutMs, json } = options;
  if (given.length !== (all ? 1 : 2)) {
    const wanted = all ? 'a predicate' : 'a session and a predicate';
    throw new RepriseError('BAD_REQUEST', `bisect takes ${wanted}`, { hint: '`reprise bisect --help`' });
  }
  const predicate = given.at(-1)!;
  const { renderBisection } = await import('../render/moment.ts');
  const named = all ? null : normalName(given[0]!);
  const sessions = await context.sessions();
  const names = named === null ? (await sessions.listSessions()).map(({ name }) => name) : [named];
  let found = 0;
  for (const name of names) {
    const reply: BisectReply = await withProgress(terminal, `executing the log of ${name} …`, () =>
      sessions.bisect(name, predicate, { monotonic, timeoutMs }),
    );
    if (reply.seq !== null) found += 1;
    terminal.out(json ? `${JSON.stringify(reply)}\n` : renderBisection(reply, terminal.palette));
  }
  if (found === 0) context.exitCode = EXIT.notFound;
}
