/** `reprise annotate`: say something of a moment of a session, change it, take it back. */
import type { Command } from 'commander';
import { newCommandId } from '../../bus/client/command-id.ts';
import { RepriseError } from '../../bus/errors.ts';
import { addExamples, type Context, repeatable, sessionName, wholeNumber } from '../context.ts';
import { annotationJson, renderAnnotated } from '../render/annotations.ts';

interface AnnotateCommandOptions {
  at?: number;
  description?: string;
  /** false: none any more. */
  tags: boolean;
  tag?: string[];
  rename?: string;
  remove?: boolean;
  id?: string;
  json?: boolean;
}

/** Declares `annotate`. */
export function addAnnotate(program: Command, context: Context): void {
  const command = program
    .command('annotate')
    .description('say something of a moment of a session; the same label at the same event again changes it')
    .argument('<session>', 'name of the session', sessionName)
    .argument('[label]', 'what it is called, 1 to 200 characters')
    .option(
      '--at <seq>',
      'number of the event, as `reprise log` shows it (default: the newest)',
      wholeNumber('--at', 0),
    )
    .option('-d, --description <text>', 'what else there is to say; what is not given stays as it was')
    .option('--tag <tag>', 'a tag, to find it by; may be repeated; instead of those it had', repeatable)
    .option('--no-tags', 'without the tags that it had')
    .option('--rename <label>', 'change one that is there: another label')
    .option('--remove', 'remove one: --at or the label may be left out where the other tells which')
    .option('--id <commandId>', 'id of this command: the same id annotates once')
    .option(
      '--json',
      'print one line of JSON: {session, seq, action, checkpointSeq, label, description, tags, created, repeated}',
    )
    .action((session: string, label: string | undefined, options: AnnotateCommandOptions) =>
      annotate(context, session, label, options),
    );
  addExamples(command, [
    ["reprise annotate demo 'before the import'", 'the newest event'],
    ["reprise annotate demo 'it worked here' --at 12 --tag good -d 'all 40 rows'", 'an older one'],
    ["reprise annotate demo 'it worked here' --rename 'last good'", 'keeps all but the label'],
    ['reprise annotate demo --remove --at 12', 'the only one at event 12'],
  ]);
}

async function annotate(
  context: Context,
  session: string,
  label: string | undefined,
  options: AnnotateCommandOptions,
): Promise<void> {
  const { terminal } = context;
  const {
    at,
    description,
    tags,
    tag,
    rename: renamed,
    remove,
    id: commandId = newCommandId(),
    json,
  } = options;
  if (label === undefined && !remove && renamed === undefined)
    throw new RepriseError('BAD_REQUEST', 'give a label', {
      hint: '`reprise annotate --help` shows examples',
    });
  if (remove && (renamed ?? description ?? tag) !== undefined)
    throw new RepriseError('BAD_REQUEST', '--remove takes a label and --at, and nothing else');
  context.details = { session, commandId };
  const wish = { at, label, description, tags: tags ? tag : [], renamed, remove };
  const reply = await (await context.sessions()).annotate(session, wish, { commandId });
  const { annotation, ...rest } = reply;
  terminal.out(
    json
      ? `${JSON.stringify({ session, ...rest, ...annotationJson(annotation) })}\n`
      : renderAnnotated(session, reply, terminal.palette),
  );
}
