/** Sessions that cannot be restored. Pure. */

import type { Trouble } from '../../bus/operations/catalogue.ts';
import type { Palette } from './palette.ts';
import type { MetadataJson } from './session.ts';
import { count, printable } from './text.ts';

/** What to do about such sessions. */
export const TROUBLE_HINT =
  '`reprise show <session> --at-last-good` shows the state before it, `reprise log` what can be read, `reprise rm` removes it';

/** A paragraph for those who look at many sessions; '' when all is well. */
export function renderTroubles(troubles: Trouble[], nowMs: number, palette: Palette): string {
  if (troubles.length === 0) return '';
  const lines = troubles.map(({ session, code, message, tries, nextAt }) => {
    const seconds = Math.ceil((nextAt - nowMs) / 1_000);
    const next = seconds > 0 ? `next try in ${seconds} s` : 'tried when it is needed';
    const tried = tries > 0 ? ` (${count(tries, 'failed try').replace('trys', 'tries')}, ${next})` : '';
    return `  ${palette.bold(printable(session))}: ${palette.red(code)} ${printable(message)}${palette.dim(tried)}\n`;
  });
  return `\n${palette.red(`${count(troubles.length, 'session')} in trouble`)}\n${lines.join('')}${palette.dim(TROUBLE_HINT)}\n`;
}

/** Metadata with the trouble of each session; those that cannot be read have their name and trouble alone. */
export function withTroubles(
  sessions: MetadataJson[],
  troubles: Trouble[],
): (MetadataJson | { name: string; trouble: Trouble })[] {
  const byName = new Map(troubles.map((trouble) => [trouble.session, trouble]));
  const told = sessions.map((session) => {
    const trouble = byName.get(session.name);
    byName.delete(session.name);
    return trouble ? { ...session, trouble } : session;
  });
  return [...told, ...[...byName.values()].map((trouble) => ({ name: trouble.session, trouble }))];
}
