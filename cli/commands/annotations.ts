/** `reprise annotations`: what is said of moments, in one session or all. */
import type { Command } from 'commander';
import { addExamples, type Context, repeatable, sessionName } from '../context.ts';
import { inSessions } from '../every-session.ts';
import { annotationJson, renderAnnotations } from '../render/annotations.ts';

interface AnnotationsOptions {
  tag?: string[];
  text?: string;
  json?: boolean;
}

/** Declares `annotations`. */
export function addAnnotations(program: Command, context: Context): void {
  const command = program
    .command('annotations')
    .description('list and find what is said of moments, in one session or in all')
    .argument('[session]', 'name of the session (default: all)', sessionName)
    .option('--tag <tag>', 'only with this tag; repeated: with all of them', repeatable)
    .option('--text <words>', 'only where each word is in the label, the description or a tag')
    .option(
      '--json',
      'print one JSON array: {session, checkpointSeq, label, description, tags, created, snapshot?}',
    )
    .action((session: string | undefined, options: AnnotationsOptions) =>
      annotations(context, session, options),
    );
  addExamples(command, [
    ['reprise annotations demo', ''],
    ['reprise annotations --tag good', 'in every session'],
    ["reprise annotations demo --text 'import rows'", 'both words, in any order'],
  ]);
}

async function annotations(
  context: Context,
  session: string | undefined,
  { tag: tags, text, json }: AnnotationsOptions,
): Promise<void> {
  const { terminal } = context;
  const found = await inSessions(context, session, async (sessions, name) =>
    (await sessions.annotations(name, { tags, text })).map((one) => ({ session: name, ...one })),
  );
  terminal.out(
    json
      ? `${JSON.stringify(found.map(({ session: name, ...one }) => ({ session: name, ...annotationJson(one) })))}\n`
      : renderAnnotations(found, terminal.palette, terminal.columns),
  );
}
