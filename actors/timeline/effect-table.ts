/**
 * The open effects of a session, by number. Immutable, in chunks that a change shares with the table before it: so one
 * of ten thousand timers costs as little as one of ten. Pure.
 */
import type { OpenEffect } from '../effects/kind.ts';
import { dueOf } from '../effects/kinds.ts';

interface Chunk {
  /** Ascending by number; numbers of one chunk are below those of the next. */
  readonly effects: readonly OpenEffect[];
  /** When the earliest of those is due that end by themselves, ms since the epoch. */
  readonly wakeAt: number;
  /** All of them do. */
  readonly dueOnly: boolean;
}

const CHUNK_MAX = 64;
const NEVER = Number.POSITIVE_INFINITY;

export class EffectTable implements Iterable<OpenEffect> {
  readonly #chunks: readonly Chunk[];
  readonly size: number;

  private constructor(chunks: readonly Chunk[], size: number) {
    this.#chunks = chunks;
    this.size = size;
  }

  static readonly empty = new EffectTable([], 0);

  static from(effects: Iterable<OpenEffect>): EffectTable {
    const sorted = [...effects].sort((a, b) => a.effect - b.effect);
    const chunks: Chunk[] = [];
    for (let at = 0; at < sorted.length; at += CHUNK_MAX)
      chunks.push(chunkOf(sorted.slice(at, at + CHUNK_MAX)));
    return new EffectTable(chunks, sorted.length);
  }

  /** In ascending order of their numbers. */
  *[Symbol.iterator](): Iterator<OpenEffect> {
    for (const { effects } of this.#chunks) yield* effects;
  }

  get(effect: number): OpenEffect | undefined {
    const effects = this.#chunks[this.#chunkAt(effect)]?.effects ?? [];
    const found = effects[indexIn(effects, effect)];
    return found?.effect === effect ? found : undefined;
  }

  with(open: OpenEffect): EffectTable {
    const at = Math.min(this.#chunkAt(open.effect), this.#chunks.length - 1);
    const { effects } = this.#chunks[at] ?? { effects: [] };
    const place = indexIn(effects, open.effect);
    const isKnown = effects[place]?.effect === open.effect;
    const more = effects.toSpliced(place, isKnown ? 1 : 0, open);
    const size = this.size + (isKnown ? 0 : 1);
    if (more.length <= CHUNK_MAX) return this.#replaced(at, [chunkOf(more)], size);
    // What comes last, as it mostly does, leaves a full chunk behind.
    const cut = place === effects.length ? CHUNK_MAX : CHUNK_MAX / 2;
    return this.#replaced(at, [chunkOf(more.slice(0, cut)), chunkOf(more.slice(cut))], size);
  }

  /** The same table when it is not open. */
  without(effect: number): EffectTable {
    const at = this.#chunkAt(effect);
    const { effects } = this.#chunks[at] ?? { effects: [] };
    const place = indexIn(effects, effect);
    if (effects[place]?.effect !== effect) return this;
    const rest = effects.toSpliced(place, 1);
    return this.#replaced(at, rest.length === 0 ? [] : [chunkOf(rest)], this.size - 1);
  }

  where(isWanted: (open: OpenEffect) => boolean): EffectTable {
    return EffectTable.from([...this].filter(isWanted));
  }

  /** When the earliest effect is due that ends by itself, ms since the epoch. */
  get wakeAt(): number | undefined {
    const earliest = this.#chunks.reduce((least, { wakeAt }) => Math.min(least, wakeAt), NEVER);
    return earliest === NEVER ? undefined : earliest;
  }

  /** Whether all of them end by themselves. */
  get dueOnly(): boolean {
    return this.#chunks.every(({ dueOnly }) => dueOnly);
  }

  /** What is open here and not in `before`, and the other way round; at a cost of what differs. */
  changedSince(before: EffectTable): { opened: OpenEffect[]; gone: number[] } {
    const [old, now] = [new Set(before.#chunks), new Set(this.#chunks)];
    const opened = this.#chunks.filter((chunk) => !old.has(chunk)).flatMap(({ effects }) => effects);
    const left = before.#chunks.filter((chunk) => !now.has(chunk)).flatMap(({ effects }) => effects);
    return {
      opened: opened.filter(({ effect }) => before.get(effect) === undefined),
      gone: left.filter(({ effect }) => this.get(effect) === undefined).map(({ effect }) => effect),
    };
  }

  /** Index of the first chunk whose last number is not below `effect`. */
  #chunkAt(effect: number): number {
    return firstIndex(this.#chunks.length, (at) => this.#chunks[at]!.effects.at(-1)!.effect >= effect);
  }

  #replaced(at: number, chunks: Chunk[], size: number): EffectTable {
    return new EffectTable(this.#chunks.toSpliced(at, 1, ...chunks), size);
  }
}

function chunkOf(effects: readonly OpenEffect[]): Chunk {
  let wakeAt = NEVER;
  let dueOnly = true;
  for (const open of effects) {
    const dueMs = dueOf(open);
    if (dueMs === undefined) dueOnly = false;
    else wakeAt = Math.min(wakeAt, dueMs);
  }
  return { effects, wakeAt, dueOnly };
}

/** Where `effect` is or belongs in an ascending list. */
function indexIn(effects: readonly OpenEffect[], effect: number): number {
  return firstIndex(effects.length, (at) => effects[at]!.effect >= effect);
}

/** The first of `length` indices for which `holds`, as it does for all after it; `length` when there is none. */
function firstIndex(length: number, holds: (at: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
