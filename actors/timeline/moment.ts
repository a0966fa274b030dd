/** A session held at a moment of its log. */

import type { Divergence } from '../../bus/operations/looks.ts';
import type { PassedOver } from '../../bus/operations/sessions.ts';
import type { SessionEvent } from '../../bus/types.ts';
import type { KernelHandle } from '../kernel/handle.ts';
import type { Evaluated, InspectReport, Turn } from '../kernel/port.ts';
import type { SessionFold } from './fold-shape.ts';
import type { ReplayResult } from './replay.ts';
import type { KernelSeat } from './seat.ts';

export class Moment {
  /** The session as the events tell it. */
  readonly fold: SessionFold;
  /** Where re-execution gives something else than the log; the kernel is then of no use. */
  readonly divergence: Divergence | null;
  /** Events that the turn under way leads to and that have not been told; and that turn. */
  readonly leftover: SessionEvent[];
  readonly lastTurn: Turn | null;
  readonly checkpoints: number;
  /** Events of the log as far as it was read. */
  readonly events: number;
  /** Of what was executed, events that are known to be right. */
  readonly good: number;
  readonly isStruck: boolean;
  /** The event that began a turn without an outcome in the log, when that was left out: the heap is the one before it. */
  readonly open: SessionEvent | null;
  readonly passedOver: readonly PassedOver[];
  readonly #seat: KernelSeat;

  constructor(
    result: ReplayResult,
    { seat, passedOver, events }: { seat: KernelSeat; passedOver: readonly PassedOver[]; events: number },
  ) {
    const { isStruck = false, open = null } = result;
    this.fold = result.fold;
    this.divergence = result.divergence;
    this.leftover = result.leftover;
    this.lastTurn = result.lastTurn;
    this.checkpoints = result.checkpoints;
    this.events = events;
    this.good = result.good;
    this.isStruck = isStruck;
    this.open = open;
    this.passedOver = passedOver;
    this.#seat = seat;
  }

  /** seq of its last event. */
  get seq(): number {
    return this.fold.seq;
  }

  get kernel(): KernelHandle {
    return this.#seat.kernel;
  }

  /** Variables, heap, stateId. */
  look(): Promise<InspectReport> {
    return this.kernel.look();
  }

  /**
   * What code gives there, run as its next cell on a copy of its own; what it asks of the world is refused.
   * @param timeoutMs wall-clock budget of each of its turns, ms
   */
  evaluate(code: string, timeoutMs: number): Promise<Evaluated> {
    const { seq, cells, timeMs } = this.fold;
    return this.kernel.evaluate({ seq: seq + 1, cell: cells + 1, timeMs, code, timeoutMs });
  }

  /** Ends its kernel. */
  close(): void {
    this.#seat.leave();
  }
}
