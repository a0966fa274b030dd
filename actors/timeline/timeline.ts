/**
 * The one way to hold a session at any moment of its log: what the log holds up to there is read, and a kernel is
 * brought to where it leads. Activation, verification and every look at the past are callers of this.
 *
 * A moment is a prefix of the log and what follows from it. Of a turn that is under way at its last event, the events
 * so far have been told and the others have not: its heap is that of the whole turn, for a turn has no other.
 */

import { lastSeqOf } from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { Divergence } from '../../bus/operations/looks.ts';
import type { SessionEvent, StoredCommit } from '../../bus/types.ts';
import type { KernelHost } from '../kernel/port.ts';
import { applyCommit, emptyFold } from './fold.ts';
import type { SessionFold } from './fold-shape.ts';
import { endOfTurn, type Loaded, type LoadWish, loadLog, passOver } from './loading.ts';
import { evaluateAfter, Moment } from './moment.ts';
import type { Log, TimelineStore } from './ports.ts';
import { type ReplayOptions, replayEvents, watched } from './replay.ts';
import { KernelSeat } from './seat.ts';
import { wholeCommits } from './whole-commits.ts';

export interface TimelinePorts {
  store: TimelineStore;
  kernel: KernelHost;
  log: Log;
}

export interface OpenOptions extends Omit<LoadWish, 'passedOver'> {
  /** Compare the heap at every checkpoint, too, where this kernel wrote the log. */
  states?: boolean;
  /** What becomes of a turn whose outcome is not in the log. */
  unrecorded?: ReplayOptions['unrecorded'];
}

/** A turn that has just been executed. */
export interface TurnPlace {
  /** seq of the event that began it. */
  seq: number;
  evaluate: Moment['evaluate'];
}

export class Timeline {
  readonly #ports: TimelinePorts;

  constructor(ports: TimelinePorts) {
    this.#ports = ports;
  }

