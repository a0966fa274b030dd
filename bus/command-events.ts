/** Which events of a log belong to a command. Pure. */
import type { SessionEvent } from './types.ts';

/** Events up to the one that ends the cell of the first (an `input`), without those of other cells. */
export function ofCommand(events: SessionEvent[]): SessionEvent[] {
  const cell = cellOf(events[0]!);
  const found: SessionEvent[] = [];
  for (const [index, event] of events.entries()) {
    if (index > 0 && event.type === 'input') break;
    const other = cellOf(event);
    if (cell !== undefined && other !== undefined && other !== cell) continue;
    if (event.type === 'checkpoint' || event.type === 'fork') continue;
    found.push(event);
    if (event.type === 'error') break;
    if (event.type === 'output' && (event.stream ?? 'result') === 'result') break;
  }
  return found;
}

function cellOf(event: SessionEvent): number | undefined {
  return 'cell' in event ? event.cell : undefined;
}
