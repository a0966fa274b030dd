/**
 * The line-by-line client, on Node's own `node:repl`: its editing, history, multi-line input and dot commands,
 * with cells evaluated by the session. Lines that arrive while a cell runs (typed ahead, or piped) wait for
 * their turn.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SessionClient } from '../bus/client/client.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { Context } from './context.ts';
import { Conversation } from './conversation.ts';
import { count, firstLine } from './render/text.ts';

/**
 * Talks to a session until `.exit`, Ctrl-D, the end of standard input, or `exit()` in a cell.
 * `historyPath` is where lines are remembered between runs (terminals only).
 * @throws RepriseError CLOSED when the session has ended; what connecting throws.
 */
export async function runRepl(context: Context, session: string, historyPath: string): Promise<void> {
  const { terminal } = context;
  const sessions = await context.sessions();
  const { cells, next } = await stateOf(sessions, session);
  const interactive = terminal.stdin.isTTY === true && terminal.stdout.isTTY === true;
  if (interactive) {
    const { bold, dim } = terminal.palette;
    const known = cells === 0 ? 'a new session' : count(cells, 'cell');
    terminal.out(
      `${bold(firstLine(session, 60).line)}: ${known}. ${dim('.help for help, Ctrl-D to leave')}\n`,
    );
  }
  const conversation = new Conversation({ context, sessions, session, cells, next, interactive });
  if (interactive) await keepHistory(conversation, historyPath);
  await conversation.ended;
}

/** Cells that the session has had, and the seq of its next event. */
async function stateOf(sessions: SessionClient, session: string): Promise<{ cells: number; next: number }> {
  try {
    const { state } = await sessions.inspect(session);
    if (state.status === 'closed') throw new RepriseError('CLOSED', `the session '${session}' has ended`);
    return { cells: state.cells, next: state.seq + 1 };
  } catch (thrown) {
    if (hasCode(thrown, 'NOT_FOUND')) return { cells: 0, next: 0 };
    throw thrown;
  }
}

/** Lines are remembered in a file that only its owner reads; without it the repl works all the same. */
async function keepHistory({ server, context }: Conversation, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await new Promise<void>((resolve) => {
    server.setupHistory(path, (error) => {
      if (error) context.terminal.err(`history is not kept: ${error.message}\n`);
      resolve();
    });
  });
}
