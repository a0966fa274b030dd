/**
 * Gives memory back to the system when it is quiet. The collector of an idle thread has no reason of its own to run:
 * what was let go stays until somebody makes new garbage. So it is asked to run, once nothing else does.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const QUIET_MS = 150;

export interface ReclaimOptions {
  /** Counts what the thread is asked for: a collection waits until it stands still. */
  served(): number;
  /** Things let go that are worth a collection. */
  worth: number;
  /** Default: a full garbage collection of this thread. */
  collect?(): void;
}

/** @returns to be called with the number of things that were let go */
export function makeReclaim({
  served,
  worth,
  collect = collectGarbage,
}: ReclaimOptions): (letGo: number) => void {
  let waiting = 0;
  let timer: NodeJS.Timeout | undefined;
  let seen = 0;
  const look = (): void => {
    if (served() !== seen) {
      wait();
      return;
    }
    timer = undefined;
    waiting = 0;
    collect();
  };
  const wait = (): void => {
    seen = served();
    timer = setTimeout(look, QUIET_MS).unref();
  };
  return (letGo) => {
    waiting += letGo;
    if (waiting >= worth && timer === undefined) wait();
  };
}

let gc: (() => void) | undefined;

function collectGarbage(): void {
  if (gc === undefined) {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc') as () => void;
  }
  gc();
}
