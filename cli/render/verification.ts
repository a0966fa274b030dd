/** The verdict of a replay. Pure. */
import type { ReplayReply } from '../../bus/operations/looks.ts';
import { formatDuration } from '../duration.ts';
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
  if (divergence === undefined) return `${head}\n`;
  const where = divergence.position === undefined ? '' : `, log position ${divergence.position}`;
  const side = (text: string) => printable(text).replaceAll('\n', '\n            ');
  return (
    `${head}: first difference at seq ${divergence.seq} (${divergence.kind}${where})\n` +
    `  in the log: ${palette.green(side(divergence.expected))}\n` +
    `  re-derived: ${palette.red(side(divergence.actual))}\n`
  );
}
