/** Which events of a log belong to a command. Pure. */
import type { EventOf, SessionEvent } from './types.ts';

/** What stands between the events of a cell and is none of them: the session's own, or said of it. */
export function isBeside({ type }: SessionEvent): boolean {
  return type === 'checkpoint' || type === 'fork' || type === 'annotation';
}

/** Whether the event is that of a command, by whose id it is found again. */
export function isCommand(event: SessionEvent): event is EventOf<'input'> | EventOf<'annotation'> {
  return event.type === 'input' || event.type === 'annotation';
}

/** Whether an event ends its cell: an error, or a result. */
export function endsCell(event: SessionEvent): boolean {
  if (event.type === 'error') return true;
  return event.type === 'output' && (event.stream ?? 'result') === 'result';
}

/** Events up to the one that ends the cell of the first (an `input`), without those of other cells; an annotation is alone. */
export function ofCommand(events: SessionEvent[]): SessionEvent[] {
  if (events[0]!.type === 'annotation') return [events[0]!];
  const cell = cellOf(events[0]!);
  const found: SessionEvent[] = [];
  for (const [index, event] of events.entries()) {
    if (index > 0 && event.type === 'input') break;
    const other = cellOf(event);
    if (cell !== undefined && other !== undefined && other !== cell) continue;
    if (isBeside(event)) continue;
    found.push(event);
    if (endsCell(event)) break;
  }
  return found;
}

function cellOf(event: SessionEvent): number | undefined {
  return 'cell' in event ? event.cell : undefined;
}
