/** Event family: effects, from request to answer. */

import { TURN_COST_MS } from './fold-cells.ts';
import type { EventHandler, OpenEffect, SessionFold } from './fold-shape.ts';

type Effects = {
  llm_req: EventHandler<'llm_req'>;
  llm_resp: EventHandler<'llm_resp'>;
  effect_req: EventHandler<'effect_req'>;
  effect_resp: EventHandler<'effect_resp'>;
  effect_cancel: EventHandler<'effect_cancel'>;
};

export const effectEvents: Effects = {
  llm_req: (fold, event) =>
    opened(fold, {
      effect: event.effect ?? event.seq,
      kind: 'llm',
      seq: event.seq,
      payload: event.request ?? { prompt: event.prompt },
      receiptKey: event.receiptKey,
    }),

  llm_resp: (fold, event) => {
    const byKey = fold.effects.find((open) => open.receiptKey === event.receiptKey);
    return answered(fold, event.effect ?? byKey?.effect ?? -1, event.seq);
  },

  effect_req: (fold, event) =>
    opened(fold, { effect: event.effect, kind: event.kind, seq: event.seq, payload: event.payload }),

  effect_resp: (fold, event) => answered(fold, event.effect, event.seq),

  effect_cancel: (fold, event) => ({ effects: fold.effects.filter((open) => open.effect !== event.effect) }),
};

function opened(fold: SessionFold, effect: OpenEffect): Partial<SessionFold> {
  return { effects: [...fold.effects, effect] };
}

function answered(fold: SessionFold, effect: number, seq: number): Partial<SessionFold> {
  return {
    effects: fold.effects.filter((open) => open.effect !== effect),
    running: fold.running && { ...fold.running, turnAt: seq },
    replayCostMs: fold.replayCostMs + TURN_COST_MS,
  };
}
