/** `reprise timeline`: a session's life as a picture. */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { RepriseError } from '../../bus/errors.ts';
import { addExamples, type Context, sessionMissing, sessionName, wholeNumber } from '../context.ts';
import { withProgress } from '../progress.ts';
import { printable } from '../render/text.ts';

interface TimelineOptions {
  from?: number;
  to?: number;
  json?: boolean;
  svg?: string;
}

/** Cells, calls and moments of each kind that are told apart; neighbours of more are put together. */
const MOST = { picture: 100, json: 5_000 };

/** Declares `timeline`. */
export function addTimeline(program: Command, context: Context): void {
  const command = program
    .command('timeline')
    .description('draw what happened in a session and when: cells, calls and how they overlap, checkpoints')
    .argument('<session>', 'name of the session', sessionName)
    .option('--from <seq>', 'first event', wholeNumber('--from', 0))
    .option('--to <seq>', 'last event', wholeNumber('--to', 0))
    .option('--svg <file>', 'write the picture to this file, as SVG')
    .option(
      '--json',
      'print one line of JSON: {session, from, to, cells, calls, checkpoints, …}; `count` above 1: neighbours put together',
    )
    .action((session: string, options: TimelineOptions) => timeline(context, session, options));
  addExamples(command, [
    ['reprise timeline demo', ''],
    ['reprise timeline demo --from 100 --to 200', 'a part of it, larger'],
    ['reprise timeline demo --svg demo.svg', 'for a browser or a document'],
    ['reprise timeline demo --json', 'for programs'],
  ]);
}

async function timeline(context: Context, session: string, options: TimelineOptions): Promise<void> {
  const { terminal } = context;
  const { from = 0, to, json, svg } = options;
  if (to !== undefined && from > to) {
    throw new RepriseError('BAD_REQUEST', `--from ${from} comes after --to ${to}`);
  }
  if (svg === '') throw new RepriseError('BAD_REQUEST', '--svg needs the name of a file');
  context.details = { session };
  const { TimelineBuilder } = await import('../timeline/model.ts');
  const { renderTimeline, timelineJson } = await import('../render/timeline.ts');
  const sessions = await context.sessions();
  const told = new TimelineBuilder(session, json ? MOST.json : MOST.picture);
  const drawn = json && svg !== undefined ? new TimelineBuilder(session, MOST.picture) : told;
  await withProgress(terminal, 'reading the log …', async () => {
    if ((await sessions.getSession(session)) === null) throw sessionMissing(session);
    for await (const event of sessions.events(session, from, to)) {
      told.add(event);
      if (drawn !== told) drawn.add(event);
    }
  });
  if (svg !== undefined) {
    const { timelineSvg } = await import('../render/timeline-svg.ts');
    await write(svg, timelineSvg(drawn.result()));
    terminal.err(`${terminal.errPalette.dim(`written to ${printable(svg)}`)}\n`);
  }
  if (json) terminal.out(timelineJson(told.result()));
  else if (svg === undefined) terminal.out(renderTimeline(told.result(), terminal.palette, terminal.columns));
}

/** @throws RepriseError BAD_REQUEST when the file cannot be written */
async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new RepriseError('BAD_REQUEST', `--svg: ${(error as Error).message}`, {
      hint: 'nothing was changed in the session; name a file that may be written',
      cause: error,
    });
  }
}
