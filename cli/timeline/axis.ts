/**
 * Where moments lie on a line of some width. Time in which nothing went on is cut short, so that a session which slept
 * for a night between two cells can be seen at all. Pure.
 */

export interface Axis {
  /** 0 to `width`. */
  place(ms: number): number;
  /** Where time was cut out. */
  breaks: number[];
}

/** A break takes this part of the time in which something went on. */
const BREAK = 1 / 20;

/** An axis for spans that lie between two moments; `busy` in any order. */
export function axisOf(
  busy: readonly { startMs: number; endMs: number }[],
  { startMs, endMs }: { startMs: number; endMs: number },
  width: number,
): Axis {
  const merged = merge(busy, startMs, endMs);
  const busyMs = merged.reduce((sum, [from, to]) => sum + (to - from), 0);
  const gapMs = Math.max(1, busyMs * BREAK);
  /** Places where the pace changes: real time, and time on the axis. */
  const knots: [realMs: number, shownMs: number][] = [[startMs, 0]];
  const cuts: number[] = [];
  const advance = (toMs: number, mostMs: number) => {
    const [realMs, shownMs] = knots.at(-1)!;
    const step = toMs - realMs;
    if (step <= 0) return;
    if (step > mostMs) cuts.push(shownMs + mostMs / 2);
    knots.push([toMs, shownMs + Math.min(step, mostMs)]);
  };
  for (const [from, to] of merged) {
    advance(from, gapMs);
    advance(to, Number.POSITIVE_INFINITY);
  }
  advance(endMs, gapMs);
  const totalMs = knots.at(-1)![1];
  const scale = totalMs > 0 ? width / totalMs : 0;
  const shown = (ms: number): number => {
    const next = knots.findIndex(([realMs]) => realMs >= ms);
    if (next <= 0) return next < 0 ? knots.at(-1)![1] : 0;
    const [[fromMs, from], [toMs, to]] = [knots[next - 1]!, knots[next]!];
    return from + ((ms - fromMs) / (toMs - fromMs)) * (to - from);
  };
  const place = (ms: number) => Math.min(width, Math.max(0, shown(ms) * scale));
  return { place, breaks: cuts.map((at) => at * scale) };
}

/** Spans without overlaps, in order, within the bounds. */
function merge(busy: readonly { startMs: number; endMs: number }[], startMs: number, endMs: number) {
  const spans: [from: number, to: number][] = busy
    .map((span): [number, number] => [Math.max(startMs, span.startMs), Math.min(endMs, span.endMs)])
    .sort(([a], [b]) => a - b);
  const merged: [from: number, to: number][] = [];
  for (const [from, to] of spans) {
    const last = merged.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}
