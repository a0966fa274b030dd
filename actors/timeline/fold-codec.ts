/** The fold as bytes, stored in commits that carry a checkpoint. Its place in the log is left out. */
import { decode, encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { OpenEffect } from '../effects/kind.ts';
import { type PackedCommands, packCommands, unpackCommands } from './command-index.ts';
import { EffectTable } from './effect-table.ts';
import { emptyFold } from './fold.ts';
import type { SessionFold } from './fold-shape.ts';

const VERSION = 1;

export function encodeFold(fold: SessionFold): Uint8Array {
  const { log: _, token: __, commands, effects, ...rest } = fold;
  return encode({ v: VERSION, ...rest, effects: [...effects], ...packCommands(commands) });
}

/** @throws RepriseError CORRUPT when the bytes are not a fold of a known version. */
export function decodeFold(bytes: Uint8Array): SessionFold {
  const value = decoded(bytes);
  if (value?.v !== VERSION || typeof value.name !== 'string') {
    throw new RepriseError('CORRUPT', 'the checkpoint holds a session state of an unknown version', {
      hint: 'replay from seq 0 does not need it; upgrade this worker if the session was written by a newer one',
    });
  }
  const { v: _, commands, commandTimes, effects, ...rest } = value;
  if (!Array.isArray(effects) || !(commands instanceof Uint8Array)) throw unreadable();
  const unpacked = {
    effects: EffectTable.from(effects),
    commands: unpackCommands({ commands, commandTimes }),
  };
  // Older versions knew no annotations: the newest event was where the session stood.
  return { ...emptyFold(rest.name), ...rest, standsAt: rest.standsAt ?? rest.seq, ...unpacked };
}

type Encoded = { v: number; effects: OpenEffect[]; standsAt?: number } & PackedCommands &
  Omit<SessionFold, 'commands' | 'effects' | 'standsAt'>;

function decoded(bytes: Uint8Array): Encoded | null {
  try {
    return decode(bytes) as Encoded | null;
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause?: unknown): RepriseError {
  return new RepriseError('CORRUPT', 'the session state of the checkpoint cannot be read', { cause });
}
