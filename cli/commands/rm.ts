/** `reprise rm`: delete a session and its history. */
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import type { SessionClient } from '../client.ts';
import { addExamples, type Context, sessionMissing, sessionName } from '../context.ts';
import { count, formatBytes } from '../render/text.ts';
import type { Terminal } from '../terminal.ts';

/** How long a running cell may take to end before its session is deleted. */
const END_MS = 3_000;
const LOOK_MS = 50;

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
      const metadata = await sessions.getSession(session);
      if (metadata === null) throw sessionMissing(session);
      const what = `${count(metadata.eventCount, 'event')}, ${formatBytes(metadata.size)}`;
      if (
        !options.yes &&
        !(await agrees(terminal, `Delete session '${session}' (${what}) for good? [y/N] `))
      ) {
        return terminal.err('kept\n');
      }
      await endCell(sessions, session);
      if (!(await sessions.deleteSession(session))) throw sessionMissing(session);
      terminal.out(
        options.json ? `${JSON.stringify({ session, deleted: true })}\n` : `deleted '${session}' (${what})\n`,
      );
    });
  addExamples(command, [
    ['reprise rm demo', 'asks'],
    ['reprise rm demo --yes', 'does not'],
  ]);
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
