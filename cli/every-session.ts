/** A question to one session, or to all of them. */
import type { SessionClient } from '../bus/client/client.ts';
import { hasCode } from '../bus/errors.ts';
import { type Context, EXIT } from './context.ts';
import { inParallel } from './parallel.ts';
import { withProgress } from './progress.ts';
import { printable } from './render/text.ts';

/** Sessions that are asked at a time. */
const AT_ONCE = 4;

/**
 * What `ask` finds, in the order of the sessions' names. Of all sessions, one that cannot be read is told on stderr, and
 * makes the exit code that of a broken log; one that is removed meanwhile has nothing.
 * @throws what `ask` throws of the one session
 */
export async function inSessions<T>(
  context: Context,
  session: string | undefined,
  ask: (sessions: SessionClient, name: string) => Promise<T[]>,
): Promise<T[]> {
  const { terminal } = context;
  const sessions = await context.sessions();
  if (session !== undefined) return ask(sessions, session);
  const found = new Map<string, T[]>();
  const names = (await sessions.listSessions()).map(({ name }) => name).sort();
  const work = async (name: string) => {
    try {
      found.set(name, await ask(sessions, name));
    } catch (thrown) {
      if (hasCode(thrown, 'NOT_FOUND')) return;
      if (!hasCode(thrown, 'CORRUPT', 'CHAIN_BROKEN')) throw thrown;
      context.exitCode = EXIT.divergence;
      terminal.err(`${terminal.errPalette.red(`✗ ${printable(name)} cannot be read: ${thrown.message}`)}\n`);
    }
  };
  await withProgress(terminal, 'asking every session …', () =>
    inParallel(names, AT_ONCE, new AbortController().signal, work),
  );
  return names.flatMap((name) => found.get(name) ?? []);
}
