/** What a log says about the time before a place in it. */

import type { SessionClient } from '../bus/client/client.ts';
import type { SessionEvent } from '../bus/types.ts';

/** Events looked at, in growing steps: the answer is mostly in the newest ones. */
const WINDOWS = [4, 64, 1_024];

export interface LookBack {
  /** Oldest first. Whole: from the newest that was looked for, or from the beginning. */
  events: SessionEvent[];
  /** False when what was looked for lies further back than one looks. */
  isWhole: boolean;
}

/** The events before seq `before`, from the newest one that `isStart` on. @throws RepriseError */
export async function backTo(
  sessions: Pick<SessionClient, 'events'>,
  session: string,
  before: number,
  isStart: (event: SessionEvent) => boolean,
): Promise<LookBack> {
  let events: SessionEvent[] = [];
  for (const size of WINDOWS) {
    if (before === 0) break;
    events = [];
    const from = Math.max(0, before - size);
    for await (const event of sessions.events(session, from, before - 1)) events.push(event);
    const start = events.findLastIndex(isStart);
    if (start >= 0) return { events: events.slice(start), isWhole: true };
    if (from === 0) break;
  }
  return { events, isWhole: (events[0]?.seq ?? 0) === 0 };
}

/** Console output that nobody was shown: what came between two cells. */
export interface Unseen {
  from: number;
  to: number;
  lines: number;
  /** There may be more before it. */
  atLeast: boolean;
}

/** What was printed between the cell before and the event `before`; null when nothing was. @throws RepriseError */
export async function printedBetweenCells(
  sessions: Pick<SessionClient, 'events'>,
  session: string,
  before: number,
): Promise<Unseen | null> {
  const { events, isWhole } = await backTo(sessions, session, before, endsCell);
  const printed = events.filter((event) => event.type === 'output' && !endsCell(event));
  const [first, last] = [printed[0], printed.at(-1)];
  if (first?.type !== 'output' || last?.type !== 'output') return null;
  const lines = printed.reduce(
    (sum, event) => sum + (event.type === 'output' ? event.value.split('\n').length : 0),
    0,
  );
  return { from: first.seq, to: last.seq, lines, atLeast: !isWhole };
}

function endsCell(event: SessionEvent): boolean {
  if (event.type === 'output') return event.stream === undefined || event.stream === 'result';
  return event.type === 'error';
}
