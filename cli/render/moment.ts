/** A session at a moment of its past, for people and for programs. Pure. */
import type { AtReply, BisectReply, Evaluated } from '../../bus/operations/looks.ts';
import type { VariableSummary } from '../../bus/types.ts';
import { type AnswerText, renderAnswer } from './answer.ts';
import type { Palette } from './palette.ts';
import { renderPending, renderVariables } from './session.ts';
import { count, formatTime, oneLine, printable } from './text.ts';

/** One line of JSON. */
export function atJson({ session, seq, cell, time, state, unfinished, evaluated }: AtReply): string {
  const { status, stateId, variables, pending } = state;
  const moment = { session, seq, cell, time, status, stateId, unfinished, variables, pending };
  return `${JSON.stringify({ ...moment, ...evaluated })}\n`;
}

/** Where it stands, its variables, and what it waits for. */
export function renderAt({ session, seq, cell, time, state, unfinished }: AtReply, palette: Palette): string {
  const cellText = cell === 0 ? 'before its first cell' : `cell ${cell}`;
  const facts = [`${palette.bold(printable(session))} at seq ${seq}`, cellText, formatTime(new Date(time))];
  if (state.status !== 'ready') facts.push(state.status);
  const head = `${facts.join(palette.dim(' · '))}\n`;
  const note = unfinished
    ? palette.yellow(
        'the turn that this event began has no outcome in the log: the variables are those before it\n',
      )
    : '';
  return `${head}${note}${renderVariables(state.variables, palette)}${renderPending(state, palette)}`;
}

/** What code gave. */
export function renderEvaluated({ refused, ...answer }: Evaluated, palette: Palette): AnswerText {
  const text = renderAnswer(answer, palette);
  const note = refused === 1 ? 'one effect was refused' : `${refused} effects were refused`;
  return refused === 0
    ? text
    : { ...text, stderr: `${text.stderr}${palette.yellow(`(${note}: this is a copy)`)}\n` };
}

/** What two lists of variables differ in, a line each; '' when in nothing. */
export function renderChanges(
  before: readonly VariableSummary[],
  after: readonly VariableSummary[],
  palette: Palette,
): string {
  const was = new Map(before.map((variable) => [variable.name, variable]));
  const is = new Map(after.map((variable) => [variable.name, variable]));
  const one = ({ preview }: VariableSummary) => oneLine(preview);
  const lines: string[] = [];
  for (const name of new Set([...was.keys(), ...is.keys()])) {
    const [old, now] = [was.get(name), is.get(name)];
    if (old && now && old.preview === now.preview && old.type === now.type) continue;
    if (old) lines.push(palette.red(`- ${printable(name)} = ${one(old)}`));
    if (now) lines.push(palette.green(`+ ${printable(name)} = ${one(now)}`));
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Where something began to hold. */
export function renderBisection(reply: BisectReply, palette: Palette): string {
  const { session, seq, cell, time, before, after, steps } = reply;
  const name = palette.bold(printable(session));
  const looked = palette.dim(`(${count(steps, 'step')})`);
  if (seq === null) return `${name}: it never holds ${looked}\n`;
  const line = (sign: string, text: string) => `${sign} ${oneLine(text)}\n`;
  return (
    `${name}: since seq ${seq}, cell ${cell}, ${formatTime(new Date(time))} ${looked}\n` +
    palette.red(line('-', before)) +
    palette.green(line('+', after))
  );
}
