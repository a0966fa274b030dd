/**
 * A session's heap as the 4 KiB pages in which it differs from the pristine heap: taken out of an instance, put
 * into another, taken off again. Nothing here runs guest code or allocates in the guest.
 */
import type { Guest, Pristine } from './guest.ts';
import { ownBytes } from './scratch.ts';

export const PAGE = 4096;
const BLOCK = 16 * PAGE;
/** Static data ends well below; then comes the stack, of which only the upper end can be in use. */
export const STATIC_END = 3 * 65_536;
/** The interpreter checks its stack at calls; what a call takes before the check stays within this. */
const STACK_SLACK = 512 * 1024;

const ZEROS = Buffer.alloc(BLOCK);

export interface Pages {
  /** Page numbers, ascending. */
  indices: number[];
  /** The pages' bytes, in the same order. */
  bytes: Buffer;
}

/** Numbers of the pages that differ from the pristine heap, ascending. */
export function findChanged(guest: Guest, pristine: Pristine, stackBytes: number): number[] {
  const found: number[] = [];
  const memory = guest.instance.bytes;
  const stackStart = (guest.layout.stackTop - stackBytes - STACK_SLACK) & -PAGE;
  scan(memory, pristine.bytes, 0, Math.min(STATIC_END, stackStart), found);
  scan(memory, pristine.bytes, Math.max(STATIC_END, stackStart), guest.heapEnd, found);
  return found;
}

function scan(memory: Buffer, pristine: Buffer, from: number, to: number, found: number[]): void {
  for (let block = from; block < to; block += BLOCK) {
    const blockEnd = Math.min(block + BLOCK, to);
    if (equal(memory, pristine, block, blockEnd)) continue;
    for (let at = block; at < blockEnd; at += PAGE) {
      if (!equal(memory, pristine, at, Math.min(at + PAGE, blockEnd))) found.push(at / PAGE);
    }
  }
}

/** Beyond its end the pristine heap is zero. */
function equal(memory: Buffer, pristine: Buffer, from: number, to: number): boolean {
  const inside = Math.min(to, pristine.length);
  if (inside > from && memory.compare(pristine, from, inside, from, inside) !== 0) return false;
  const beyond = Math.max(from, inside);
  return beyond >= to || memory.compare(ZEROS, 0, to - beyond, beyond, to) === 0;
}

/** Copies the changed pages out. @param room gives the memory for them; default: memory of their own */
export function takePages(
  guest: Guest,
  pristine: Pristine,
  stackBytes: number,
  room: (bytes: number) => Buffer = ownBytes,
): Pages {
  const indices = findChanged(guest, pristine, stackBytes);
  const bytes = room(indices.length * PAGE);
  const memory = guest.instance.bytes;
  indices.forEach((index, at) => {
    memory.copy(bytes, at * PAGE, index * PAGE, (index + 1) * PAGE);
  });
  return { indices, bytes };
}

/** Bytes of heap in use by what the pages hold. */
export function heapBytesOf(pages: Pages, pristine: Pristine): number {
  const { heapEnd, stackTop } = pristine.layout;
  const at = pages.indices.indexOf(Math.floor(heapEnd / PAGE));
  const end =
    at < 0 ? pristine.bytes.readUInt32LE(heapEnd) : pages.bytes.readUInt32LE(at * PAGE + (heapEnd % PAGE));
  return end - stackTop;
}

/** Puts pages into a guest that holds the pristine heap. */
export function putPages(guest: Guest, pages: Pages): void {
  const last = pages.indices.at(-1);
  if (last !== undefined) guest.instance.reserve((last + 1) * PAGE);
  const memory = guest.instance.bytes;
  pages.indices.forEach((index, at) => {
    pages.bytes.copy(memory, index * PAGE, at * PAGE, (at + 1) * PAGE);
  });
}

/** Makes the named pages pristine again. */
export function resetPages(guest: Guest, pristine: Pristine, indices: readonly number[]): void {
  const memory = guest.instance.bytes;
  for (const index of indices) {
    const from = index * PAGE;
    const copied = from < pristine.bytes.length ? pristine.bytes.copy(memory, from, from, from + PAGE) : 0;
    if (copied < PAGE) memory.fill(0, from + copied, from + PAGE);
  }
}
