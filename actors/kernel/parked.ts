/** Sessions without an instance: as plain pages (swapped out, soon back) or packed (parked, small). */
import { inflateRawSync } from 'node:zlib';
import { deflate } from './deflate.ts';
import { decodeDelta, encodeDelta } from './delta.ts';
import type { Pristine } from './guest.ts';
import type { Pages } from './pages.ts';

/**
 * `packed` holds bytes as a latin-1 string: strings live in the collector's own heap, which it compacts. Thousands
 * of small buffers would pin the memory that passing ones leave between them.
 */
export type Parked = { pages: Pages } | { packed: string; indices: number[] };

/** As difference to the pristine heap, deflated: some KB instead of some 100. */
export function packParked(parked: Parked, pristine: Pristine): Parked {
  if ('packed' in parked) return parked;
  const packed = deflate(encodeDelta(parked.pages, pristine)).toString('latin1');
  return { packed, indices: parked.pages.indices };
}

export function unpackParked(parked: Parked, pristine: Pristine): Pages {
  if ('pages' in parked) return parked.pages;
  const delta = inflateRawSync(Buffer.from(parked.packed, 'latin1'));
  return decodeDelta(parked.indices, delta, pristine)!;
}

export function parkedBytes(parked: Parked): number {
  return 'packed' in parked ? parked.packed.length : parked.pages.bytes.byteLength;
}
