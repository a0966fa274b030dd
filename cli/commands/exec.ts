/** `reprise exec`: run one cell and print its answer. */

import type { Command } from 'commander';
import type { SessionClient } from '../../bus/client/client.ts';
import { newCommandId } from '../../bus/client/command-id.ts';
import type { Shown } from '../../bus/client/shown.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import { readCode } from '../code.ts';
import { whileAttended } from '../connection.ts';
import { addExamples, type Context, EXIT, sessionName } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { LiveAnswer } from '../live-answer.ts';
import { printedBetweenCells } from '../looking-back.ts';
import { answerJson, renderAnswer, renderUnread, renderUnrecorded, renderUnseen } from '../render/answer.ts';
import { renderFailure } from '../render/failure.ts';

/** How much longer than its cell's budget a caller waits: time for a worker to take over. */
const MARGIN_MS = 2_000;

interface ExecOptions {
  file?: string;
  json?: boolean;
  id?: string;
  timeout?: number;
}

/** Declares `exec`. */
export function addExec(program: Command, context: Context): void {
  const command = program
    .command('exec')
    .description('run a cell in a session (created when it does not exist) and print its answer')
    .argument('<session>', 'name of the session: any text; after -- it may start with a dash', sessionName)
    .argument('[code]', 'the cell; - or nothing reads standard input')
    .option('-f, --file <path>', 'read the cell from a file')
    .option('--json', 'print one line of JSON')
    .option(
      '--id <commandId>',
      'id of this command: the same id is executed once, a retry gets the first answer',
    )
    .option('--timeout <duration>', 'time budget of the cell: 500ms, 30s, 2m, 1h', parseDuration)
    .action((session: string, code: string | undefined, options: ExecOptions) =>
      exec(context, session, code, options),
    );
  addExamples(command, [
    ["reprise exec demo 'x = 1'", 'the first use creates the session'],
    ["reprise exec demo 'x + 1' --json", 'one line of JSON'],
    ['reprise exec demo -f cell.ts', 'TypeScript too'],
    ['echo \'await llm("hi")\' | reprise exec demo', 'from standard input'],
    ["reprise exec demo 'x++' --id order-17", 'safe to repeat: executed once'],
    ["reprise exec -- -odd-name '1'", 'a name that starts with a dash'],
  ]);
}

async function exec(
  context: Context,
  session: string,
  argument: string | undefined,
  options: ExecOptions,
): Promise<void> {
  const { terminal } = context;
  if (options.id === '') throw new RepriseError('BAD_REQUEST', 'the command id is empty');
  const code = await readCode(argument, options.file, terminal.stdin);
  const commandId = options.id ?? newCommandId();
  context.details = { session, commandId };
  const sessions = await context.sessions();

  let strikes = 0;
  const stop = terminal.onSignal(['SIGINT'], () => {
    strikes += 1;
    if (strikes > 1) terminal.exit(EXIT.interrupted);
    terminal.err('interrupting the cell … (Ctrl-C again leaves without its answer)\n');
    sessions
      .interrupt(session, commandId)
      .catch((thrown) => terminal.err(renderFailure(RepriseError.from(thrown), terminal.errPalette)));
  });
  const show = (shown: Shown) => {
    if (shown.kind === 'printed') (shown.stream === 'stdout' ? terminal.out : terminal.err)(shown.text);
    else if (shown.kind === 'unrecorded') terminal.err(renderUnrecorded(shown.lines, terminal.errPalette));
  };
  const live = options.json ? undefined : new LiveAnswer({ sessions, session, commandId, show });
  try {
    const { timeout: timeoutMs } = options;
    // With a budget the wait has an end, too; without one it lasts as long as there is a worker.
    const waitMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : timeoutMs + MARGIN_MS;
    const reply = await whileAttended(sessions, context.system, (signal) =>
      sessions.execute(session, code, { commandId, timeoutMs, waitMs, signal }),
    );
    const interrupted = strikes > 0 && reply.error?.name === 'InterruptedError';
    if (reply.error !== null) context.exitCode = interrupted ? EXIT.interrupted : EXIT.threw;
    if (live === undefined) terminal.out(answerJson(reply));
    else await tellAnswer(context, session, reply, live);
    if (!reply.repeated) await tellUnseen(context, sessions, session, reply.seq[0]);
  } finally {
    live?.stop();
    stop();
  }
}

/** Prints what of the answer has not been printed while the cell ran. */
async function tellAnswer(
  { terminal }: Context,
  session: string,
  reply: ExecuteReply,
  live: LiveAnswer,
): Promise<void> {
  const isShown = await live.finish(reply);
  const answer = renderAnswer(reply, terminal.errPalette);
  if (isShown === false) {
    terminal.out(answer.stdout);
    terminal.err(answer.stderr);
  } else if (isShown === null) {
    terminal.err(renderUnread(session, reply.seq, terminal.errPalette));
  }
  terminal.out(answer.result);
  terminal.err(answer.failure);
}

/** Says what the session printed since the cell before: nobody was there to see it. */
async function tellUnseen(
  { terminal }: Context,
  sessions: SessionClient,
  session: string,
  before: number,
): Promise<void> {
  const unseen = await printedBetweenCells(sessions, session, before).catch(() => null);
  if (unseen) terminal.err(renderUnseen(session, unseen, terminal.errPalette));
}
