/** `reprise edit`: what would have been, had one thing that entered a session been another. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { newCommandId } from '../../bus/client/command-id.ts';
import type { EditChange, Edited } from '../../bus/client/edit.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { Json } from '../../bus/types.ts';
import { addExamples, type Context, sessionName, wholeNumber } from '../context.ts';
import { withProgress } from '../progress.ts';
import type { Palette } from '../render/palette.ts';
import { count, firstLine, printable } from '../render/text.ts';

interface EditCommandOptions {
  at: number;
  code?: string;
  answer?: string;
  answerFile?: string;
  time?: string;
  seed?: string;
  dryRun?: boolean;
  calls: boolean;
  id?: string;
  json?: boolean;
}

/** Declares `edit`. */
export function addEdit(program: Command, context: Context): void {
  const command = program
    .command('edit')
    .description(
      'fork a session with one event changed, and run the rest again; recorded answers are taken while the same is asked',
    )
    .argument('<session>', 'name of the session', sessionName)
    .argument('<new>', 'name of the new session', sessionName)
    .requiredOption('--at <seq>', 'number of the event, as `reprise log` shows it', wholeNumber('--at', 0))
    .option('--code <code>', 'an input: the cell is another')
    .option('--answer <json>', 'an answer: the effect brings another value (of a model: a text)')
    .option('--answer-file <path>', 'the same, as the text of a file')
    .option(
      '--time <time>',
      'an input or answer: it came at another time (ISO, or ms since 1970), and all after it',
    )
    .option('--seed <seed>', 'event 0: another seed of randomness')
    .option('--dry-run', 'begin nothing, only say what would be asked of models')
    .option('--no-calls', 'end before the first call of a model that is not recorded')
    .option('--id <commandId>', 'id of this command: the same id edits once')
    .option('--json', 'print one line of JSON: {session, parent, seq, reused, asked, first, cells, left, …}')
    .action((session: string, name: string, options: EditCommandOptions) =>
      edit(context, session, name, options),
    );
  addExamples(command, [
    ["reprise edit demo what-if --at 4 --code 'x = 5'", 'had the cell been another'],
    ['reprise edit demo what-if --at 9 --answer \'"no"\'', 'had the model said no'],
    ['reprise edit demo what-if --at 9 --answer-file a.txt --dry-run', 'what that would cost'],
  ]);
}

async function edit(
  context: Context,
  session: string,
  name: string,
  options: EditCommandOptions,
): Promise<void> {
  const { terminal } = context;
  const { at, dryRun, calls, id: commandId = newCommandId(), json } = options;
  context.details = { session, commandId };
  const change = await changeOf(options);
  const sessions = await context.sessions();
  const edited = await withProgress(terminal, 'running the rest again …', () =>
    sessions.edit(session, name, at, change, { commandId, dryRun, calls }),
  );
  if (json) return terminal.out(`${JSON.stringify({ ...edited, dryRun: dryRun === true })}\n`);
  terminal.out(renderEdited(edited, options, terminal.palette));
}

async function changeOf(options: EditCommandOptions): Promise<EditChange> {
  const { code, answer, answerFile, time, seed } = options;
  if (answerFile !== undefined) {
    if (answer !== undefined)
      throw new RepriseError('BAD_REQUEST', 'give --answer or --answer-file, not both');
    try {
      return { code, seed, timeMs: timeOf(time), answer: { value: await readFile(answerFile, 'utf8') } };
    } catch (cause) {
      throw new RepriseError('BAD_REQUEST', `${answerFile} cannot be read: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  return {
    code,
    seed,
    timeMs: timeOf(time),
    answer: answer === undefined ? undefined : { value: jsonOf(answer) },
  };
}

function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new RepriseError('BAD_REQUEST', `--answer is no JSON: ${(cause as Error).message}`, {
      cause,
      hint: 'a text stands in double quotes: --answer \'"no"\', or use --answer-file',
    });
  }
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeMs = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isSafeInteger(timeMs) && timeMs >= 0 && timeMs < 8.64e15) return timeMs;
  throw new RepriseError('BAD_REQUEST', `--time ${text} is no time`, {
    hint: 'such as 2026-01-31T12:00:00Z, or milliseconds since 1970',
  });
}

function renderEdited(edited: Edited, { dryRun, calls }: EditCommandOptions, palette: Palette): string {
  const { session, parent, reused, asked, first, cells, left } = edited;
  const bill = `${count(reused, 'recorded answer')} taken again, ${asked} ${dryRun ? 'to be asked' : 'asked'}`;
  const from = parent ? `shares ${printable(parent.session)} up to seq ${parent.seq}` : 'shares nothing';
  const lines = [`${palette.bold(printable(session))}: ${dryRun ? 'would share' : from} · ${bill}`];
  if (dryRun) lines[0] = `nothing was begun · ${bill}`;
  if (first) lines.push(`first anew: ${first.kind} ${firstLine(first.detail, 60).line}`);
  if (cells > 0) lines.push(`${count(cells, 'cell')} behind it ran again`);
  if (left && !dryRun && !calls) lines.push('it ended before that: the cells behind it have not run');
  return `${lines[0]}\n${lines
    .slice(1)
    .map((line) => palette.dim(`  ${line}\n`))
    .join('')}`;
}
