/** Event family: effects, from request to answer. */

import type { OpenEffect } from '../effects/kind.ts';
import { openedBy } from '../effects/kinds.ts';
import { TURN_COST_MS } from './fold-cells.ts';
import type { EventHandler, SessionFold } from './fold-shape.ts';

type Effects = {
  llm_req: EventHandler<'llm_req'>;
  llm_resp: EventHandler<'llm_resp'>;
  effect_req: EventHandler<'effect_req'>;
  effect_resp: EventHandler<'effect_resp'>;
  effect_cancel: EventHandler<'effect_cancel'>;
  paused: EventHandler<'paused'>;
  warning: EventHandler<'warning'>;
};

export const effectEvents: Effects = {
  llm_req: (fold, event) => opened(fold, openedBy(event)),

  llm_resp: (fold, event) => {
    if (event.effect !== undefined) return answered(fold, event.effect, event.seq);
    const byKey = [...fold.effects].find((open) => open.receiptKey === event.receiptKey);
    return answered(fold, byKey?.effect ?? -1, event.seq);
  },

  effect_req: (fold, event) => opened(fold, openedBy(event)),

  effect_resp: (fold, event) => answered(fold, event.effect, event.seq),

  effect_cancel: (fold, event) => ({ effects: fold.effects.without(event.effect) }),

  paused: () => ({ paused: true }),

  warning: (fold, { limit }) => ({ warned: [...fold.warned, limit] }),
};

function opened(fold: SessionFold, effect: OpenEffect): Partial<SessionFold> {
  return { effects: fold.effects.with(effect) };
}

function answered(fold: SessionFold, effect: number, seq: number): Partial<SessionFold> {
  return {
    effects: fold.effects.without(effect),
    backgroundTurns: fold.backgroundTurns + (fold.running ? 0 : 1),
    running: fold.running && { ...fold.running, turnAt: seq },
    replayCostMs: fold.replayCostMs + TURN_COST_MS,
  };
}
