/** Half of a limit is used: a session says so while there is room, so that nobody learns of a limit by hitting it. Pure. */
import { EFFECTS_MAX, HEAP_BYTES_MAX } from '../../bus/limits.ts';
import type { EventOf } from '../../bus/types.ts';
import type { Turn } from '../kernel/port.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';

type Warning = EventOf<'warning'>;

/** Seen from half of a limit on, each limit once: what a session has been told is in its fold. */
export function warningsOf(
  { heapBytes }: Pick<Turn, 'heapBytes'>,
  fold: SessionFold,
  { timestamp, backgroundTurnsMax }: { timestamp: string; backgroundTurnsMax: number },
): Warning[] {
  const uses: [Warning['limit'], number, number][] = [
    ['heap', heapBytes, HEAP_BYTES_MAX],
    ['effects', fold.effects.size, EFFECTS_MAX],
    ['background', fold.backgroundTurns, backgroundTurnsMax],
  ];
  return uses
    .filter(([limit, used, max]) => used * 2 >= max && !fold.warned.includes(limit))
    .map(([limit, used, max], index) => {
      const { running, seq } = fold;
      return { type: 'warning', seq: seq + 1 + index, timestamp, limit, used, max, cell: running?.cell };
    });
}
