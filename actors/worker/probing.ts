/** Looks into cells of the past while they run once more: at a line, and at every statement. */
import { RepriseError } from '../../bus/errors.ts';
import { OUTPUT_BYTES_MAX, weightOf } from '../../bus/limits.ts';
import type {
  PROBING,
  ProbedValue,
  ProbeReply,
  ProbeRequest,
  TracedName,
  TraceReply,
  TraceRequest,
} from '../../bus/operations/probing.ts';
import type { Handlers } from '../../bus/operations/row.ts';
import { normalName } from '../../bus/subjects.ts';
import { expressionsIn, looksAt } from '../kernel/compiler/probing.ts';
import { type VisibleName, visibleIn } from '../kernel/compiler/visible.ts';
import type { ProbedHit } from '../kernel/port.ts';
import type { TimelinePorts } from '../timeline/timeline.ts';
import { findCell, limitOf, type RecordedCell, runLooked } from './cell-run.ts';

const SOURCE_MAX = 200;
/** Places that one cell is looked at: each takes a name in its function, of which the engine has 65,534. */
const PLACES_MAX = 50_000;
/** Names that the looks of a trace are given, over all places: what is put into a cell takes memory in it. */
const LOOKED_AT_MAX = 20_000;

export const PROBES: Handlers<typeof PROBING, [TimelinePorts]> = { probe, trace };

/** @throws RepriseError BAD_REQUEST (no expressions), NOT_FOUND (session, cell, line), and as `runLooked` */
async function probe(request: ProbeRequest, ports: TimelinePorts): Promise<ProbeReply> {
  const { line, condition } = request;
  const limit = limitOf(request.limit);
  const expressions = expressionsIn(request.expressions, 'what was given');
  const wanted = condition === undefined ? [] : [conditionIn(condition)];
  const cell = await findCell(normalName(request.session), request.cell, ports);
  const { places } = cell;
  const there = places.filter((place) => place.line === line);
  if (there.length === 0) throw noLine(cell, line, places);
  const looks = looksAt(
    cell.parsed,
    there.map((place) => ({ place, expressions: [...wanted, ...expressions] })),
    { exact: cell.struck !== undefined },
  );
  const conditional = condition !== undefined;
  const { run, probed } = await runLooked(cell, { looks, conditional, brief: false, limit }, ports);
  const all = probed.hits.map(({ values }) => ({
    values: values.map((value, index): ProbedValue => ({ expr: expressions[index]!, ...value })),
  }));
  const hits = fitting(all);
  const more = run.more + all.length - hits.length;
  return { ...run, line, expressions, hits, more, refused: probed.refused };
}

/** @throws RepriseError NOT_FOUND (session, cell), and as `runLooked` */
async function trace(request: TraceRequest, ports: TimelinePorts): Promise<TraceReply> {
  const limit = limitOf(request.limit);
  const cell = await findCell(normalName(request.session), request.cell, ports);
  const namesAt = visibleIn(cell.parsed);
  const places = cell.places.filter(
    ({ node }) => node.type !== 'FunctionDeclaration' && node.type !== 'EmptyStatement',
  );
  if (places.length > PLACES_MAX) {
    throw new RepriseError(
      'BAD_REQUEST',
      `cell ${cell.number} has ${places.length} statements; a trace takes ${PLACES_MAX}`,
      {
        hint: '`reprise probe` looks at one of its lines',
      },
    );
  }
  const { program } = cell.parsed;
  const namesMax = Math.ceil(LOOKED_AT_MAX / places.length);
  const names = places.map((place) => namesAt(place).slice(0, namesMax));
  const atEnd = namesAt({ line: 0, node: program, ancestors: [], form: 'plain' });
  const named = (visible: readonly VisibleName[]) => visible.map(({ name }) => name);
  const looks = looksAt(
    cell.parsed,
    places.map((place, number) => ({ place, expressions: named(names[number]!) })),
    { atEnd: named(atEnd), exact: cell.struck !== undefined },
  );
  const probing = { looks, conditional: false, brief: true, limit };
  const { run, probed } = await runLooked(cell, probing, ports);
  const lines = cell.code.split(/\r\n|[\n\r\u2028\u2029]/);
  const changes = new Changes();
  const all: TraceReply['steps'] = [];
  let changed: TracedName[] = [];
  for (const hit of probed.hits) {
    const place = places[hit.place];
    if (!place) changed = changes.since(hit, atEnd);
    else {
      const source = (lines[place.line - 1] ?? '').trim().slice(0, SOURCE_MAX);
      all.push({ line: place.line, source, changed: changes.since(hit, names[hit.place]!) });
    }
  }
  const steps = fitting(all);
  return { ...run, more: run.more + all.length - steps.length, steps, changed };
}

/** An expression that is 1 where a condition holds. @throws RepriseError BAD_REQUEST */
function conditionIn(condition: string): string {
  const [only, ...others] = expressionsIn(condition, 'the condition');
  if (others.length === 0) return `(${only})?1:0`;
  throw new RepriseError('BAD_REQUEST', 'the condition is more than one expression', {
    hint: 'join them by && or ||',
  });
}

function noLine({ number }: RecordedCell, line: number, places: readonly { line: number }[]): RepriseError {
  const lines = [...new Set(places.map((place) => place.line))].sort((one, other) => one - other);
  const shown = lines.length > 40 ? [...lines.slice(0, 40), '…'] : lines;
  return new RepriseError('NOT_FOUND', `no statement of cell ${number} begins on line ${line}`, {
    hint: lines.length > 0 ? `statements begin on: ${shown.join(', ')}` : 'it has no statements',
  });
}

/** As many as fit into an answer. */
function fitting<Item>(items: readonly Item[]): Item[] {
  let bytes = 0;
  const end = items.findIndex((item) => {
    bytes += weightOf(item);
    return bytes > OUTPUT_BYTES_MAX;
  });
  return end < 0 ? [...items] : items.slice(0, end);
}

/** What variables were when they were seen last. */
class Changes {
  readonly #last = new Map<string, string | undefined>();

  /** Names whose value is another one since. */
  since({ values }: ProbedHit, names: readonly VisibleName[]): TracedName[] {
    const changed: TracedName[] = [];
    for (const [index, { name, variable, isFresh }] of names.entries()) {
      const seen = values[index];
      // What cannot be read does not exist yet, or not any more.
      const value = seen && 'value' in seen ? seen.value : undefined;
      const last = isFresh ? undefined : this.#last.get(variable);
      this.#last.set(variable, value);
      const isNew = last === undefined && value === 'undefined';
      if (value !== undefined && value !== last && !isNew) changed.push({ name, value });
    }
    return changed;
  }
}
