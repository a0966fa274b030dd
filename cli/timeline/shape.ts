/** A session's life as data: spans and moments on a time axis. Pure. */

export interface Span {
  startMs: number;
  endMs: number;
  /** How many it stands for. */
  count: number;
}

/** `running`, `waiting`: not ended when the events end; `lost`: over, and the events do not say how. */
export type Outcome = 'result' | 'error' | 'running' | 'waiting' | 'lost';

/** A cell, from its input to its end. Of several: from the first one to the last, and the worst outcome. */
export interface CellSpan extends Span {
  cell: number | null;
  /** Its input; null: that was before the first event. */
  seq: number | null;
  endSeq: number | null;
  /** First line of its code. */
  code: string;
  outcome: Outcome;
  /** Its result on one line, or the first line of its error. */
  text: string;
  /** Lines that it printed. */
  lines: number;
  computedMs: number;
}

/** A call of the world, from request to answer. Of several: from the first request to the last answer. */
export interface CallSpan extends Span {
  effect: number;
  kind: string;
  /** Its request; null: that was before the first event. */
  seq: number | null;
  /** Its answer; null: there is none. */
  answeredSeq: number | null;
  /** Cell that asked; null: something in the background, or it is not known. */
  cell: number | null;
  /** null: no answer, so far or for ever. */
  ok: boolean | null;
  /** Nobody waits for it any more. */
  cancelled: boolean;
  detail: string;
}

/** Something that happened at once. Of several: the first one, and the time up to the last. */
export interface Mark extends Span {
  seq: number;
  detail: string;
}

export interface TimelineData {
  session: string;
  /** seq of the first and the last event; null: there were none. */
  from: number | null;
  to: number | null;
  startMs: number;
  endMs: number;
  state: 'empty' | 'ready' | 'running' | 'waiting' | 'closed';
  cells: readonly CellSpan[];
  calls: readonly CallSpan[];
  checkpoints: readonly Mark[];
  interrupts: readonly Mark[];
  /** What was printed while no cell ran; `count` is lines. */
  background: readonly Mark[];
  /** Calls that waited for an answer at the same time, at most. */
  atOnce: number;
  totals: { events: number; cells: number; calls: number; checkpoints: number; interrupts: number };
}

/** From the harmless to what one looks for. */
const OUTCOMES: readonly Outcome[] = ['result', 'lost', 'waiting', 'running', 'error'];

const spanOf = (a: Span, b: Span): Span => ({
  startMs: Math.min(a.startMs, b.startMs),
  endMs: Math.max(a.endMs, b.endMs),
  count: a.count + b.count,
});

/** Two neighbours as one. */
export function joinCells(a: CellSpan, b: CellSpan): CellSpan {
  const worse = OUTCOMES.indexOf(b.outcome) > OUTCOMES.indexOf(a.outcome) ? b : a;
  const { outcome, text } = worse;
  const lines = a.lines + b.lines;
  const computedMs = a.computedMs + b.computedMs;
  return { ...a, ...spanOf(a, b), endSeq: b.endSeq, outcome, text, lines, computedMs };
}

/** Two neighbours as one. */
export function joinCalls(a: CallSpan, b: CallSpan): CallSpan {
  return {
    ...a,
    ...spanOf(a, b),
    kind: a.kind === b.kind ? a.kind : 'mixed',
    cell: a.cell === b.cell ? a.cell : null,
    answeredSeq: laterOf(a.answeredSeq, b.answeredSeq),
    ok: a.ok === false || b.ok === false ? false : a.ok === null || b.ok === null ? null : true,
    cancelled: a.cancelled && b.cancelled,
  };
}

/** Two neighbours as one. */
export const joinMarks = (a: Mark, b: Mark): Mark => ({ ...a, ...spanOf(a, b) });

function laterOf(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
