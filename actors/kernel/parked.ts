/** Sessions without an instance: as plain pages (swapped out, soon back) or packed (parked, small). */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Pristine } from './guest.ts';
import { blendPages, type Pages } from './pages.ts';

export type Parked = { pages: Pages } | { packed: Uint8Array; indices: number[] };

/** Blended with the pristine heap and deflated: some KB instead of some 100. */
export function packParked(parked: Parked, pristine: Pristine): Parked {
  if ('packed' in parked) return parked;
  const packed = deflateRawSync(blendPages(parked.pages, pristine).bytes, { level: 1 });
  // A copy of its own: zlib's result is a view of a larger buffer.
  return { packed: new Uint8Array(packed), indices: parked.pages.indices };
}

export function unpackParked(parked: Parked, pristine: Pristine): Pages {
  if ('pages' in parked) return parked.pages;
  return blendPages({ indices: parked.indices, bytes: inflateRawSync(parked.packed) }, pristine);
}

export function parkedBytes(parked: Parked): number {
  return ('packed' in parked ? parked.packed : parked.pages.bytes).byteLength;
}
