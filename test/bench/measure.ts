/** Medians, percentiles and tables for the benches. */

/** The p-th percentile (0..100) of a sample, nearest rank. */
export function percentile(sample: readonly number[], p: number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  return (
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))] ?? Number.NaN
  );
}

export const median = (sample: readonly number[]): number => percentile(sample, 50);

/** Times `work` once, ms. */
export async function timed(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Times `count` runs one after the other, after a warm-up, ms each. */
export async function series(count: number, work: (index: number) => unknown, warmUp = 0): Promise<number[]> {
  for (let index = 0; index < warmUp; index++) await work(-1 - index);
  const times: number[] = [];
  for (let index = 0; index < count; index++) times.push(await timed(() => work(index)));
  return times;
}

export interface Row {
  what: string;
  figure: string;
  /** Against a floor of the same run. */
  ratio?: string;
  note?: string;
}

export const ms = (value: number): string =>
  value < 1 ? `${Math.round(value * 1000)} µs` : `${value.toFixed(value < 10 ? 2 : 1)} ms`;
export const times = (value: number): string => `${value.toFixed(2)}x`;

export function print(title: string, rows: readonly Row[]): void {
  const width = (key: keyof Row) => Math.max(...rows.map((row) => (row[key] ?? '').length));
  const [what, figure, ratio] = [width('what'), width('figure'), width('ratio')];
  process.stdout.write(`\n${title}\n`);
  for (const row of rows) {
    const line = `  ${row.what.padEnd(what)}  ${row.figure.padStart(figure)}  ${(row.ratio ?? '').padStart(ratio)}  ${row.note ?? ''}`;
    process.stdout.write(`${line.trimEnd()}\n`);
  }
}
