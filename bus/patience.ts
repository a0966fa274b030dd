/** Patience of one request: how long to go on, when to pause, when to give up. */
import { hasCode, mayPass, RepriseError } from './errors.ts';
import type { Bus, Clock } from './port.ts';

const PAUSE_FIRST_MS = 5;
const PAUSE_MAX_MS = 250;

export class Patience {
  readonly signal: AbortSignal | undefined;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #late: 'TIMEOUT' | 'UNAVAILABLE';
  readonly #deadline: number;
  #pauses = 0;

  /** @param options.late code of the error when the time is over; default TIMEOUT */
  constructor(
    bus: Bus,
    clock: Clock,
    options: { waitMs: number; signal?: AbortSignal; late?: 'TIMEOUT' | 'UNAVAILABLE' },
  ) {
    this.#bus = bus;
    this.#clock = clock;
    this.#waitMs = options.waitMs;
    this.#late = options.late ?? 'TIMEOUT';
    this.#deadline = clock.now() + options.waitMs;
    this.signal = options.signal;
    this.signal?.throwIfAborted();
  }

  get leftMs(): number {
    return Math.max(0, this.#deadline - this.#clock.now());
  }

  /**
   * Returns when asking again makes sense.
   * @throws what was thrown, when it will not pass; RepriseError TIMEOUT or UNAVAILABLE when the time is over.
   */
  assertWorthwhile(thrown: unknown, what: string): void {
    this.signal?.throwIfAborted();
    if (!mayPass(thrown)) throw thrown;
    if (this.leftMs > 0) return;
    const why = thrown.code === 'TIMEOUT' ? '' : `: ${thrown.message}`;
    throw new RepriseError(this.#late, `${what} gave no answer in ${this.#waitMs / 1000} s${why}`, {
      cause: thrown,
      hint: 'retry (a command: with the same id, then it is executed once); `reprise status` shows what runs',
    });
  }

  /** Waits before the next try: until the bus is connected again, else a little longer every time. */
  async pause(thrown: unknown): Promise<void> {
    if (hasCode(thrown, 'DISCONNECTED') && !this.#bus.connected) {
      await this.#wait(this.leftMs, (wake) => this.#bus.onConnection((connected) => connected && wake()));
      return;
    }
    const delayMs = Math.min(PAUSE_FIRST_MS * 2 ** this.#pauses, PAUSE_MAX_MS, this.leftMs);
    this.#pauses += 1;
    await this.#wait(delayMs, () => () => {});
  }

  /** Ends after `delayMs`, on abort, or when `listen` calls `wake`, whichever is first. */
  #wait(delayMs: number, listen: (wake: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer?.cancel();
        stop();
        this.signal?.removeEventListener('abort', wake);
        resolve();
      };
      const timer = Number.isFinite(delayMs) ? this.#clock.setTimer(wake, delayMs) : undefined;
      const stop = listen(wake);
      this.signal?.addEventListener('abort', wake, { once: true });
    });
  }
}
