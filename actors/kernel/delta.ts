/**
 * Pages as their difference to the pristine heap: what is stored, hashed and kept of parked sessions. Most changed
 * pages differ in a few words (counts, list links), so a page is written as a bitmap of its 64-byte lines and the
 * lines that differ, combined with the pristine ones by exclusive or.
 */
import type { Pristine } from './guest.ts';
import { PAGE, type Pages } from './pages.ts';
import { ownBytes, Scratch } from './scratch.ts';

const LINE_WORDS = 16;
const LINE_BYTES = LINE_WORDS * 4;
const PAGE_WORDS = PAGE / 4;
const BITMAP_WORDS = PAGE_WORDS / LINE_WORDS / 32;
/** What a page may take beyond its own size. */
export const BITMAP_BYTES = BITMAP_WORDS * 4;

const scratch = new Scratch();

/** Encodes pages. The same pages give the same bytes, which are valid until the next call. */
export function encodeDelta(pages: Pages, pristine: Pristine): Uint8Array {
  const from = words(pages.bytes);
  const base = words(pristine.bytes);
  const room = scratch.take(pages.indices.length * (BITMAP_BYTES + PAGE));
  const out = words(room);
  let end = 0;
  for (let at = 0; at < pages.indices.length; at++) {
    const bitmap = end;
    end += BITMAP_WORDS;
    out.fill(0, bitmap, end);
    const page = pages.indices[at]! * PAGE_WORDS;
    // Beyond its end the pristine heap is zero.
    const inside = page < base.length;
    for (let line = 0; line < PAGE_WORDS; line += LINE_WORDS) {
      let differs = 0;
      for (let word = line; word < line + LINE_WORDS; word++) {
        const delta = from[at * PAGE_WORDS + word]! ^ (inside ? base[page + word]! : 0);
        // What a line without a difference leaves is overwritten by the next one.
        out[end + word - line] = delta;
        differs |= delta;
      }
      if (differs === 0) continue;
      const number = line / LINE_WORDS;
      out[bitmap + (number >> 5)]! |= 1 << (number & 31);
      end += LINE_WORDS;
    }
  }
  return room.subarray(0, end * 4);
}

/** Undoes `encodeDelta`. @returns null when `delta` is not one of these pages */
export function decodeDelta(indices: number[], delta: Uint8Array, pristine: Pristine): Pages | null {
  if (delta.byteLength % 4 !== 0) return null;
  const from = words(delta);
  const base = words(pristine.bytes);
  const bytes = ownBytes(indices.length * PAGE);
  const out = words(bytes);
  let next = 0;
  for (const [at, index] of indices.entries()) {
    const bitmap = next;
    next += BITMAP_WORDS;
    if (next > from.length) return null;
    const target = at * PAGE_WORDS;
    out.set(base.subarray(index * PAGE_WORDS, (index + 1) * PAGE_WORDS), target);
    for (let number = 0; number < PAGE_WORDS / LINE_WORDS; number++) {
      if ((from[bitmap + (number >> 5)]! & (1 << (number & 31))) === 0) continue;
      if (next + LINE_WORDS > from.length) return null;
      for (let word = 0; word < LINE_WORDS; word++) {
        out[target + number * LINE_WORDS + word]! ^= from[next + word]!;
      }
      next += LINE_WORDS;
    }
  }
  return next === from.length ? { indices, bytes } : null;
}

/** The part of each page, by its number. @returns null when `delta` is not one of these pages */
export function deltaByPage(indices: readonly number[], delta: Uint8Array): Map<number, Uint8Array> | null {
  const parts = new Map<number, Uint8Array>();
  let next = 0;
  for (const index of indices) {
    const begin = next;
    next += BITMAP_BYTES;
    if (next > delta.length) return null;
    for (const byte of delta.subarray(begin, next)) next += LINE_BYTES * bitsOf(byte);
    if (next > delta.length) return null;
    parts.set(index, delta.subarray(begin, next));
  }
  return next === delta.length ? parts : null;
}

function bitsOf(byte: number): number {
  let count = 0;
  for (let left = byte; left !== 0; left &= left - 1) count++;
  return count;
}

function words(bytes: Uint8Array): Int32Array {
  if (bytes.byteOffset % 4 === 0) {
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  }
  return new Int32Array(new Uint8Array(bytes).buffer, 0, bytes.byteLength >> 2);
}
