/**
 * Which commands a session has seen lately, in four bytes each: a hash says "perhaps" or "never". On "perhaps" the log
 * is asked. Two blocks, the newer one growing: so the newest 2,048 to 4,096 commands are remembered, and neither a
 * command nor a checkpoint costs more the longer a session lives.
 *
 * Of the forgotten ones the newest time is kept that any of their ids carries: an id made after it was not among them.
 * Copies share their words, so keeping an old fold costs nothing.
 */

import { timeOfCommandId } from '../../bus/command-ids.ts';
import { fnv1a } from '../../bus/subjects.ts';

/** Commands of one block: as many as are remembered for certain. */
export const COMMANDS_REMEMBERED = 2_048;

interface Block {
  readonly words: Uint32Array;
  readonly length: number;
  /** Newest time in its ids, ms since the epoch; 0: none of them carries one. */
  readonly newestMs: number;
}

export interface CommandIndex {
  readonly older: Block;
  readonly newer: Block;
  /** Newest time in the ids that are in no block any more; 0: there are none that carry one. */
  readonly forgottenMs: number;
}

const NO_COMMANDS: Block = { words: new Uint32Array(0), length: 0, newestMs: 0 };
export const emptyCommandIndex: CommandIndex = { older: NO_COMMANDS, newer: NO_COMMANDS, forgottenMs: 0 };

/** Never 0, which marks a free slot. */
function hashOf(commandId: string): number {
  return fnv1a(commandId) || 1;
}

/**
 * @param atMs when it came: an id from the future, of a client whose clock is wrong, must not make those that are made
 * from now on look old
 */
export function addCommand(
  index: CommandIndex,
  commandId: string,
  atMs = Number.POSITIVE_INFINITY,
): CommandIndex {
  const madeMs = Math.min(timeOfCommandId(commandId) ?? 0, atMs);
  const added = addTo(index.newer, hashOf(commandId), madeMs);
  if (added.length < COMMANDS_REMEMBERED) return { ...index, newer: added };
  const forgottenMs = Math.max(index.forgottenMs, index.older.newestMs);
  return { older: added, newer: NO_COMMANDS, forgottenMs };
}

function addTo({ words, length, newestMs }: Block, word: number, timeMs: number): Block {
  const newest = Math.max(newestMs, timeMs);
  // Two folds may branch from one index (an append that was fenced): a free slot is taken only if unused.
  if (length < words.length && words[length] === 0) {
    words[length] = word;
    return { words, length: length + 1, newestMs: newest };
  }
  const grown = new Uint32Array(Math.min(COMMANDS_REMEMBERED, Math.max(8, length * 2)));
  grown.set(words.subarray(0, length));
  grown[length] = word;
  return { words: grown, length: length + 1, newestMs: newest };
}

/**
 * never: the command did not run here. perhaps: it is probably among the remembered ones. forgotten: it is none of
 * them, but was made when commands were that are forgotten. (An id without a time is remembered or never.)
 */
export function lookUpCommand(index: CommandIndex, commandId: string): 'never' | 'perhaps' | 'forgotten' {
  const word = hashOf(commandId);
  if (has(index.newer, word) || has(index.older, word)) return 'perhaps';
  const timeMs = timeOfCommandId(commandId);
  return timeMs !== null && timeMs <= index.forgottenMs ? 'forgotten' : 'never';
}

function has({ words, length }: Block, word: number): boolean {
  return words.subarray(0, length).indexOf(word) >= 0;
}

/** The index as it is stored: little-endian words, oldest first, and what is known beside them. */
export interface PackedCommands {
  commands: Uint8Array;
  commandTimes?: { older: number; olderMs: number; newerMs: number; forgottenMs: number };
}

export function packCommands({ older, newer, forgottenMs }: CommandIndex): PackedCommands {
  const commands = new Uint8Array((older.length + newer.length) * 4);
  const view = new DataView(commands.buffer);
  for (let i = 0; i < older.length; i++) view.setUint32(i * 4, older.words[i]!, true);
  for (let i = 0; i < newer.length; i++) view.setUint32((older.length + i) * 4, newer.words[i]!, true);
  const times = { older: older.length, olderMs: older.newestMs, newerMs: newer.newestMs, forgottenMs };
  return { commands, commandTimes: times };
}

/** Also of what older versions stored: the words of all commands, whose ids carried no times. */
export function unpackCommands({ commands, commandTimes }: PackedCommands): CommandIndex {
  const view = new DataView(commands.buffer, commands.byteOffset, commands.byteLength);
  const total = Math.floor(commands.byteLength / 4);
  const block = (from: number, to: number, newestMs: number): Block => {
    const words = Uint32Array.from({ length: to - from }, (_, i) => view.getUint32((from + i) * 4, true));
    return { words, length: words.length, newestMs };
  };
  if (commandTimes) {
    const { older, olderMs, newerMs, forgottenMs } = commandTimes;
    return { older: block(0, older, olderMs), newer: block(older, total, newerMs), forgottenMs };
  }
  const split = total - (total % COMMANDS_REMEMBERED);
  const first = Math.max(0, split - COMMANDS_REMEMBERED);
  return { older: block(first, split, 0), newer: block(split, total, 0), forgottenMs: 0 };
}
