/**
 * Code that is run in a copy of a session, to look around there. Nothing leaves the copy: what the code asks of the
 * world is refused by an error that it can catch.
 */
import type { Evaluated } from '../../bus/operations/looks.ts';
import type { KernelHandle } from '../kernel/handle.ts';
import type { Turn } from '../kernel/port.ts';
import type { SessionFold } from './fold-shape.ts';

/** Refusals after which the code is given up: it asks again and again. */
const REFUSED_MAX = 1_000;

/**
 * Runs `code` as the next cell of a session on a kernel of its own, which is then of no more use.
 * @param timeoutMs wall-clock budget of each turn, ms
 * @throws RepriseError of the kernel; what the code throws is a result
 */
export async function evaluate(
  kernel: KernelHandle,
  fold: SessionFold,
  code: string,
  timeoutMs: number,
): Promise<Evaluated> {
  const { timeMs } = fold;
  let seq = fold.seq + 1;
  const told: Evaluated = { output: '', stdout: '', stderr: '', error: null, refused: 0 };
  let turn = await kernel.apply({ type: 'input', seq, timeMs, cell: fold.cells + 1, code, timeoutMs });
  const waiting: number[] = [];
  for (;;) {
    note(told, turn);
    for (const { effect } of turn.requests) waiting.push(effect);
    const effect = waiting.shift();
    if (turn.status !== 'waiting' || effect === undefined) break;
    told.refused += 1;
    if (told.refused > REFUSED_MAX) {
      seq += 1;
      turn = await kernel.apply({ type: 'abandon', seq, timeMs, reason: 'timeout' });
      continue;
    }
    seq += 1;
    turn = await kernel.apply({ type: 'answer', seq, timeMs, effect, error: REFUSAL, timeoutMs });
  }
  if (turn.status === 'waiting') told.error = { ...STUCK, stack: `${STUCK.name}: ${STUCK.message}` };
  return told;
}

const REFUSAL = {
  name: 'EffectRefusedError',
  message: 'nothing leaves a copy of a session: timers, models and other effects are refused there',
};
const STUCK = {
  name: 'EffectRefusedError',
  message: 'the code waits for something that the session was waiting for itself',
};

function note(told: Evaluated, turn: Turn): void {
  for (const { stream, text } of turn.outputs) told[stream] += `${text}\n`;
  if (turn.error) told.error = turn.error;
  else if (turn.result && turn.status === 'done') told.output = turn.result.text;
}
