/** `reprise show`: one session and the state of its kernel, without touching it. */
import type { Command } from 'commander';
import { addExamples, type Context, sessionMissing, sessionName } from '../context.ts';
import { withProgress } from '../progress.ts';

interface ShowOptions {
  atLastGood?: boolean;
  json?: boolean;
}

/** Declares `show`. */
export function addShow(program: Command, context: Context): void {
  const command = program
    .command('show')
    .description('show a session: variables, pending effects, heap; never changes it')
    .argument('<session>', 'name of the session', sessionName)
    .option(
      '--at-last-good',
      'the state before what is wrong with its log, for a session that cannot be restored',
    )
    .option('--json', 'print one line of JSON: {metadata, state, passedOver?, divergence?}')
    .action(async (session: string, options: ShowOptions) => {
      if (options.atLastGood) return showLastGood(context, session, options);
      const { terminal } = context;
      const sessions = await context.sessions();
      // A worker that has not heard of a deletion would still show what it holds: the log decides.
      const [stored, report] = await Promise.all([sessions.getSession(session), sessions.inspect(session)]);
      if (stored === null) throw sessionMissing(session);
      const { metadataJson, renderSession } = await import('../render/session.ts');
      const { metadata, state, passedOver } = report;
      terminal.out(
        options.json
          ? `${JSON.stringify({ metadata: metadataJson(metadata), state, passedOver })}\n`
          : renderSession(report, terminal.palette),
      );
    });
  addExamples(command, [
    ['reprise show demo', ''],
    ['reprise show demo --json', 'for programs'],
    ['reprise show demo --at-last-good', 'when its log is damaged or diverges'],
  ]);
}

async function showLastGood(context: Context, session: string, { json }: ShowOptions): Promise<void> {
  const { terminal } = context;
  const sessions = await context.sessions();
  const reply = await withProgress(terminal, 're-executing the log …', () => sessions.lastGood(session));
  const { metadataJson, renderLastGood } = await import('../render/session.ts');
  const { metadata, state, divergence } = reply;
  terminal.out(
    json
      ? `${JSON.stringify({ metadata: metadataJson(metadata), state, divergence })}\n`
      : renderLastGood(reply, terminal.palette),
  );
}
