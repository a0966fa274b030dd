/**
 * The first turns of a new thread are 20 times slower than later ones: nothing of ours has been compiled yet. So an
 * idle thread runs some cells of no session, a few milliseconds at a time, before somebody's session needs it in a
 * hurry (after a crash of the worker that had it).
 */
import { BEHAVIOUR_VERSION } from './behaviours.ts';
import type { Residency } from './residency.ts';

/** No session is called so: names have no control characters. */
const NOBODY = '\u0000warm-up';
const ROUNDS = 25;
const CHUNK_MS = 4;
const PAUSE_MS = 3;
const FIRST_MS = 60;
/** How long to stay away when the thread is in use. */
const BUSY_MS = 50;

const CELLS = [
  'let x = 0',
  'x = x + 1',
  'const list = [1, 2, 3].map((n) => ({ n, name: `item ${n}` })); list',
  'class Point { constructor(x, y) { this.x = x; this.y = y; } length() { return Math.hypot(this.x, this.y); } }',
  'function twice(n) { return 2 * n; } console.log("warm", twice(x), new Map([[1, new Point(3, 4)]])); new Point(3, 4)',
  'await Promise.resolve(x); for (const { n } of list) x += n; x',
  'try { null.x } catch (error) { error.message }',
  'throw new TypeError("cold")',
];

/** Begins to warm the thread up. @param served counts what the thread is asked for */
export function warmUp(residency: Residency, served: () => number): void {
  const work = steps(residency);
  let seen = served();
  const go = (): void => {
    if (served() !== seen) {
      seen = served();
      again(BUSY_MS);
      return;
    }
    const end = performance.now() + CHUNK_MS;
    do {
      if (work.next().done) return;
    } while (performance.now() < end);
    again(PAUSE_MS);
  };
  const again = (delayMs: number): void => {
    setTimeout(go, delayMs).unref();
  };
  again(FIRST_MS);
}

function* steps(residency: Residency): Generator<void> {
  const control = { now: () => performance.now(), poll: () => false, breathe: () => undefined };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      residency.open(NOBODY, {
        boot: { sessionId: NOBODY, createdMs: 0, seed: String(round), version: BEHAVIOUR_VERSION },
      });
      for (const [at, code] of CELLS.entries()) {
        // Another comment: code that was compiled before is not compiled again.
        const step = {
          type: 'input',
          seq: at,
          timeMs: at,
          cell: at + 1,
          code: `${code} // ${round}`,
        } as const;
        residency.apply(NOBODY, step, control);
        yield;
      }
      const { bytes: image, stateId } = residency.capture(NOBODY);
      residency.open(NOBODY, { image, stateId });
      yield;
    }
  } finally {
    residency.drop(NOBODY);
  }
}
