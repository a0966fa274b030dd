/** Events that await their commit, and the fold that holds them already. */
import { CUT_BYTES_MAX } from '../../bus/large.ts';
import { type SizeLimits, weightOf } from '../../bus/limits.ts';
import type { Clock } from '../../bus/port.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { applyEvent } from '../timeline/fold.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { isDerived } from '../timeline/turn.ts';

export class Batch {
  events: SessionEvent[] = [];
  fold: SessionFold;
  /** The session before the first of its events. */
  readonly base: SessionFold;

  constructor(fold: SessionFold, events: readonly SessionEvent[] = []) {
    this.base = fold;
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

  /**
   * The events for the next commit, at least one; those that would make it larger than a batch come later. A checkpoint
   * ends its commit: whoever starts there starts right behind it.
   */
  head({ batchBytes, inlineBytes }: Pick<SizeLimits, 'batchBytes' | 'inlineBytes'>): SessionEvent[] {
    let bytes = 0;
    let count = 0;
    while (count < this.events.length) {
      const weight = weightOf(this.events[count]!);
      bytes += weight > inlineBytes ? CUT_BYTES_MAX : weight;
      if (count > 0 && bytes > batchBytes) break;
      count++;
      if (this.events[count - 1]!.type === 'checkpoint') break;
    }
    return this.events.slice(0, count);
  }

  /** The first `count` events are durable now: `fold` is the session after them, the others stand on it. */
  committed(count: number, fold: SessionFold): void {
    this.events = this.events.slice(count);
    // What the others did to the session is known; only its place in the log has changed.
    const { checkpoint } = this.fold;
    const placed = checkpoint?.seq === fold.checkpoint?.seq ? fold.checkpoint : checkpoint;
    this.fold = this.events.length === 0 ? fold : { ...this.fold, checkpoint: placed, log: fold.log };
  }

  /** Time for a new event: never before the newest one. */
  timestamp(clock: Clock): string {
    return new Date(Math.max(this.fold.timeMs, clock.now())).toISOString();
  }
}

/**
 * What is committed instead of a turn whose outcome no commit can hold: what entered, and that it came to
 * nothing. Replay does not run such a turn.
 */
export function undone(batch: Batch, fold: SessionFold, cause: Error, clock: Clock): Batch {
  const timestamp = batch.timestamp(clock);
  const outcome = batch.events.findIndex(isDerived);
  const entered = batch.events.slice(0, Math.max(0, outcome)).filter(({ type }) => type !== 'interrupt');
  const replaced = new Batch(fold, entered);
  const { name } = RangeError;
  const message = `the outcome of the turn cannot be stored: ${cause.message}`;
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
