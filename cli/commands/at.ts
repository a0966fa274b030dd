/** `reprise at`: a session as it was right after an event, and code run there on a copy. */
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import { addExamples, type Context, EXIT, sessionName, wholeNumber } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { withProgress } from '../progress.ts';
import { tellAnswer } from '../terminal.ts';

interface AtCommandOptions {
  json?: boolean;
  timeout?: number;
}

/** Declares `at`. */
export function addAt(program: Command, context: Context): void {
  const command = program
    .command('at')
    .description('go back: a session as it was right after an event; never touches the session')
    .argument('<session>', 'name of the session', sessionName)
    .argument('<seq>', 'number of the event, as `reprise log` shows it', wholeNumber('<seq>', 0))
    .argument('[code]', 'run there, on a copy; without it, on a terminal: a prompt at that moment')
    .option('--timeout <duration>', 'time budget of the code: 500ms, 30s, 2m', parseDuration)
    .option(
      '--json',
      'print one line of JSON: {session, seq, cell, time, variables, pending, output?, error?}',
    )
    .action((session: string, seq: number, code: string | undefined, options: AtCommandOptions) =>
      at(context, session, { seq, code, ...options }),
    );
  addExamples(command, [
    ['reprise at demo 12', 'variables after event 12; on a terminal a prompt'],
    ["reprise at demo 12 'x.length'", 'what an expression gave then'],
    ["reprise at demo 12 'x.length' --json", 'for programs'],
  ]);
}

async function at(
  context: Context,
  session: string,
  { seq, code, timeout: timeoutMs, json }: AtCommandOptions & { seq: number; code?: string },
): Promise<void> {
  const { terminal } = context;
  context.details = { session, seq };
  const { atJson, renderAt, renderEvaluated } = await import('../render/moment.ts');
  const sessions = await context.sessions();
  const reply = await withProgress(terminal, 're-executing the log …', () =>
    sessions.at(session, seq, { code, timeoutMs }),
  );
  const { evaluated } = reply;
  if (evaluated?.error) context.exitCode = EXIT.threw;
  if (json) return terminal.out(atJson(reply));
  if (evaluated) {
    return tellAnswer(terminal, renderEvaluated(evaluated, terminal.errPalette));
  }
  terminal.out(renderAt(reply, terminal.palette));
  if (terminal.stdin.isTTY !== true || terminal.stdout.isTTY !== true) return;
  const { AtPrompt } = await import('../at-prompt.ts');
  const prompt = new AtPrompt({
    terminal,
    session,
    look: (wanted, line) => sessions.at(session, wanted, { code: line, timeoutMs }),
    fork: async (wanted, name) => void (await sessions.fork(session, name, wanted)),
    event: async (wanted) => {
      for await (const event of sessions.events(session, wanted, wanted)) return event;
      throw new RepriseError('NOT_FOUND', `there is no event ${wanted}`);
    },
  });
  await prompt.run(reply);
}
