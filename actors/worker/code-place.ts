/** Where in a session's code something is that its log tells. Pure. */
import type { CodePlace, Divergence } from '../../bus/operations/looks.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import { seqOf } from '../timeline/fold.ts';

const TEXT_MAX = 200;

/**
 * The line of a cell to which a difference belongs: the one that a stack on either side names, else the first of the
 * cell that ran there; null: no cell did.
 */
export function placeInCode(
  events: readonly SessionEvent[],
  { seq, expected, actual }: Divergence,
): CodePlace | null {
  const named = /<cell (\d+)>:(\d+)/.exec(`${actual}\n${expected}`);
  const there = events.find((event) => seqOf(event) === seq);
  // Where the log goes on with a cell instead, what differs came of the one before.
  const ran = there && there.type !== 'input' && 'cell' in there ? there.cell : undefined;
  const inputBefore = (cell: number | undefined) =>
    events.findLast(
      (event): event is EventOf<'input'> =>
        event.type === 'input' && event.seq < seq && (cell === undefined || event.cell === cell),
    );
  const input = (named && inputBefore(Number(named[1]))) ?? inputBefore(ran);
  if (!input) return null;
  const lines = input.code.split('\n');
  const first = lines.findIndex((line) => line.trim() !== '') + 1;
  const isNamed = named && Number(named[1]) === input.cell && lines[Number(named[2]) - 1] !== undefined;
  const line = isNamed ? Number(named[2]) : Math.max(1, first);
  return { cell: input.cell ?? 0, line, text: (lines[line - 1] ?? '').trim().slice(0, TEXT_MAX) };
}
