/** Durations as people write them: `250ms`, `30s`, `1.5m`, `2h`. Pure. */
import { RepriseError } from '../bus/errors.ts';

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** Longest delay that a timer can hold (2^31 - 1 ms, 24.8 days). */
export const DURATION_MAX_MS = 2_147_483_647;

/**
 * Milliseconds of a duration with a unit, rounded up to whole ones.
 * @throws RepriseError BAD_REQUEST when it has no unit, is not positive, or exceeds 24.8 days.
 */
export function parseDuration(text: string): number {
  const bad = (why: string) =>
    new RepriseError('BAD_REQUEST', `'${text}' ${why}`, { hint: 'write a duration as 500ms, 30s, 2m or 1h' });
  const match = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)$/.exec(text.trim());
  if (match === null) throw bad('is not a duration');
  const ms = Math.ceil(Number(match[1]) * UNITS[match[2]!]!);
  if (ms <= 0) throw bad('is not longer than nothing');
  if (ms > DURATION_MAX_MS) throw bad('is longer than 24.8 days');
  return ms;
}

/** A short reading of a duration: `3.2 ms`, `1.4 s`, `2 m 5 s`. */
export function formatDuration(ms: number): string {
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${Number((ms / 1000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}
