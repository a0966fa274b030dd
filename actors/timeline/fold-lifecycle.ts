/** Event family: the session's own life. */
import { climbed, type Ladder } from '../../bus/ladder.ts';
import { sessionToken } from '../../bus/subjects.ts';
import { EffectTable } from './effect-table.ts';
import type { EventHandler, SessionFold } from './fold-shape.ts';

type Lifecycle = {
  session: EventHandler<'session'>;
  checkpoint: EventHandler<'checkpoint'>;
  fork: EventHandler<'fork'>;
  closed: EventHandler<'closed'>;
};

export const lifecycleEvents: Lifecycle = {
  session: (_fold, event) => ({
    id: event.id,
    created: event.created,
    seed: event.seed ?? event.origin ?? event.id,
    version: event.version ?? 1,
  }),

  checkpoint: (fold, event) => ({
    checkpointCount: fold.checkpointCount + 1,
    checkpoint: { seq: event.seq, stateId: event.stateId },
    ladder: ladderAfter(fold),
    replayCostMs: 0,
  }),

  fork: (fold, { id, name, timestamp, parent, asked = [], copied }) =>
    copied
      ? {}
      : {
          id,
          name,
          token: sessionToken(name),
          created: timestamp,
          parent,
          effects: asked.reduce((effects, { effect, receiptKey }) => {
            const open = effects.get(effect);
            return open ? effects.with({ ...open, receiptKey }) : effects;
          }, fold.effects),
        },

  // A closed session waits for nothing: what was pending is given up.
  closed: () => ({ closed: true, running: null, effects: EffectTable.empty }),
};

/** The ladder of the checkpoint that is about to be taken. */
function ladderAfter({ checkpoint, checkpointCount: number, ladder }: SessionFold): Ladder {
  if (checkpoint?.position === undefined) return ladder;
  return climbed(ladder, { number, seq: checkpoint.seq, position: checkpoint.position });
}
