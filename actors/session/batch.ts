/** Events that await their commit, and the fold that holds them already. */
import type { Clock } from '../../bus/port.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { applyEvent, applyEvents } from './fold.ts';
import type { SessionFold } from './fold-shape.ts';
import { isDerived } from './turn.ts';

/** Rough bytes of events in one commit; a larger turn becomes several commits. */
const COMMIT_BYTES_MAX = 2_000_000;

export class Batch {
  events: SessionEvent[] = [];
  fold: SessionFold;

  constructor(fold: SessionFold, events: readonly SessionEvent[] = []) {
    this.fold = fold;
    for (const event of events) this.push(event);
  }

  push(event: SessionEvent): void {
    this.events.push(event);
    this.fold = applyEvent(this.fold, event);
  }

  /** seq of the next event. */
  get next(): number {
    return this.fold.seq + 1;
  }

  /** Takes the events for one commit, at least one; those that would make it too large stay. */
  take(): SessionEvent[] {
    let bytes = 0;
    let count = 0;
    while (count < this.events.length) {
      bytes += weightOf(this.events[count]!);
      if (count > 0 && bytes > COMMIT_BYTES_MAX) break;
      count++;
    }
    return this.events.splice(0, count);
  }

  /** The events before these are durable now: they stand on `fold`. */
  rebase(fold: SessionFold): void {
    this.fold = applyEvents(fold, this.events);
  }

  /** Time for a new event: never before the newest one. */
  timestamp(clock: Clock): string {
    return new Date(Math.max(this.fold.timeMs, clock.now())).toISOString();
  }
}

function weightOf(event: SessionEvent): number {
  switch (event.type) {
    case 'input':
      return event.code.length;
    case 'output':
      return event.value.length;
    case 'error':
      return event.message.length + (event.stack?.length ?? 0);
    case 'llm_req':
      return event.prompt.length + JSON.stringify(event.request ?? null).length;
    case 'llm_resp':
      return event.response.length;
    case 'effect_req':
      return JSON.stringify(event.payload).length;
    case 'effect_resp':
      return JSON.stringify(event.value ?? null).length;
    default:
      return 100;
  }
}

/**
 * What is committed instead of a turn whose outcome no commit can hold: what entered, and that it came to
 * nothing. Replay does not run such a turn.
 */
export function undone(batch: Batch, fold: SessionFold, why: Error, timestamp: string): Batch {
  const outcome = batch.events.findIndex(isDerived);
  const entered = batch.events.slice(0, Math.max(0, outcome)).filter(({ type }) => type !== 'interrupt');
  const replaced = new Batch(fold, entered);
  const { name, message } = why;
  const cell = replaced.fold.running?.cell;
  const stack = `${name}: ${message}`;
  replaced.push({
    type: 'error',
    seq: replaced.next,
    message,
    timestamp,
    name,
    stack,
    cell,
    rolledBack: true,
  });
  return replaced;
}
