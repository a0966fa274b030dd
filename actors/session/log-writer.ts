/** Writes one session's events to its log: one commit at a time, each a compare-and-set on the one before. */

import { RepriseError } from '../../bus/errors.ts';
import { scopeOf } from '../../bus/large.ts';
import type { Clock } from '../../bus/port.ts';
import type { IIncrementalWriter, ReplState, SessionEvent } from '../../bus/types.ts';
import { placeAt, seqOf } from '../timeline/fold.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { Batch } from './batch.ts';
import { makeCommit } from './commit.ts';
import type { SessionStore } from './ports.ts';

export interface WriterPorts {
  store: Pick<SessionStore, 'append' | 'limits' | 'putLarge'>;
  clock: Clock;
  kernelVersion: string;
  newId(): string;
  /** Hears of each commit once it is durable. */
  onCommitted(events: readonly SessionEvent[]): void;
}

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
   * Makes all events of the batch durable, and rebases it on the fold after them. `whole`: of a session that begins; it
   * is there once all of them are, and if that never comes it never was.
   * @throws RepriseError FENCED when somebody else committed first, or storage's refusal; what was already
   * written stays written (`fold` tells how far).
   */
  async write(batch: Batch, { whole = false } = {}): Promise<void> {
    const { clock, kernelVersion: kernel, newId, store } = this.#ports;
    while (batch.events.length > 0) {
      const { limits } = store;
      const events = batch.head(limits);
      const base = this.fold;
      const { inlineBytes } = limits;
      const partial = whole && events.length < batch.events.length;
      const facts = { commit: newId(), epoch: this.#epoch, kernel, atMs: clock.now(), inlineBytes, partial };
      const { commit, next, large } = makeCommit(base, events, facts);
      for (const { value, bytes } of large) await store.putLarge(scopeOf(next.id), value, bytes);
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