  /**
   * Holds a session as it was right after an event, on a scratch kernel; close it.
   * @param at seq of the event; absent: the newest
   * @throws RepriseError NOT_FOUND (no such session, no such event), CORRUPT, CHAIN_BROKEN, and what storage throws.
   * A divergence is a result: `moment.divergence`.
   */
  async openAt(session: string, at?: number, options: OpenOptions = {}): Promise<Moment> {
    const loaded = await this.load(session, { ...options, at });
    assertHolds(session, loaded, at);
    const seat = new KernelSeat(this.#ports.kernel, `${session} at ${at ?? 'its end'}`);
    try {
      const moment = await this.restore(loaded, seat, { unrecorded: 'limited', ...options, at });
      if (!moment.isStruck) return moment;
      return await this.restore(loaded, seat, { ...options, at, unrecorded: 'skipped' });
    } catch (error) {
      seat.leave();
      throw error;
    }
  }

  /** Does `work` at a moment, which is then closed. @throws RepriseError as `openAt`; DIVERGED */
  async visit<T>(session: string, at: number | undefined, work: (moment: Moment) => Promise<T>): Promise<T> {
    const moment = await this.openAt(session, at);
    try {
      if (moment.divergence) throw divergenceError(session, moment.divergence);
      return await work(moment);
    } finally {
      moment.close();
    }
  }

  /**
   * Executes a log from its first event and visits every turn, on a scratch kernel; ends when a visit says so.
   * @throws RepriseError as `openAt`; DIVERGED
   */
  async walk(session: string, visit: (place: TurnPlace) => Promise<'on' | 'end'>): Promise<void> {
    const loaded = await this.load(session, { fromStart: true });
    if (loaded.tail.length === 0) throw noSession(session);
    const seat = new KernelSeat(this.#ports.kernel, `${session} turn by turn`);
    const ended = new Error('the walk has ended');
    let cells = 0;
    const visited = watched(seat, async (step) => {
      if (step.type === 'input') cells = step.cell;
      const { seq, timeMs } = step;
      const evaluate: TurnPlace['evaluate'] = (code, timeoutMs) =>
        evaluateAfter(seat.kernel, { seq, cells, timeMs }, code, timeoutMs);
      if ((await visit({ seq, evaluate })) === 'end') throw ended;
    });
    try {
      const rules = { states: false, stacks: wroteAll(this.#ports.kernel.version, loaded.tail) };
      const { divergence } = await replayEvents(visited, loaded.fold, eventsOf(loaded.tail), rules);
      if (divergence) throw divergenceError(session, divergence);
    } catch (thrown) {
      if (thrown !== ended) throw thrown;
    } finally {
      seat.leave();
    }
  }

  /**
   * The first half of it: what the log holds, before any of it is executed. An event before what is wrong with a log
   * can be reached all the same, by way of all that comes before it.
   * @throws as `openAt`
   */
  async load(session: string, wish: LoadWish = {}): Promise<Loaded> {
    const { store, log, kernel } = this.#ports;
    try {
      return await loadLog(session, wish, { store, log, kernelVersion: kernel.version });
    } catch (error) {
      const { at } = wish;
      if (at === undefined || !hasCode(error, 'CORRUPT', 'CHAIN_BROKEN')) throw error;
      const { commits: tail } = await wholeCommits(session, store);
      const newest = tail.at(-1);
      if (!newest || lastSeqOf(newest.commit) < at) throw error;
      return { fold: emptyFold(session), image: null, checkpoint: null, tail, passedOver: [] };
    }
  }

  /**
   * The second half: brings the kernel of a seat to where the log leads. An image that is of no use is passed over.
   * @throws RepriseError as `openAt`
   */
  async restore(loaded: Loaded, seat: KernelSeat, options: OpenOptions = {}): Promise<Moment> {
    const { kernel, log } = this.#ports;
    const { fold, tail, image, passedOver } = loaded;
    const { at } = options;
    if (image) {
      try {
        await seat.open({ image: image.bytes, stateId: image.stateId });
      } catch (error) {
        if (!hasCode(error, 'CORRUPT')) throw error;
        const passed = passOver(fold.name, { position: fold.log.position, next: fold.seq + 1 }, error, log);
        const older = await this.load(fold.name, { at, passedOver: [...passedOver, passed] });
        return this.restore(older, seat, options);
      }
    }
    const all = eventsOf(tail);
    const events = at === undefined ? all : all.slice(0, endOfTurn(all, at));
    // Images of another kernel version differ by design; its events must still come out the same.
    const same = wroteAll(kernel.version, tail);
    const { states = false, unrecorded } = options;
    const goesOn = events.length < all.length;
    const rules = { states: same && states, stacks: same, until: at, unrecorded, goesOn };
    const result = await replayEvents(seat, fold, events, rules);
    return new Moment(
      { ...result, fold: placed(fold, tail, result.fold) },
      {
        seat,
        passedOver,
        events: fold.seq + 1 + all.length,
      },
    );
  }
}

/** Whether this version of the kernel has written all of the commits. */
export function wroteAll(kernelVersion: string, commits: readonly StoredCommit[]): boolean {
  return commits.every(({ commit }) => commit.kernel === kernelVersion);
}

/** The fold that replay gives, with the place in the log that stored commits tell. */
function placed(start: SessionFold, tail: readonly StoredCommit[], end: SessionFold): SessionFold {
  const whole = tail.filter(({ commit }) => lastSeqOf(commit) <= end.seq);
  const told = whole.reduce(applyCommit, start);
  return told.seq === end.seq ? told : { ...end, log: told.log, checkpoint: told.checkpoint };
}

function eventsOf(commits: readonly StoredCommit[]): SessionEvent[] {
  return commits.flatMap(({ commit }) => commit.events);
}

export function noSession(name: string): RepriseError {
  return new RepriseError('NOT_FOUND', `there is no session ${JSON.stringify(name)}`, {
    hint: '`reprise ls` lists the sessions; `reprise exec` creates one',
  });
}

/** seq of the newest event that was read. @throws RepriseError NOT_FOUND when there is no session, or no event `at` */
export function assertHolds(session: string, { fold, tail }: Loaded, at: number | undefined): number {
  const newest = tail.at(-1);
  const last = newest ? lastSeqOf(newest.commit) : fold.seq;
  if (last < 0) throw noSession(session);
  if (at !== undefined && at > last) throw noEvent(session, at, last);
  return last;
}

export function noEvent(name: string, seq: number, newest: number): RepriseError {
  return new RepriseError(
    'NOT_FOUND',
    `session ${JSON.stringify(name)} has no event ${seq}; its newest is ${newest}`,
    { hint: '`reprise log` shows the events with their numbers' },
  );
}

/** A divergence as an error, with both sides. */
export function divergenceError(name: string, { seq, kind, expected, actual }: Divergence): RepriseError {
  return new RepriseError(
    'DIVERGED',
    `session ${JSON.stringify(name)} diverges from its log at seq ${seq} (${kind}): the log says ${expected}, re-execution gives ${actual}`,
    {
      hint: `nothing was changed. \`reprise replay\` shows the difference, \`reprise show --at-last-good\` the state before it${seq > 0 ? `, \`reprise fork --at ${seq - 1}\` goes on from there` : ''}`,
    },
  );
}
