/** Writes one session's events to its log: one commit at a time, each a compare-and-set on the one before. */

import { RepriseError } from '../../bus/errors.ts';
import type { Clock } from '../../bus/port.ts';
import type { IIncrementalWriter, ReplState, SessionEvent } from '../../bus/types.ts';
import { Batch } from './batch.ts';
import { makeCommit } from './commit.ts';
import { placeAt, seqOf } from './fold.ts';
import type { SessionFold } from './fold-shape.ts';
import type { SessionStore } from './ports.ts';

export interface WriterPorts {
  store: Pick<SessionStore, 'append' | 'limits'>;
  clock: Clock;
  kernelVersion: string;
  newId(): string;
  /** Hears of each commit once it is durable. */
  onCommitted(events: readonly SessionEvent[]): void;
}

/** What storage says of a commit that it will never take. */
export const REFUSALS = [
  'TOO_LARGE',
  'BAD_FORMAT',
  'STORAGE_FULL',
  'SEQ_GAP',
  'CHAIN_BROKEN',
  'CLOSED',
  'DENIED',
] as const;
export class LogWriter implements IIncrementalWriter {
  /** The session as the log holds it. */
  fold: SessionFold;
  readonly #ports: WriterPorts;
  #epoch: number;

  constructor(fold: SessionFold, ports: WriterPorts) {
    this.fold = fold;
    this.#epoch = fold.log.epoch + 1;
    this.#ports = ports;
  }

  /**
   * Makes all events of the batch durable, and rebases it on the fold after them.
   * @throws RepriseError FENCED when somebody else committed first, or storage's refusal; what was already
   * written stays written (`fold` tells how far).
   */
  async write(batch: Batch): Promise<void> {
    const { clock, kernelVersion: kernel, newId, store } = this.#ports;
    while (batch.events.length > 0) {
      const events = batch.head(store.limits.batchBytes);
      const base = this.fold;
      const facts = { commit: newId(), epoch: this.#epoch, kernel, atMs: clock.now() };
      const { commit, next } = makeCommit(base, events, facts);
      const { position, sizeBytes } = await store.append(commit, base.log.position);
      this.fold = placeAt(next, { commit, position, sizeBytes });
      batch.committed(events.length, this.fold);
      this.#ports.onCommitted(events);
    }
  }

  /**
   * Appends events that continue `state`.
   * @throws RepriseError SEQ_GAP when they do not continue the log, and as `write`.
   */
  async appendEvents(events: SessionEvent[], state: ReplState): Promise<void> {
    const first = events[0];
    if (!first) return;
    if (state.seq !== this.fold.seq || seqOf(first) !== this.fold.seq + 1) {
      throw new RepriseError(
        'SEQ_GAP',
        `events from seq ${seqOf(first)} on state ${state.seq} do not continue the log at seq ${this.fold.seq}`,
        { hint: 'read the session again and number the events on from its last seq' },
      );
    }
    await this.write(new Batch(this.fold, events));
  }
}
