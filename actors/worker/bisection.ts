/** The first event of a session after which something holds. */
import { RepriseError } from '../../bus/errors.ts';
import type { BisectReply, BisectRequest } from '../../bus/operations/looks.ts';
import { normalName } from '../../bus/subjects.ts';
import type { Evaluated } from '../kernel/port.ts';
import { divergenceError, Timeline, type TimelinePorts } from '../timeline/timeline.ts';

/** Budget of the predicate at one moment, ms. */
const PREDICATE_MS = 5_000;

/** @throws RepriseError BAD_REQUEST (no expression), NOT_FOUND, DIVERGED, CORRUPT, CHAIN_BROKEN, and what storage and the kernel throw */
export async function bisect(
  { session, predicate, monotonic = false, timeoutMs = PREDICATE_MS }: BisectRequest,
  ports: TimelinePorts,
): Promise<BisectReply> {
  const name = normalName(session);
  const timeline = new Timeline(ports);
  const { told } = await ask(timeline, name, undefined, verdictOf(predicate), timeoutMs);
  if (told.error?.name === 'SyntaxError') {
    throw new RepriseError('BAD_REQUEST', `the predicate is no expression: ${told.error.message}`);
  }
  const search = monotonic ? halve : pass;
  const { last, first, steps } = await search(timeline, name, predicate, timeoutMs);
  const value = async (seq: number): Promise<string> => {
    const { told } = await ask(timeline, name, seq, predicate, timeoutMs);
    return told.error ? `${told.error.name}: ${told.error.message}` : told.output;
  };
  const at = first ?? last;
  const moment = await ask(timeline, name, at, predicate, timeoutMs);
  return {
    session: name,
    seq: first,
    cell: moment.cell,
    time: moment.time,
    before: at > 0 ? await value(at - 1) : '',
    after: await value(at),
    steps,
  };
}

interface Found {
  /** seq of the first event after which it holds; null: it never does. */
  first: number | null;
  /** seq of the last event that was looked at. */
  last: number;
  steps: number;
}

/** Every turn, one after the other. */
async function pass(timeline: Timeline, name: string, predicate: string, timeoutMs: number): Promise<Found> {
  const found: Found = { first: null, last: 0, steps: 0 };
  const code = verdictOf(predicate);
  await timeline.walk(name, async ({ seq, timeMs, cells, kernel }) => {
    found.last = seq;
    found.steps += 1;
    const told = await kernel.evaluate({ seq: seq + 1, timeMs, cell: cells + 1, code, timeoutMs });
    if (!holds(told)) return 'on';
    found.first = seq;
    return 'end';
  });
  return found;
}

/** By halving: what holds once holds for ever. */
async function halve(timeline: Timeline, name: string, predicate: string, timeoutMs: number): Promise<Found> {
  const code = verdictOf(predicate);
  let steps = 1;
  const newest = await ask(timeline, name, undefined, code, timeoutMs);
  if (!holds(newest.told)) return { first: null, last: newest.seq, steps };
  let [before, at] = [-1, newest.seq];
  while (at - before > 1) {
    const middle = (before + at) >> 1;
    steps += 1;
    if (holds((await ask(timeline, name, middle, code, timeoutMs)).told)) at = middle;
    else before = middle;
  }
  return { first: at, last: newest.seq, steps };
}

async function ask(
  timeline: Timeline,
  name: string,
  seq: number | undefined,
  code: string,
  timeoutMs: number,
): Promise<{ told: Evaluated; seq: number; cell: number; time: string }> {
  const moment = await timeline.openAt(name, seq);
  try {
    const { divergence, fold } = moment;
    if (divergence) throw divergenceError(name, divergence);
    return {
      told: await moment.evaluate(code, timeoutMs),
      seq: fold.seq,
      cell: fold.running?.cell ?? fold.cells,
      time: new Date(fold.timeMs).toISOString(),
    };
  } finally {
    moment.close();
  }
}

/** A cell that results in whether it holds; behind a line break, for it may end in a comment. */
const verdictOf = (predicate: string): string => `(\n${predicate}\n) ? true : false`;

const holds = ({ error, output }: Evaluated): boolean => error === null && output === 'true';
