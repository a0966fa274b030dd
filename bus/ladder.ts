/**
 * The skip list of a session's checkpoints. Checkpoints are numbered from 1, and each names, for every power of two,
 * the newest one before it whose number that power divides: so the newest checkpoint at or before any event of a long
 * log is found in a logarithmic number of reads. Pure.
 *
 * What they name is a ladder: newest first, each rung divisible by a higher power of two than the one before it.
 */

/** Where a checkpoint is: its number, the seq of its event, the log position of its commit. */
export interface Rung {
  number: number;
  seq: number;
  position: number;
}

export type Ladder = readonly Rung[];

/** The ladder of the checkpoint that comes after `newest`, whose own ladder is `before`. */
export function climbed(before: Ladder, newest: Rung): Rung[] {
  const power = powerOf(newest.number);
  return [newest, ...before.filter((rung) => powerOf(rung.number) > power)];
}

/**
 * The next checkpoint to look at on the way down to the newest one at or before `seq`: the farthest that is still
 * behind it, else the one before. undefined: there is none.
 */
export function rungTowards(ladder: Ladder, seq: number): Rung | undefined {
  return ladder.findLast((rung) => rung.seq > seq) ?? ladder[0];
}

/** What is wrong with a ladder, seen alone; null: nothing. */
export function ladderFault(ladder: Ladder): string | null {
  for (const [index, rung] of ladder.entries()) {
    const newer = ladder[index - 1];
    if (!newer) continue;
    const falls = rung.number < newer.number && rung.seq < newer.seq && rung.position < newer.position;
    if (!falls || powerOf(rung.number) <= powerOf(newer.number)) return 'its rungs are out of order';
  }
  return null;
}

/** The highest power of two that divides a number. */
function powerOf(number: number): number {
  let power = 1;
  while (number > 0 && number % (power * 2) === 0) power *= 2;
  return power;
}
