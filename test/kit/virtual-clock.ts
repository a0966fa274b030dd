/** Time that only moves when a test moves it. */
import type { Clock } from '../../bus/port.ts';

export interface VirtualClock extends Clock {
  /** Moves time on, running what is due on the way, in order, with all promises settled in between. */
  advance(byMs: number): Promise<void>;
  /** Timers that are set. */
  readonly pending: number;
}

/** @param settle lets everything that can happen at this moment happen; default: promises */
export function makeVirtualClock(startMs = 1_700_000_000_000, settle = settlePromises): VirtualClock {
  let now = startMs;
  let next = 0;
  const timers = new Map<number, { at: number; callback: () => void }>();

  const earliest = (limit: number) => {
    let found: [number, { at: number; callback: () => void }] | undefined;
    for (const entry of timers) {
      if (entry[1].at <= limit && (!found || entry[1].at < found[1].at)) found = entry;
    }
    return found;
  };

  return {
    now: () => now,
    setTimer(callback, delayMs) {
      next += 1;
      const id = next;
      timers.set(id, { at: now + Math.max(0, delayMs), callback });
      return { cancel: () => void timers.delete(id) };
    },
    async advance(byMs) {
      const end = now + byMs;
      await settle();
      for (let due = earliest(end); due; due = earliest(end)) {
        timers.delete(due[0]);
        now = due[1].at;
        due[1].callback();
        await settle();
      }
      now = end;
    },
    get pending() {
      return timers.size;
    },
  };
}

/** Lets every promise that can settle do so. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
