/** A session held at a moment of its log. */

import type { Divergence, Evaluated } from '../../bus/operations/looks.ts';
import type { PassedOver } from '../../bus/operations/sessions.ts';
import type { SessionEvent } from '../../bus/types.ts';
import type { KernelHandle } from '../kernel/handle.ts';
import type { InspectReport, Turn } from '../kernel/port.ts';
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
    this.isStruck = isStruck;
    this.open = open;
    this.passedOver = passedOver;
    this.#seat = seat;
  }

  /** Number of the cell that its last event belongs to, or came before it; 0: none. */
  get cell(): number {
    return this.fold.running?.cell ?? this.fold.cells;
  }

  /** Time of its last event, ISO. */
  get time(): string {
    return new Date(this.fold.timeMs).toISOString();
  }

  get kernel(): KernelHandle {
    return this.#seat.kernel;
  }

  /** Variables, heap, stateId. */
  look(): Promise<InspectReport> {
    return this.kernel.look();
  }

  /** What code gives there. @param timeoutMs wall-clock budget of each of its turns, ms; default: a cell's */
  evaluate(code: string, timeoutMs?: number): Promise<Evaluated> {
    return evaluateAfter(this.kernel, this.fold, code, timeoutMs);
  }

  /** Ends its kernel. */
  close(): void {
    this.#seat.leave();
  }
}

/** What code gives behind a place, run as its next cell on a copy of its own; what it asks of the world is refused. */
export function evaluateAfter(
  kernel: KernelHandle,
  { seq, cells, timeMs }: Pick<SessionFold, 'seq' | 'cells' | 'timeMs'>,
  code: string,
  timeoutMs?: number,
): Promise<Evaluated> {
  return kernel.evaluate({ seq: seq + 1, cell: cells + 1, timeMs, code, timeoutMs });
}
