/** Long work lets others go on: pings are answered meanwhile, so that nobody takes a busy process for a dead one. */
import { setImmediate as turn } from 'node:timers/promises';

/** Events between two breaths: about 50 ms of checking or comparing. */
const EVENTS = 16_384;

/** A function that is told how many events were done, and from time to time lets the process's loop turn. */
export function makeBreath(): (events: number) => Promise<void> | undefined {
  let done = 0;
  return (events) => {
    done += events;
    if (done < EVENTS) return undefined;
    done = 0;
    return turn();
  };
}
