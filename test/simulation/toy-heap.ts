/** What a toy kernel holds of a session, and what its operations do to it. */
import type { BootParameters, KernelStep, Strike, Turn } from '../../actors/kernel/port.ts';

export type Op =
  | ['inc']
  | ['print', text: string]
  /** Waits for a timer. */
  | ['sleep', ms: number]
  /** Waits for a model. */
  | ['llm', prompt: string, delayMs: number]
  /** Waits for both. */
  | ['both', ms: number, prompt: string]
  /** Increments in the background. */
  | ['later', ms: number]
  /** Calls exit() in a timer's callback, whatever the cell does by then. */
  | ['exitLater', ms: number]
  | ['compute', ms: number]
  /** Computes; breaks the heap when it is struck meanwhile, so that the struck turn is also undone. */
  | ['fragile', ms: number]
  /** Prints pieces of CJK text on both streams in turn. */
  | ['flood', pieces: number, width: number]
  /** Waits for a model that repeats CJK text. */
  | ['recite', width: number]
  | ['throw', message: string]
  | ['exit']
  /** Breaks the heap: the turn is undone. */
  | ['poison']
  /** Hangs in a built-in until the watchdog comes. */
  | ['hang'];

export interface Heap {
  boot: BootParameters;
  n: number;
  cells: number;
  cell: number | null;
  ops: Op[];
  awaited: number[];
  background: number[];
  /** Of those in the background: whose callback calls exit(). */
  exits: number[];
  effects: number;
  heard: string[];
  timeMs: number;
}

export type Failure = { name: string; message: string; stack: string };

export class Poisoned extends Error {
  readonly strike: Strike | undefined;
  constructor(strike?: Strike) {
    super('poisoned');
    this.strike = strike;
  }
}

export const failureOf = (name: string, message: string): Failure => ({
  name,
  message,
  stack: `${name}: ${message}`,
});
export const ENDS = {
  user: failureOf('InterruptedError', 'interrupted'),
  timeout: failureOf('TimeoutError', 'out of time'),
};
export function freshHeap(boot: BootParameters): Heap {
  return {
    boot,
    n: 0,
    cells: 0,
    cell: null,
    ops: [],
    awaited: [],
    background: [],
    exits: [],
    effects: 0,
    heard: [],
    timeMs: boot.createdMs,
  };
}

/** Lets the step in; a step that failed is only written down. */
export function enter(heap: Heap, step: KernelStep, turn: Turn): void {
  if (step.type === 'input') {
    heap.cells += 1;
    heap.cell = step.cell;
    heap.ops = parseOps(step.code);
  } else if (step.type === 'answer') {
    if (heap.background.includes(step.effect)) {
      heap.background = heap.background.filter((one) => one !== step.effect);
      if (!step.failed) {
        heap.n += 1;
        turn.exit = heap.exits.includes(step.effect);
      }
    } else if (!heap.awaited.includes(step.effect)) {
      throw new Error(`nobody asked for effect ${step.effect}`);
    }
    heap.awaited = heap.awaited.filter((one) => one !== step.effect);
    heap.heard = [...heap.heard, JSON.stringify(step.error ?? step.value ?? null)].slice(-3);
  } else if (heap.cell !== null) {
    turn.error = ENDS[step.reason];
    turn.cancelled.push(...heap.awaited);
  }
  if (step.failed) turn.error = step.failed;
}

export function perform(heap: Heap, op: Op, turn: Turn): void {
  const ask = (kind: string, payload: { [key: string]: string | number }) => {
    const effect = ++heap.effects;
    turn.requests.push({ effect, kind, payload });
    return effect;
  };
  const timer = (ms: number) => ask('timer', { delayMs: ms, dueMs: heap.timeMs + ms });
  switch (op[0]) {
    case 'inc':
      heap.n += 1;
      return;
    case 'print':
      turn.outputs.push({ stream: 'stdout', level: 'log', text: `${op[1]} ${heap.n}` });
      return;
    case 'sleep':
      heap.awaited.push(timer(op[1]));
      return;
    case 'llm':
      heap.awaited.push(ask('llm', { prompt: op[1], model: 'echo', delayMs: op[2] }));
      return;
    case 'both':
      heap.awaited.push(timer(op[1]), ask('llm', { prompt: op[2], model: 'echo' }));
      return;
    case 'later':
      heap.background.push(timer(op[1]));
      return;
    case 'exitLater':
      heap.background.push(timer(op[1]));
      heap.exits.push(heap.background.at(-1)!);
      return;
    case 'flood':
      for (let i = 0; i < op[1]; i++) {
        const stream = i % 2 === 0 ? 'stdout' : 'stderr';
        turn.outputs.push({ stream, level: 'log', text: '漢'.repeat(op[2]) });
      }
      return;
    case 'recite':
      heap.awaited.push(ask('llm', { prompt: '漢'.repeat(op[1]), model: 'echo' }));
      return;
    case 'throw':
      turn.error = failureOf('Error', op[1]);
      return;
    case 'exit':
      turn.exit = true;
      turn.result = { text: String(heap.n) };
      return;
    case 'poison':
      heap.n += 1_000;
      throw new Poisoned();
  }
}

function parseOps(code: string): Op[] {
  return code === '' ? [] : (JSON.parse(code) as Op[]);
}
