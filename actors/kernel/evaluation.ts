/**
 * Code that is run in a copy of a session, to look around there. Nothing leaves the copy, and nothing of it stays: what
 * the code asks of the world is refused by an error that it can catch.
 */

import type { Evaluated } from '../../bus/operations/looks.ts';
import type { KernelLimits } from './limits.ts';
import type { EvaluationStep, KernelStep, Turn } from './port.ts';
import type { Residency } from './residency.ts';
import { applyStep, type TurnControl } from './turn.ts';

/** Refusals after which the code is given up: it asks again and again. */
const REFUSED_MAX = 1_000;

const REFUSAL = {
  name: 'EffectRefusedError',
  message: 'nothing leaves a copy of a session: timers, models and other effects are refused there',
};
const STUCK = {
  name: 'EffectRefusedError',
  message: 'the code waits for something that the session was waiting for itself',
};

export interface EvaluationPlace {
  residency: Residency;
  session: string;
  limits: KernelLimits;
  control: TurnControl;
}

/** The copy is of no more use. Thrown, so that its instance is not used again. */
class Spoilt extends Error {}

/** Runs code as the next cell of a session. What it throws is a result. @throws as `applyStep` */
export function evaluateIn(place: EvaluationPlace, step: EvaluationStep): Evaluated {
  const { residency, session, limits, control } = place;
  const { pages, state: original } = residency.peek(session);
  const told: Evaluated = { output: '', stdout: '', stderr: '', error: null, refused: 0 };
  try {
    residency.withCopy(pages, (guest) => {
      const state = structuredClone(original);
      const apply = (next: KernelStep): Turn => {
        const turn = applyStep(guest, state, next, limits, control);
        note(told, turn);
        if (turn.poisoned) throw new Spoilt();
        return turn;
      };
      const { cell, code, timeMs, timeoutMs } = step;
      let { seq } = step;
      let turn = apply({ type: 'input', seq, timeMs, cell, code, timeoutMs });
      const waiting: number[] = [];
      for (;;) {
        for (const { effect } of turn.requests) waiting.push(effect);
        const effect = waiting.shift();
        if (turn.status !== 'waiting' || effect === undefined) break;
        told.refused += 1;
        seq += 1;
        turn =
          told.refused > REFUSED_MAX
            ? apply({ type: 'abandon', seq, timeMs, reason: 'timeout' })
            : apply({ type: 'answer', seq, timeMs, effect, error: REFUSAL, timeoutMs });
      }
      if (turn.status === 'waiting') told.error = { ...STUCK, stack: `${STUCK.name}: ${STUCK.message}` };
    });
  } catch (thrown) {
    if (!(thrown instanceof Spoilt)) throw thrown;
  }
  return told;
}

function note(told: Evaluated, turn: Turn): void {
  for (const { stream, text } of turn.outputs) told[stream] += `${text}\n`;
  if (turn.error) told.error = turn.error;
  else if (turn.result && turn.status === 'done') told.output = turn.result.text;
}
