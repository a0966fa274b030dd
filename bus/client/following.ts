/** Follows one session: shows what it prints while it prints it, and what is committed, each place once. */
import { decode } from '../codec.ts';
import { hasCode, RepriseError } from '../errors.ts';
import { livePrintedSchema } from '../live.ts';
import type { Bus, Clock } from '../port.ts';
import { parse } from '../schema.ts';
import { type Subjects, sessionToken } from '../subjects.ts';
import { type Shown, ShownSession } from './shown.ts';
import type { StorageCalls } from './storage-calls.ts';

export interface FollowingPorts {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  storage: Pick<StorageCalls, 'events'>;
}

/** After a failure to read, reading is tried again this much later, ms. */
const RETRY_MS = 500;
/** A session that is not there yet begins any moment: its first cell has been sent, perhaps. */
const ABSENT_MS = 50;

export class Following {
  readonly #ports: FollowingPorts;
  readonly #session: string;
  readonly #show: (shown: Shown) => void;
  readonly #shown: ShownSession;
  readonly #stop: () => void;
  #reading = new AbortController();
  #stopped = false;
  #waiting: { seq: number; done: (reached: boolean) => void }[] = [];

  /**
   * Begins at seq `from`, which may become known later: previews that come before are kept. `show` is called in order, and never after
   * `stop`.
   */
  constructor(
    ports: FollowingPorts,
    session: string,
    from: number | Promise<number>,
    show: (shown: Shown) => void,
  ) {
    this.#ports = ports;
    this.#session = session;
    this.#show = show;
    this.#shown = new ShownSession(typeof from === 'number' ? from : 0);
    const { bus, subjects } = ports;
    const previews = bus.subscribe(subjects.live(sessionToken(session)), ({ data }) => {
      try {
        this.#tell(this.#shown.preview(parse(livePrintedSchema, decode(data))));
      } catch (thrown) {
        // Whatever it was, it is no preview: the log says what there is to see.
        if (!hasCode(thrown, 'BAD_FORMAT')) throw thrown;
      }
    });
    // What was committed while the connection was down is read at once.
    const stopListening = bus.onConnection((connected) => connected && this.#readAnew());
    this.#stop = () => {
      previews.unsubscribe();
      stopListening();
    };
    if (typeof from === 'number') void this.#read();
    else {
      from.then(
        (seq) => {
          this.#shown.beginAt(seq);
          return this.#read();
        },
        () => this.stop(),
      );
    }
  }

  /** seq of the next event to be shown. */
  get next(): number {
    return this.#shown.next;
  }

  /** Goes on at `seq`: what comes before has been shown by other means. */
  skipTo(seq: number): void {
    const isBack = seq < this.#shown.next;
    this.#shown.skipTo(seq);
    // What is on its way from a place before it says nothing any more.
    if (isBack) this.#readAnew();
    this.#wake();
  }

  /** Resolves once everything up to event `seq` has been shown; false when that is not so within `waitMs`. */
  through(seq: number, waitMs: number): Promise<boolean> {
    if (this.#shown.next > seq) return Promise.resolve(true);
    if (this.#stopped) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = (reached: boolean) => {
        timer.cancel();
        this.#waiting = this.#waiting.filter((one) => one.done !== done);
        resolve(reached);
      };
      const timer = this.#ports.clock.setTimer(() => done(false), waitMs);
      this.#waiting.push({ seq, done });
    });
  }

  /** Shows nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#stop();
    this.#reading.abort();
    for (const { done } of this.#waiting) done(false);
  }

  /** Reads the log for as long as the session is followed; previews go between its events. */
  async #read(): Promise<void> {
    const { storage, clock } = this.#ports;
    while (!this.#stopped) {
      const { signal } = this.#reading;
      let pauseMs = RETRY_MS;
      try {
        for await (const event of storage.events(this.#session, { from: this.next, follow: true, signal })) {
          if (signal.aborted) break;
          this.#tell(this.#shown.event(event));
          this.#wake();
        }
        // A session that has ended has no more to show, unless another one takes its name.
        if (!signal.aborted) return;
      } catch (thrown) {
        const { code, retryable } = RepriseError.from(thrown);
        if (!retryable && code !== 'NOT_FOUND') return this.stop();
        if (code === 'NOT_FOUND' && this.next === 0) pauseMs = ABSENT_MS;
      }
      if (!signal.aborted) await new Promise<void>((resolve) => clock.setTimer(resolve, pauseMs));
    }
  }

  #readAnew(): void {
    if (this.#stopped) return;
    this.#reading.abort();
    this.#reading = new AbortController();
  }

  #tell(shown: Shown[]): void {
    for (const one of shown) if (!this.#stopped) this.#show(one);
  }

  #wake(): void {
    for (const { seq, done } of this.#waiting) if (this.#shown.next > seq) done(true);
  }
}
