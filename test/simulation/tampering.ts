/** Harm that somebody does to the log of a session, past everything that guards it. */

import { encode } from '../../bus/codec.ts';
import type { Kept } from '../../storage/memory-log.ts';
import { between, pick, type Random } from './random.ts';

/** A log: what is kept of the session, oldest first, and the position of what would come next. */
export interface Torn {
  kept: Kept[];
  next: number;
  /** What is kept of another session. */
  other: Kept[];
}

export interface Harm {
  /** Whom it stops: every worker, one that has to read the newest commit, or only those that read so far back. */
  stops: 'all' | 'readers' | 'some';
  /** Whether the links between the commits tell it, without reading all that is in them. */
  links: boolean;
  do(torn: Torn, random: Random): Kept[];
}

/** What is put at the end. The server keeps what the forger expected, and takes nothing but the truth, or nothing. */
function forged({ kept, next }: Torn, random: Random, bytes: Uint8Array): Kept[] {
  return [...kept, { position: next, expected: pick(random, [null, kept.at(-1)!.position]), bytes }];
}

const without = (kept: Kept[], index: number) => kept.filter((_, at) => at !== index);

/** For logs of three commits and more. */
export const HARMS = {
  again: {
    stops: 'all',
    links: true,
    do(torn, random) {
      return forged(torn, random, torn.kept[between(random, 0, torn.kept.length - 2)]!.bytes!);
    },
  },
  beheaded: {
    stops: 'all',
    links: true,
    do: ({ kept }, random) => kept.slice(0, between(random, 1, kept.length - 1)),
  },
  foreign: {
    stops: 'all',
    links: true,
    do(torn, random) {
      return forged(torn, random, pick(random, torn.other).bytes!);
    },
  },
  junk: {
    stops: 'all',
    links: true,
    do(torn, random) {
      const bytes = pick(random, [new Uint8Array(0), encode({ hello: 'world' }), encode(null), encode([1])]);
      return forged(torn, random, bytes);
    },
  },
  hole: {
    stops: 'some',
    links: true,
    do: ({ kept }, random) => without(kept, between(random, 0, kept.length - 2)),
  },
  swapped: {
    stops: 'some',
    links: false,
    do({ kept }, random) {
      const at = between(random, 0, kept.length - 3);
      const [one, two] = [kept[at]!, kept[at + 1]!];
      return kept.with(at, { ...one, bytes: two.bytes }).with(at + 1, { ...two, bytes: one.bytes });
    },
  },
  garbled: {
    stops: 'some',
    links: false,
    do({ kept }, random) {
      const at = between(random, 0, kept.length - 2);
      return kept.with(at, { ...kept[at]!, bytes: flipped(kept[at]!.bytes!, random) });
    },
  },
  garbledEnd: {
    stops: 'readers',
    links: false,
    do: ({ kept }, random) => [
      ...kept.slice(0, -1),
      { ...kept.at(-1)!, bytes: flipped(kept.at(-1)!.bytes!, random) },
    ],
  },
} satisfies Record<string, Harm>;

/** With one bit other than it was. */
function flipped(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = between(random, 0, copy.length - 1);
  copy[at] = copy[at]! ^ (1 << between(random, 0, 7));
  return copy;
}
