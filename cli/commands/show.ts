/** `reprise show`: one session and the state of its kernel, without touching it. */
import type { Command } from 'commander';
import type { SessionClient } from '../../bus/client/client.ts';
import { hasCode } from '../../bus/errors.ts';
import type { CheckpointAnnotation } from '../../bus/types.ts';
import { addExamples, type Context, sessionMissing, sessionName } from '../context.ts';
import { withProgress } from '../progress.ts';
import { shellWord } from '../render/text.ts';

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
    .option('--json', 'print one line of JSON: {metadata, state, annotations, passedOver?, divergence?}')
    .action(async (session: string, options: ShowOptions) => {
      if (options.atLastGood) return showLastGood(context, session, options);
      const { terminal } = context;
      const sessions = await context.sessions();
      // A worker that has not heard of a deletion would still show what it holds: the log decides.
      const [stored, report, annotations] = await Promise.all([
        sessions.getSession(session),
        sessions.inspect(session),
        annotationsOf(sessions, session),
      ]);
      if (stored === null) throw sessionMissing(session);
      const { metadataJson, renderSession } = await import('../render/session.ts');
      const { annotationJson, renderNewest } = await import('../render/annotations.ts');
      const { metadata, state, passedOver } = report;
      const { palette, columns } = terminal;
      if (options.json) {
        const said = annotations.map(annotationJson);
        const told = { metadata: metadataJson(metadata), state, passedOver, annotations: said };
        terminal.out(`${JSON.stringify(told)}\n`);
      } else {
        terminal.out(renderSession(report, palette));
        terminal.out(renderNewest(annotations, shellWord(session), palette, columns));
      }
    });
  addExamples(command, [
    ['reprise show demo', ''],
    ['reprise show demo --json', 'for programs'],
    ['reprise show demo --at-last-good', 'when its log is damaged or diverges'],
  ]);
}

/** What is said of the session; nothing where its log is damaged: whoever owns it may show it all the same. */
async function annotationsOf(sessions: SessionClient, session: string): Promise<CheckpointAnnotation[]> {
  try {
    return await sessions.annotations(session);
  } catch (thrown) {
    if (hasCode(thrown, 'CORRUPT', 'CHAIN_BROKEN')) return [];
    throw thrown;
  }
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
