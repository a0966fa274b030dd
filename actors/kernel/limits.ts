import { CELL_BYTES_MAX, HEAP_BYTES_MAX, OUTPUT_BYTES_MAX, OUTPUT_PIECES_MAX } from '../../bus/limits.ts';

/**
 * Limits of the sandbox. Those in `KernelLimits` decide what a cell's outcome is, so they are part of the
 * kernel's version: another value is another kernel.
 */
export interface KernelLimits {
  /** Cap of an instance's memory, bytes (a multiple of 64 KiB). Includes ~5 MiB of stack and static data. */
  memoryBytes: number;
  /** Interrupt callbacks a turn may take; one is 10,000 steps of the interpreter, about 0.1-0.2 ms. */
  fuel: number;
  /** UTF-8 bytes of console output a turn may keep. */
  outputBytes: number;
  /** Pieces of console output a turn may keep: lines of one console method in a row are one. */
  outputPieces: number;
  /** UTF-8 bytes of a cell's code. */
  cellBytes: number;
  /** Bytes of the interpreter's stack: about 13,000 plain calls. */
  stackBytes: number;
}

export const DEFAULT_LIMITS: KernelLimits = {
  memoryBytes: HEAP_BYTES_MAX,
  fuel: 4_000_000,
  outputBytes: OUTPUT_BYTES_MAX,
  outputPieces: OUTPUT_PIECES_MAX,
  cellBytes: CELL_BYTES_MAX,
  stackBytes: 2 * 1024 * 1024,
};

/**
 * Stack of a kernel thread, MB. Each byte of the interpreter's stack costs up to 32 of V8's (baseline compiled
 * wasm, nested parentheses, measured), and V8's must never run out first: its limit is not deterministic.
 */
export const THREAD_STACK_MB = 128;

/** Space for young objects of a kernel thread, MB: it makes few, and what it is given it keeps. */
export const THREAD_YOUNG_MB = 16;

/** Wall-clock budget of a turn that names none, ms. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Callbacks that one of our own bookkeeping calls may take before the heap counts as unusable. */
export const BOOKKEEPING_FUEL = 2_000;

/** Jobs that are killed after a strike before the heap counts as unusable. */
export const KILLED_JOBS = 1_000_000;

/** Callbacks that one look may take: 100 ms of the guest's time, or a little more. */
export const LOOKING_FUEL = 600;

/** Callbacks that one variable of a look may take; half as many after each that took more, down to the least. */
export const VARIABLE_FUEL = 150;
export const VARIABLE_FUEL_MIN = 4;
