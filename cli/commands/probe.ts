/** `reprise probe` and `reprise trace`: what went on inside a cell of the past. */
import type { Command } from 'commander';
import { type CellRun, HITS_DEFAULT, HITS_MAX } from '../../bus/operations/probing.ts';
import { addExamples, type Context, EXIT, sessionName, wholeNumber } from '../context.ts';
import { withProgress } from '../progress.ts';

interface TraceCommandOptions {
  cell: number;
  limit?: number;
  json?: boolean;
}
interface ProbeCommandOptions extends TraceCommandOptions {
  line: number;
  if?: string;
}

const WORKING = 'executing the cell again …';

function addCell(command: Command, of: string): Command {
  return command
    .argument('<session>', 'name of the session', sessionName)
    .requiredOption('--cell <number>', 'the cell, as `reprise log` shows it', wholeNumber('--cell', 1))
    .option(
      '--limit <number>',
      `${of} that are told; of the others only the number (default: ${HITS_DEFAULT})`,
      wholeNumber('--limit', 1, HITS_MAX),
    );
}

/** Declares `probe`. */
export function addProbe(program: Command, context: Context): void {
  const command = addCell(
    program
      .command('probe')
      .description('what expressions were each time a line of a past cell ran; never touches the session'),
    'hits',
  )
    .requiredOption('--line <number>', 'the line of its code', wholeNumber('--line', 1))
    .argument('<expressions>', 'with commas between them; one that throws shows its error')
    .option('--if <expression>', 'only hits where it holds')
    .option('--json', 'a line of JSON a hit: {hit, line, values}; then one: {hits, more, divergence?, …}')
    .action((session: string, expressions: string, options: ProbeCommandOptions) =>
      probe(context, session, expressions, options),
    );
  addExamples(command, [
    ["reprise probe demo --cell 3 --line 2 'i, total'", 'a line each time it ran'],
    ["reprise probe demo --cell 3 --line 2 'row' --if 'row.price < 0'", 'exit code 4 when it never did'],
    ["reprise probe demo --cell 3 --line 2 'i' --json --limit 10", 'for programs'],
  ]);
}

/** Declares `trace`. */
export function addTrace(program: Command, context: Context): void {
  const command = addCell(
    program
      .command('trace')
      .description(
        'each statement of a past cell as it ran, and what had changed; never touches the session',
      ),
    'statements',
  )
    .option('--json', 'a line of JSON a statement: {step, line, source, changed}; then one: {steps, more, …}')
    .action((session: string, options: TraceCommandOptions) => trace(context, session, options));
  addExamples(command, [
    ['reprise trace demo --cell 3', 'line, code, and names whose value had changed'],
    ['reprise trace demo --cell 3 --limit 50 --json', 'for programs'],
  ]);
}

async function probe(
  context: Context,
  session: string,
  expressions: string,
  { cell, line, limit, json, if: condition }: ProbeCommandOptions,
): Promise<void> {
  const { terminal } = context;
  context.details = { session, cell, line };
  const { probeJson, renderProbe } = await import('../render/probing.ts');
  const sessions = await context.sessions();
  const reply = await withProgress(terminal, WORKING, () =>
    sessions.probe(session, { cell, line }, expressions, { condition, limit }),
  );
  context.exitCode = exitCodeOf(reply, reply.hits.length);
  terminal.out(json ? probeJson(reply) : renderProbe(reply, terminal.palette));
}

async function trace(
  context: Context,
  session: string,
  { cell, limit, json }: TraceCommandOptions,
): Promise<void> {
  const { terminal } = context;
  context.details = { session, cell };
  const { renderTrace, traceJson } = await import('../render/probing.ts');
  const sessions = await context.sessions();
  const reply = await withProgress(terminal, WORKING, () => sessions.trace(session, cell, { limit }));
  context.exitCode = exitCodeOf(reply, reply.steps.length);
  terminal.out(json ? traceJson(reply) : renderTrace(reply, terminal.palette));
}

/** What differs from the log comes first; that nothing was seen is no success either. */
function exitCodeOf({ divergence }: CellRun, seen: number): number {
  if (divergence) return EXIT.divergence;
  return seen === 0 ? EXIT.notFound : EXIT.ok;
}
