/** What `reprise doctor` found, as lines. Pure. */
import type { Check } from '../../actors/supervisor/doctor.ts';
import type { Palette } from './palette.ts';
import { count } from './text.ts';

/** good; advice: it works, and could be better; wrong: something does not work until it is mended. */
export type Grade = 'good' | 'advice' | 'wrong';

/** Findings that keep nothing from working. (Without a configured server, `up` fetches a missing one.) */
const ADVICE = ['passed over', 'server features', 'disk', 'write protection'];

export function gradeOf(check: Check, foreignServer: boolean): Grade {
  if (check.ok) return 'good';
  if (check.name === 'nats-server' && !foreignServer) return 'advice';
  return ADVICE.includes(check.name) ? 'advice' : 'wrong';
}

/** Lines for a person, with a verdict at the end. */
export function renderChecks(checks: (Check & { grade: Grade })[], palette: Palette): string {
  const marks = { good: palette.green('✓'), advice: palette.yellow('•'), wrong: palette.red('✗') };
  const width = Math.max(...checks.map(({ name }) => name.length)) + 2;
  const indent = ' '.repeat(width + 2);
  const lines = checks.map(({ name, grade, detail, hint }) => {
    const line = `${marks[grade]} ${name.padEnd(width)}${detail.replaceAll('\n', `\n${indent}`)}\n`;
    return hint === '' ? line : `${line}${palette.dim(hint.replace(/^/gm, indent))}\n`;
  });
  const wrong = checks.filter(({ grade }) => grade === 'wrong').length;
  return `${lines.join('')}${wrong === 0 ? 'Nothing is wrong.' : `${count(wrong, 'problem')}.`}\n`;
}
