/** Sessions without an instance: as plain pages (swapped out, soon back) or packed (parked, small). */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { decodeDelta, encodeDelta } from './delta.ts';
import type { Pristine } from './guest.ts';
import type { Pages } from './pages.ts';

export type Parked = { pages: Pages } | { packed: Uint8Array; indices: number[] };

/** As difference to the pristine heap, deflated: some KB instead of some 100. */
export function packParked(parked: Parked, pristine: Pristine): Parked {
  if ('packed' in parked) return parked;
  const packed = deflateRawSync(encodeDelta(parked.pages, pristine), { level: 1 });
  // A copy of its own: zlib's result is a view of a larger buffer.
  return { packed: new Uint8Array(packed), indices: parked.pages.indices };
}

export function unpackParked(parked: Parked, pristine: Pristine): Pages {
  if ('pages' in parked) return parked.pages;
  return decodeDelta(parked.indices, inflateRawSync(parked.packed), pristine)!;
}

export function parkedBytes(parked: Parked): number {
  return ('packed' in parked ? parked.packed : parked.pages.bytes).byteLength;
}
