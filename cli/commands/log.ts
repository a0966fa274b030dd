/** `reprise log`: the events of a session, and those to come. */
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { addExamples, type Context, sessionMissing, wholeNumber } from '../context.ts';
import type { Sessions } from '../port.ts';
import { eventJson, renderEvent } from '../render/event.ts';

interface LogOptions {
  from?: number;
  to?: number;
  follow?: boolean;
  json?: boolean;
}

/** Without a hint that something happened, the log is read again this often. */
const FOLLOW_EVERY_MS = 500;
const seqNumber = wholeNumber(0, Number.MAX_SAFE_INTEGER);

/** Declares `log`. */
export function addLog(program: Command, context: Context): void {
  const command = program
    .command('log')
    .description('print the events of a session')
    .argument('<session>', 'name of the session')
    .option('--from <seq>', 'first event', seqNumber)
    .option('--to <seq>', 'last event', seqNumber)
    .option('--follow', 'go on with events as they are committed, until Ctrl-C')
    .option('--json', 'one event a line, exactly as stored')
    .action((session: string, options: LogOptions) => log(context, session, options));
  addExamples(command, [
    ['reprise log demo', ''],
    ['reprise log demo --from 10 --to 20', ''],
    ['reprise log demo --follow', 'watch a session at work'],
    ['reprise log demo --json | head -1', 'the session header'],
  ]);
}

async function log(context: Context, session: string, options: LogOptions): Promise<void> {
  const { terminal } = context;
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = options;
  if (from > to) throw new RepriseError('BAD_REQUEST', `--from ${from} comes after --to ${to}`);
  const sessions = await context.sessions();
  if ((await sessions.getSession(session)) === null) throw sessionMissing(session);
  const print = (event: SessionEvent) =>
    terminal.out(options.json ? eventJson(event) : renderEvent(event, terminal.palette, terminal.columns));
  if (options.follow) await follow(context, sessions, session, from, to, print);
  else for await (const event of sessions.events(session, from, options.to)) print(event);
}

/** Prints events as they come, until Ctrl-C, event `to`, or the session's end. */
async function follow(
  { terminal }: Context,
  sessions: Sessions,
  session: string,
  from: number,
  to: number,
  print: (event: SessionEvent) => void,
): Promise<void> {
  let next = from;
  let stopped = false;
  let wake = () => {};
  const stopSignals = terminal.onSignal(['SIGINT', 'SIGTERM'], () => {
    stopped = true;
    wake();
  });
  const stopWatching = sessions.watch(session, () => wake());
  try {
    while (!stopped && next <= to) {
      const activity = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, FOLLOW_EVERY_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      for await (const event of sessions.events(session, next, to)) {
        if (stopped) return;
        print(event);
        next = (event.seq ?? 0) + 1;
        if (event.type === 'closed') return;
      }
      await activity;
    }
  } finally {
    stopWatching();
    stopSignals();
  }
}
