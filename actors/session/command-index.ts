/**
 * Which commands a session has already seen, in four bytes each: a hash says "perhaps" or "never". On
 * "perhaps" the log is asked. Append-only; copies share their words, so keeping an old fold costs nothing.
 */

import { fnv1a } from '../../bus/subjects.ts';

export interface CommandIndex {
  readonly words: Uint32Array;
  readonly length: number;
}

export const emptyCommandIndex: CommandIndex = { words: new Uint32Array(0), length: 0 };

/** Never 0, which marks a free slot. */
function hashOf(commandId: string): number {
  return fnv1a(commandId) || 1;
}

export function addCommand(index: CommandIndex, commandId: string): CommandIndex {
  const word = hashOf(commandId);
  const { words, length } = index;
  // Two folds may branch from one index (an append that was fenced): a free slot is taken only if unused.
  if (length < words.length && words[length] === 0) {
    words[length] = word;
    return { words, length: length + 1 };
  }
  const grown = new Uint32Array(Math.max(8, length * 2));
  grown.set(words.subarray(0, length));
  grown[length] = word;
  return { words: grown, length: length + 1 };
}

/** False: the command never ran here. True: it probably did. */
export function mayHaveCommand(index: CommandIndex, commandId: string): boolean {
  const at = index.words.subarray(0, index.length).indexOf(hashOf(commandId));
  return at >= 0;
}

/** Little-endian bytes for storage. */
export function packCommands(index: CommandIndex): Uint8Array {
  const bytes = new Uint8Array(index.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < index.length; i++) view.setUint32(i * 4, index.words[i]!, true);
  return bytes;
}

export function unpackCommands(bytes: Uint8Array): CommandIndex {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Math.floor(bytes.byteLength / 4);
  const words = new Uint32Array(length);
  for (let i = 0; i < length; i++) words[i] = view.getUint32(i * 4, true);
  return { words, length };
}
