/** What warnings say to people. */
import { mebibytes } from '../limits.ts';
import type { EventOf } from '../types.ts';

/** What a warning says. */
export function warningText({ limit, used, max }: EventOf<'warning'>): string {
  switch (limit) {
    case 'heap':
      return `the heap holds ${mebibytes(used)}, of ${mebibytes(max)} at most`;
    case 'effects':
      return `${used} timers and model calls wait, of ${max} at most`;
    case 'background':
      return `${used} turns in the background since the last cell; after ${max} the session pauses`;
  }
}
