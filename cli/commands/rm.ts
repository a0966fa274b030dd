/** `reprise rm`: delete a session and its history. */
import type { Command } from 'commander';
import type { SessionClient } from '../../bus/client/client.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { RemovalProgress } from '../../bus/operations/catalogue.ts';
import type { SessionMetadata } from '../../bus/types.ts';
import { addExamples, type Context, sessionMissing, sessionName } from '../context.ts';
import { count, formatBytes, shellWord } from '../render/text.ts';
import type { Terminal } from '../terminal.ts';

/** How long a running cell may take to end before its session is deleted. */
const END_MS = 3_000;
const LOOK_MS = 50;
/** How long a removal is waited for; it goes on without anybody waiting. */
const WATCH_MS = 20_000;
const WATCH_EVERY_MS = 250;

/** Declares `rm`. */
export function addRm(program: Command, context: Context): void {
  const command = program
    .command('rm')
    .description('delete a session with its whole history; asks first')
    .argument('<session>', 'name of the session', sessionName)
    .option('--yes', 'do not ask')
    .option('--json', 'print one line of JSON')
    .action(async (session: string, options: { yes?: boolean; json?: boolean }) => {
      const { terminal } = context;
      if (!options.yes && !terminal.stdin.isTTY) {
        throw new RepriseError(
          'BAD_REQUEST',
          'rm asks before it deletes, and there is no terminal to ask on',
          {
            hint: 'add --yes to delete without a question',
          },
        );
      }
      const sessions = await context.sessions();
      const metadata = await readable(sessions, session);
      if (metadata === null) {
        const removal = await sessions.removal(session);
        if (removal === null) throw sessionMissing(session);
        return tell(context, session, removal, options);
      }
      const what =
        metadata === 'unreadable'
          ? 'its newest commit cannot be read'
          : `${count(metadata.eventCount, 'event')}, ${formatBytes(metadata.size)}`;
      if (
        !options.yes &&
        !(await agrees(terminal, `Delete session '${session}' (${what}) for good? [y/N] `))
      ) {
        return terminal.err('kept\n');
      }
      await endCell(sessions, session);
      if (!(await sessions.deleteSession(session))) throw sessionMissing(session);
      const left = await watch(sessions, session, terminal);
      if (left || options.json) return tell(context, session, left, options);
      terminal.out(`deleted '${session}' (${what})\n`);
    });
  addExamples(command, [
    ['reprise rm demo', 'asks'],
    ['reprise rm demo --yes', 'does not'],
    ['reprise rm demo', 'again, while a long session is being removed: how far it is'],
  ]);
}

/** What is known of a session. One that cannot be read can be removed all the same. */
async function readable(
  sessions: SessionClient,
  session: string,
): Promise<SessionMetadata | 'unreadable' | null> {
  try {
    return await sessions.getSession(session);
  } catch (thrown) {
    if (hasCode(thrown, 'CORRUPT', 'CHAIN_BROKEN')) return 'unreadable';
    throw thrown;
  }
}

/** Waits until the content of a session is gone, or for `WATCH_MS`; returns what is left. */
async function watch(
  sessions: SessionClient,
  session: string,
  terminal: Terminal,
): Promise<RemovalProgress | null> {
  const deadline = performance.now() + WATCH_MS;
  const { errPalette, stderr } = terminal;
  for (let isShown = false; ; isShown = true) {
    const removal = await sessions.removal(session);
    const isOver = removal === null || performance.now() > deadline;
    if (stderr.isTTY && (isShown || !isOver)) {
      const line = removal ? errPalette.dim(`removing '${session}': ${percent(removal)} % done`) : '';
      terminal.err(`\r\x1b[K${line}${isOver && line ? '\n' : ''}`);
    }
    if (isOver) return removal;
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS));
  }
}

/** Says that a session has ended, and what of it is still there. */
function tell(
  { terminal }: Context,
  session: string,
  removal: RemovalProgress | null,
  { json }: { json?: boolean },
): void {
  if (json) {
    terminal.out(`${JSON.stringify({ session, deleted: true, left: removal?.left ?? 0 })}\n`);
  } else if (removal) {
    const again = `\`reprise rm ${shellWord(session)}\` says how far it is`;
    terminal.out(`deleted '${session}'; its log is being removed, ${percent(removal)} % done: ${again}\n`);
  }
}

function percent({ left, total }: RemovalProgress): number {
  return total === 0 ? 100 : Math.floor((100 * (total - left)) / total);
}

/**
 * Strikes the cell that runs, and waits until it has ended: whoever asked for it would otherwise ask again, and
 * so begin a new session of the same name. A session that cannot be asked is deleted all the same.
 */
async function endCell(sessions: SessionClient, session: string): Promise<void> {
  const deadline = performance.now() + END_MS;
  const timeout = new Promise<void>((resolve) => setTimeout(resolve, END_MS));
  const end = async () => {
    let { status } = (await sessions.inspect(session)).state;
    if (status !== 'running' && status !== 'awaitingEffects') return;
    await sessions.interrupt(session);
    while (status !== 'ready' && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      status = (await sessions.inspect(session)).state.status;
    }
  };
  await Promise.race([end().catch(() => {}), timeout]);
}

async function agrees(terminal: Terminal, question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const reader = createInterface({ input: terminal.stdin, output: terminal.stderr });
  const closed = new Promise<string>((resolve) => reader.once('close', () => resolve('')));
  const answer = await Promise.race([reader.question(question), closed]);
  reader.close();
  return /^y(es)?$/i.test(answer.trim());
}
