/** `reprise replay`: re-execute a session's log in a fresh kernel and compare everything. */
import type { Command } from 'commander';
import { addExamples, type Context, EXIT, sessionName } from '../context.ts';
import { withProgress } from '../progress.ts';
import { renderVerification } from '../render/verification.ts';

/** Declares `replay`. */
export function addReplay(program: Command, context: Context): void {
  const command = program
    .command('replay')
    .description('re-execute a session from its first event and compare outputs, effects and heap hashes')
    .argument('<session>', 'name of the session', sessionName)
    .option('--json', 'print one line of JSON: {verified, events, checkpoints, divergence?}')
    .action(async (session: string, options: { json?: boolean }) => {
      const { terminal } = context;
      const sessions = await context.sessions();
      const reply = await withProgress(terminal, 're-executing the log …', () => sessions.replay(session));
      if (!reply.verified) context.exitCode = EXIT.divergence;
      const { verified, events, checkpoints, divergence, durationMs } = reply;
      terminal.out(
        options.json
          ? `${JSON.stringify({ session, verified, events, checkpoints, divergence, durationMs })}\n`
          : renderVerification(reply, terminal.palette),
      );
    });
  addExamples(command, [['reprise replay demo', 'exit code 3 when anything differs']]);
}
