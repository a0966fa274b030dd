/** The first event of a session after which something holds. */
import { RepriseError } from '../../bus/errors.ts';
import type { BisectReply, BisectRequest, Evaluated } from '../../bus/operations/looks.ts';
import { normalName } from '../../bus/subjects.ts';
import { Timeline, type TimelinePorts } from '../timeline/timeline.ts';

/** Budget of the predicate at one moment, ms. */
const PREDICATE_MS = 5_000;

/** @throws RepriseError BAD_REQUEST (no expression), NOT_FOUND, DIVERGED, CORRUPT, CHAIN_BROKEN, and what storage and the kernel throw */
export async function bisect(
  { session, predicate, monotonic = false, timeoutMs = PREDICATE_MS }: BisectRequest,
  ports: TimelinePorts,
): Promise<BisectReply> {
  const name = normalName(session);
  const timeline = new Timeline(ports);
  const ask =
    (code: string): Ask =>
    (seq) =>
      timeline.visit(name, seq, async (moment) => {
        const { cell, time, fold } = moment;
        return { told: await moment.evaluate(code, timeoutMs), seq: fold.seq, cell, time };
      });
  const verdict = verdictOf(predicate);
  const newest = await ask(verdict)(undefined);
  const { error } = newest.told;
  if (error?.name === 'SyntaxError') {
    throw new RepriseError('BAD_REQUEST', `the predicate is no expression: ${error.message}`);
  }
  const { last, first, steps } = monotonic
    ? await halve(newest, ask(verdict))
    : await pass(timeline, name, verdict, timeoutMs);
  const seq = first ?? last;
  const value = ask(predicate);
  const { told, cell, time } = await value(seq);
  const before = seq > 0 ? textOf((await value(seq - 1)).told) : '';
  return { session: name, seq: first, cell, time, before, after: textOf(told), steps };
}

/** What code gives at a moment; undefined: the newest. */
type Ask = (seq: number | undefined) => Promise<Answer>;
interface Answer {
  told: Evaluated;
  seq: number;
  cell: number;
  time: string;
}

interface Found {
  /** seq of the first event after which it holds; null: it never does. */
  first: number | null;
  /** seq of the last event that was looked at. */
  last: number;
  steps: number;
}

/** Every turn, one after the other. */
async function pass(timeline: Timeline, name: string, verdict: string, timeoutMs: number): Promise<Found> {
  const found: Found = { first: null, last: 0, steps: 0 };
  await timeline.walk(name, async ({ seq, evaluate }) => {
    found.last = seq;
    found.steps += 1;
    if (!holds(await evaluate(verdict, timeoutMs))) return 'on';
    found.first = seq;
    return 'end';
  });
  return found;
}

/** By halving: what holds once holds for ever. */
async function halve(newest: Answer, ask: Ask): Promise<Found> {
  const last = newest.seq;
  let steps = 1;
  if (!holds(newest.told)) return { first: null, last, steps };
  let [before, first] = [-1, last];
  while (first - before > 1) {
    const middle = (before + first) >> 1;
    steps += 1;
    if (holds((await ask(middle)).told)) first = middle;
    else before = middle;
  }
  return { first, last, steps };
}

/** A cell that results in whether it holds; behind a line break, for it may end in a comment. */
const verdictOf = (predicate: string): string => `(\n${predicate}\n) ? true : false`;

const holds = ({ error, output }: Evaluated): boolean => error === null && output === 'true';

const textOf = ({ error, output }: Evaluated): string => (error ? `${error.name}: ${error.message}` : output);
