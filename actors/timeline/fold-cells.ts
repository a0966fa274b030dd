/** Event family: cells, from their input to the one event that ends them. */
import { endsCell } from '../../bus/command-events.ts';
import { addCommand } from './command-index.ts';
import type { EventHandler, SessionFold } from './fold-shape.ts';

type Cells = {
  input: EventHandler<'input'>;
  output: EventHandler<'output'>;
  error: EventHandler<'error'>;
  interrupt: EventHandler<'interrupt'>;
};

/** What one turn costs a replay beside the guest's own time, ms (measured: thread hop, compile, eval). */
export const TURN_COST_MS = 0.1;

export const cellEvents: Cells = {
  input: (fold, event) => {
    const commandId = event.commandId ?? `seq-${event.seq}`;
    return {
      cells: fold.cells + 1,
      commands: addCommand(fold.commands, commandId, Date.parse(event.timestamp) || undefined),
      running: {
        cell: event.cell ?? fold.cells + 1,
        seq: event.seq,
        commandId,
        turnAt: event.seq,
        timeoutMs: event.timeoutMs,
      },
      backgroundTurns: 0,
      paused: false,
      warned: fold.warned.filter((limit) => limit !== 'background'),
      replayCostMs: fold.replayCostMs + TURN_COST_MS,
    };
  },

  output: (fold, event) => (endsCell(event) ? endCell(fold, event.durationMs ?? 0) : {}),

  error: (fold, event) => ({
    ...endCell(fold, event.durationMs ?? 0),
    // An undone turn asked for nothing, even where some of its requests were committed before it was undone.
    ...(event.rolledBack ? { effects: askedBefore(fold) } : {}),
  }),

  interrupt: () => ({}),
};

function endCell(fold: SessionFold, durationMs: number): Partial<SessionFold> {
  return { running: null, replayCostMs: fold.replayCostMs + durationMs };
}

function askedBefore({ effects, running }: SessionFold): SessionFold['effects'] {
  return running ? effects.where(({ seq }) => seq < running.turnAt) : effects;
}
