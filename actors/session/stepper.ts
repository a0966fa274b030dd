/** Lets one thing at a time into the kernel and collects the events that follow, ready to be committed. */
import type { SessionEvent } from '../../bus/types.ts';
import { BEHAVIOUR_VERSION } from '../kernel/behaviours.ts';
import type { HeapImage, Printed, Strike, Turn } from '../kernel/port.ts';
import { seqOf } from '../timeline/fold.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { renumber, stepOf } from '../timeline/replay.ts';
import type { KernelSeat } from '../timeline/seat.ts';
import { hungTurn, isDerived } from '../timeline/turn.ts';
import { Batch } from './batch.ts';
import { entryEvent, isSpent, outcomeEvents } from './entry.ts';
import type { LogWriter } from './log-writer.ts';
import type { TurnMail } from './mailbox.ts';
import type { SessionPorts } from './ports.ts';
import { warningsOf } from './warnings.ts';

/** How long a session that is to be closed goes on computing, and then each further turn of it, ms. */
const CLOSE_GRACE_MS = 5_000;
const STRIKE_AGAIN_MS = 1_000;

export interface TurnOptions {
  /** Commits early what entered; absent: nothing is committed before the turn is over. */
  writer?: LogWriter;
  /** What the cell has computed before this turn, ms. */
  computedMs?: number;
  /** Where it is struck. */
  strike?: Strike;
}

type StepperPorts = Pick<SessionPorts, 'clock' | 'settings' | 'show' | 'newId'>;

export class Stepper {
  readonly #ports: StepperPorts;
  readonly #seat: KernelSeat;
  #kernelQueue: Promise<unknown> = Promise.resolve();
  #isStruck = false;

  constructor(ports: StepperPorts, seat: KernelSeat) {
    this.#ports = ports;
    this.#seat = seat;
  }

  /** The heap as it is now. */
  capture(): Promise<HeapImage> {
    return this.exclusive(() => this.#seat.kernel.capture());
  }

  /** Calls for one session never overlap in the kernel. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#kernelQueue.then(work, work);
    this.#kernelQueue = result.catch(() => undefined);
    return result;
  }

  /** Strikes the turn that runs or is about to. */
  strike(): void {
    this.#isStruck = true;
    this.#seat.interrupt();
  }

  /**
   * Strikes what computes until `end` settles: first when what was sent before it has had its time, then whatever
   * begins to compute for long.
   */
  strikeUntil(end: Promise<unknown>, isComputing: () => boolean): void {
    const strike = () => {
      if (isComputing()) this.strike();
      timer = this.#ports.clock.setTimer(strike, STRIKE_AGAIN_MS);
    };
    let timer = this.#ports.clock.setTimer(strike, CLOSE_GRACE_MS);
    const over = () => timer.cancel();
    end.then(over, over);
  }

  /** What was struck is over. */
  calm(): void {
    this.#isStruck = false;
  }

  /**
   * Adds to `batch` the event by which `mail` enters, and what the turn it begins leads to. A turn that takes
   * long has its entry committed meanwhile: it is then durable that it began, whoever dies.
   */
  async enter(mail: TurnMail, batch: Batch, options: TurnOptions): Promise<Turn> {
    const { clock } = this.#ports;
    if (batch.fold.seq < 0) await this.#begin(batch);
    batch.push(entryEvent(mail, batch.fold, batch.timestamp(clock)));
    return this.#run(batch.events.at(-1)!, batch, options);
  }

  /** Runs the turn that `event` began, the newest of the log: an owner before this one died over it. */
  resume(event: SessionEvent, batch: Batch, writer: LogWriter): Promise<Turn> {
    return this.#run(event, batch, { writer });
  }

  async #run(
    event: SessionEvent,
    batch: Batch,
    { writer, computedMs = 0, strike }: TurnOptions,
  ): Promise<Turn> {
    const { clock, settings, show } = this.#ports;
    const seat = this.#seat;
    const { name } = batch.fold;
    // Behind it may stand what is part of no turn: the log's newest event is not always the one that began this.
    const turnAt = seqOf(event);
    const step = stepOf(event, { timeMs: batch.fold.timeMs, fold: batch.fold, strike })!;
    let early: Promise<void> | null = null;
    const commitEarly = (): Promise<void> => {
      if (early) return early;
      early = writer ? writer.write(batch) : Promise.resolve();
      // The turn's outcome could no longer be committed: stop computing it.
      early.catch(() => seat.interrupt());
      return early;
    };
    const timer = clock.setTimer(commitEarly, settings.earlyCommitMs);
    const hear =
      show &&
      ((printed: Printed) => {
        commitEarly().then(
          () => show(name, { turn: turnAt, ...printed }),
          () => undefined,
        );
      });
    let turn: Turn;
    try {
      turn = await this.exclusive(() => {
        const applying = seat.kernel.apply(step, hear);
        if (this.#isStruck) seat.interrupt();
        return applying;
      });
    } catch (error) {
      const hung = hungTurn(error);
      if (!hung) throw error;
      turn = hung;
    } finally {
      timer.cancel();
      if (early) await early;
    }
    const durationMs = computedMs + turn.durationMs;
    const facts = { fold: batch.fold, turnAt, timestamp: batch.timestamp(clock), durationMs };
    const outcome = outcomeEvents(turn, facts);
    const last = turn.status === 'done' ? outcome.pop() : undefined;
    for (const event of outcome) batch.push(event);
    const { backgroundTurnsMax } = settings;
    const warnings = turn.poisoned
      ? []
      : warningsOf(turn, batch.fold, { timestamp: facts.timestamp, backgroundTurnsMax });
    for (const event of warnings) batch.push(event);
    if (last) batch.push({ ...last, seq: batch.next });
    if (isSpent(batch.fold, backgroundTurnsMax)) {
      const timestamp = batch.timestamp(clock);
      batch.push({
        type: 'paused',
        seq: batch.next,
        timestamp,
        turns: batch.fold.backgroundTurns,
        limit: backgroundTurnsMax,
      });
    }
    return turn;
  }

  /** The first event of a new session. */
  async #begin(batch: Batch): Promise<void> {
    const { clock, newId } = this.#ports;
    const created = batch.timestamp(clock);
    const [id, seed] = [newId(), newId()];
    const { name } = batch.fold;
    const version = BEHAVIOUR_VERSION;
    const { version: kernel } = this.#seat;
    const event = { type: 'session', version, seq: 0, id, created, name, seed, kernel } as const;
    batch.push(event);
    await this.#seat.boot(event);
  }

  /** What is left to commit of the last turn that a replay took: an owner before this one died over it. */
  leftover(fold: SessionFold, turn: Turn, leftover: readonly SessionEvent[]): Batch {
    const batch = new Batch(fold);
    const all = outcomeEvents(turn, {
      fold,
      turnAt: fold.running?.turnAt ?? fold.seq,
      timestamp: batch.timestamp(this.#ports.clock),
      durationMs: turn.durationMs,
    });
    // A large turn is several commits: the first of them may be in the log already.
    const committed = all.filter(isDerived).length - leftover.length;
    const rest = committed > 0 ? all.filter((event) => event.type !== 'interrupt').slice(committed) : all;
    for (const event of renumber(rest, batch.next)) batch.push(event);
    return batch;
  }
}
