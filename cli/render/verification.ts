/** What re-executing sessions found, as text. Pure. */
import type { RepriseError } from '../../bus/errors.ts';
import type { Divergence, ReplayReply, VerifyReply } from '../../bus/operations/looks.ts';
import { formatDuration } from '../duration.ts';
import { hintOf } from './failure.ts';
import type { Palette } from './palette.ts';
import { count, printable } from './text.ts';

/** One line when all matched; else the first difference with both sides. */
export function renderVerification(reply: ReplayReply, palette: Palette): string {
  const scope = `${count(reply.events, 'event')} and ${count(reply.checkpoints, 'checkpoint')}`;
  const { divergence } = reply;
  if (reply.verified && divergence === undefined) {
    const took = formatDuration(reply.durationMs);
    return `${palette.green('verified')}: ${scope} re-executed in a fresh kernel in ${took}, all equal\n`;
  }
  const head = `${palette.red('diverged')} after ${scope}`;
  return divergence === undefined ? `${head}\n` : `${head}: ${renderDivergence(divergence, palette)}`;
}

/** Where the first difference is, and both sides. */
export function renderDivergence(
  { seq, kind, position, expected, actual }: Divergence,
  palette: Palette,
): string {
  const where = position === undefined ? '' : `, log position ${position}`;
  const side = (text: string) => printable(text).replaceAll('\n', '\n            ');
  return (
    `first difference at seq ${seq} (${kind}${where})\n` +
    `  in the log: ${palette.green(side(expected))}\n` +
    `  re-derived: ${palette.red(side(actual))}\n`
  );
}

/** How far a verification of sessions got. */
export interface VerifyTally {
  total: number;
  verified: number;
  /** Of them, those that an earlier run had verified. */
  skipped: number;
  diverged: number;
  /** Those that could not be verified. */
  failed: number;
  /** Removed while it went on. */
  gone: number;
  interrupted: boolean;
}

/** One session: a line, and where it diverged the place with both sides. */
export function renderVerified(reply: VerifyReply, palette: Palette): string {
  const { session, events, checkpoints, tails, moves, known, divergence, from, place, durationMs } = reply;
  const name = palette.bold(printable(session));
  const sign = palette[reply.verified ? 'green' : 'red'](reply.verified ? '✓' : '✗');
  if (known) return `${sign} ${name}: verified before, unchanged since (${count(events, 'event')})\n`;
  if (!divergence) {
    const moved = moves === undefined ? '' : `, moved ${moves === 1 ? 'once' : `${moves} times`}`;
    const scope = `${count(events, 'event')}, ${count(checkpoints, 'checkpoint')}, from ${tails} of them on`;
    return `${sign} ${name}: ${scope}${moved}, all equal ${palette.dim(`(${formatDuration(durationMs)})`)}\n`;
  }
  const start = from === undefined ? '' : ` from the checkpoint at seq ${from} on,`;
  const line = place ? `  cell ${place.cell}, line ${place.line}: ${printable(place.text)}\n` : '';
  return `${sign} ${name}: diverged,${start} ${renderDivergence(divergence, palette)}${line}`;
}

/** A session that could not be verified. */
export function renderVerifyFailure(session: string, error: RepriseError, palette: Palette): string {
  const hint = hintOf(error);
  return (
    `${palette.red('✗')} ${palette.bold(printable(session))}: ${printable(error.message)} ${palette.dim(`(${error.code})`)}\n` +
    `  ${error.retryable ? 'Safe to retry.' : 'A retry alone will not help.'}${hint === undefined ? '' : ` Next: ${printable(hint)}`}\n`
  );
}

/** What came of all of them. */
export function renderVerifySummary(tally: VerifyTally, palette: Palette): string {
  const { total, verified, skipped, diverged, failed, gone, interrupted } = tally;
  const before = skipped > 0 ? ` (${skipped} of them before)` : '';
  const parts = [palette.green(`${verified} verified${before}`)];
  if (diverged > 0) parts.push(palette.red(`${diverged} diverged`));
  if (failed > 0) parts.push(palette.red(`${failed} could not be verified`));
  if (gone > 0) parts.push(`${gone} removed meanwhile`);
  const done = verified + diverged + failed + gone;
  const head = interrupted ? `${palette.yellow('interrupted')} after ${done} of ` : '';
  const rest = interrupted ? '; --resume goes on from here' : '';
  return `${head}${count(total, 'session')}: ${parts.join(', ')}${rest}\n`;
}

/** One session as a line of JSON. */
export function verifiedJson(reply: VerifyReply): string {
  const { session, events, verified, checkpoints, tails, moves, seq, known, ...rest } = reply;
  const { divergence, from, place, durationMs } = rest;
  const facts = { session, events, verified, checkpoints, tails, moves, seq, known };
  return `${JSON.stringify({ ...facts, divergence, from, place, durationMs })}\n`;
}
