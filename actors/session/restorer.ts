/** Brings a session from its log into its kernel, in the two steps of the statechart. */
import type { SessionEvent } from '../../bus/types.ts';
import type { Turn } from '../kernel/port.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import type { Loaded } from '../timeline/loading.ts';
import type { KernelSeat } from '../timeline/seat.ts';
import { divergenceError, Timeline } from '../timeline/timeline.ts';
import type { Batch } from './batch.ts';
import type { SessionPorts } from './ports.ts';
import type { Stepper } from './stepper.ts';

export interface Restored {
  fold: SessionFold;
  /** The event that began a turn of which the log says no more: it is to be run. */
  open: SessionEvent | null;
  /** What the last turn led to and the log holds in part only: an owner before this one died over it. */
  leftover: { batch: Batch; turn: Turn } | null;
}

export class Restorer {
  readonly #name: string;
  readonly #ports: SessionPorts;
  readonly #seat: KernelSeat;
  readonly #stepper: Stepper;
  readonly #timeline: Timeline;
  #loaded: Loaded | null = null;

  constructor(name: string, ports: SessionPorts, seat: KernelSeat, stepper: Stepper) {
    this.#name = name;
    this.#ports = ports;
    this.#seat = seat;
    this.#stepper = stepper;
    this.#timeline = new Timeline(ports);
  }

  /** @throws RepriseError when storage cannot be reached, CORRUPT, CHAIN_BROKEN */
  async load(): Promise<void> {
    this.#loaded = await this.#timeline.load(this.#name);
  }

  /** Executes what `load` has read; the seat of a session without a log stays empty. @throws RepriseError DIVERGED */
  async replay(): Promise<Restored> {
    const loaded = this.#loaded!;
    this.#loaded = null;
    if (loaded.fold.seq < 0 && loaded.tail.length === 0)
      return { fold: loaded.fold, open: null, leftover: null };
    const moment = await this.#timeline.restore(loaded, this.#seat);
    const { fold, divergence, passedOver, lastTurn, leftover, open } = moment;
    if (divergence) throw divergenceError(this.#name, divergence);
    this.#ports.onRestored?.(passedOver);
    if (loaded.troubled) {
      // A record that stays costs a look, and goes with the next restoration.
      await this.#ports.store.trouble(this.#name, this.#seat.version, null).catch(() => {});
    }
    if (!lastTurn || leftover.length === 0) return { fold, open, leftover: null };
    const batch = this.#stepper.leftover(fold, lastTurn, leftover);
    return { fold, open, leftover: { batch, turn: lastTurn } };
  }
}
