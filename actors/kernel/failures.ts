/**
 * How the kernel ends a cell: the errors of its limits. The texts become part of the guest's heap (`_error`), so
 * they say nothing that a replay could not repeat.
 */
import { mebibytes } from '../../bus/limits.ts';
import type { KernelLimits } from './limits.ts';

export interface CellFailure {
  name: string;
  message: string;
  stack: string;
}

/** An error as the cell reports it. */
export function makeFailure(name: string, message: string): CellFailure {
  return { name, message, stack: `${name}: ${message}` };
}

export const FAILURES = {
  user: makeFailure('InterruptedError', 'The cell was interrupted.'),
  timeout: makeFailure(
    'TimeoutError',
    'The cell computed for longer than its time budget and was stopped; what it had assigned stays. Split the work, or ask for a longer timeout.',
  ),
  neverSettled: makeFailure(
    'NeverSettledError',
    'The cell awaits a promise that nothing can settle any more: no effect, timer or job is pending.',
  ),
  fuel: (limits: KernelLimits): CellFailure =>
    makeFailure(
      'FuelLimitError',
      `The cell took more than ${limits.fuel} x 10,000 steps and was stopped; what it had assigned stays. Split the work into several cells.`,
    ),
  memory: (limits: KernelLimits): CellFailure =>
    makeFailure(
      'MemoryLimitError',
      `The session needs more than its ${mebibytes(limits.memoryBytes)} of memory. The cell was undone; free large values or work in smaller parts.`,
    ),
  cellSize: (limits: KernelLimits): CellFailure =>
    makeFailure(
      'CellTooLargeError',
      `The cell is larger than ${mebibytes(limits.cellBytes)}. Split it, or load the data in parts.`,
    ),
  trap: (what: string): CellFailure =>
    makeFailure('KernelError', `The interpreter failed (${what}). The cell was undone.`),
};
