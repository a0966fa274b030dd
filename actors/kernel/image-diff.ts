/** In which pages two heaps differ, told from their images alone: no kernel is needed. */
import { RepriseError } from '../../bus/errors.ts';
import { BITMAP_BYTES, deltaByPage } from './delta.ts';
import { readContent } from './image.ts';
import type { HeapImage } from './port.ts';

/** A heap image and the heap that it must be. */
export type NamedImage = Pick<HeapImage, 'bytes' | 'stateId'>;

export interface ImageDiff {
  /** Numbers of the 4 KiB pages that differ, ascending. */
  pages: number[];
  /** What the host keeps beside the heap (names of variables, number of cells, pending effects) differs. */
  state: boolean;
}

/**
 * Compares two heap images of one kernel version page by page.
 * @throws RepriseError CORRUPT when one is not the heap that it is named, BAD_REQUEST when they are of two kernel versions
 */
export function diffImages(left: NamedImage, right: NamedImage): ImageDiff {
  const [a, b] = [readContent(left.bytes, left.stateId), readContent(right.bytes, right.stateId)];
  if (a.header.kernel !== b.header.kernel) {
    throw new RepriseError('BAD_REQUEST', 'the images are of two kernel versions', {
      hint: 'heaps are comparable within one kernel version only',
    });
  }
  const [mine, others] = [partsOf(a), partsOf(b)];
  const pages = [...new Set([...mine.keys(), ...others.keys()])]
    .filter((index) => !isSame(mine.get(index) ?? NONE, others.get(index) ?? NONE))
    .sort((one, other) => one - other);
  return { pages, state: JSON.stringify(a.header.state) !== JSON.stringify(b.header.state) };
}

/** A page that does not differ from the pristine heap, as one would be written. */
const NONE = new Uint8Array(BITMAP_BYTES);

function partsOf({ indices, delta }: { indices: number[]; delta: Uint8Array }): Map<number, Uint8Array> {
  const parts = deltaByPage(indices, delta);
  if (parts === null) throw new RepriseError('CORRUPT', 'a heap image has not the pages that it says');
  return parts;
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
