/** Where two moments differ, for people. Pure. */
import type { DiffBound, DiffReply } from '../../bus/client/diff/diff.ts';
import type { CallDifference, CallEnd, OutputLine } from '../../bus/client/diff/events.ts';
import type { Palette } from './palette.ts';
import { count, cut, oneLine, printable } from './text.ts';

const REQUEST_WIDTH = 100;
const ANSWER_WIDTH = 200;

const BOUNDS: Record<DiffBound, string> = {
  unseen: 'some of what the variables hold is too much or too deep to be looked at: it may differ, too',
  values: 'there is more in the variables than is told: `…` stands for the rest, and says whether it differs',
  previews: 'some variables could not be walked and were compared by their previews: more of them may differ',
  events: 'there are too many events behind the parting: outputs and calls are those of the first ones',
};

/** What differs, under a line that says where they part and how much it is. */
export function renderDiff(reply: DiffReply, palette: Palette): string {
  const { a, b, parted, variables, outputs, calls, same, bounds } = reply;
  const { bold, dim, yellow } = palette;
  const sides = [a, b].map(({ session, seq }) => `${bold(printable(session))} at seq ${seq}`).join(' and ');
  const where = parted === null ? 'unrelated' : `parted at seq ${parted}`;
  const lines = outputs.a.length + outputs.b.length;
  const amount = same
    ? 'nothing differs'
    : [count(variables.length, 'variable'), count(lines, 'line'), count(calls.length, 'call')].join(', ');
  const text = [`${sides}${dim(' · ')}${where}${dim(' · ')}${amount}\n`];
  if (variables.length > 0) {
    text.push(`\n${bold('Variables')}\n`);
    for (const { path, a: old, b: now } of variables) {
      const told = (value: string) => `${printable(path)} = ${oneLine(value)}`;
      text.push(minus(old && told(old), palette), plus(now && told(now), palette));
    }
  }
  if (lines > 0) {
    text.push(`\n${bold('Output')}\n`);
    for (const line of outputs.a) text.push(minus(outputText(line), palette));
    for (const line of outputs.b) text.push(plus(outputText(line), palette));
  }
  if (calls.length > 0) {
    text.push(`\n${bold('Calls')}\n`);
    for (const call of calls) text.push(renderCall(call, palette));
  }
  for (const bound of bounds) text.push(yellow(`(${BOUNDS[bound]})\n`));
  return text.join('');
}

const minus = (text: string | undefined, { red }: Palette) => (text === undefined ? '' : red(`- ${text}\n`));
const plus = (text: string | undefined, { green }: Palette) =>
  text === undefined ? '' : green(`+ ${text}\n`);

function outputText({ stream, text }: OutputLine): string {
  return stream === 'stdout' ? oneLine(text) : `${stream}: ${oneLine(text)}`;
}

/** One that both made stands once, with both answers; one that one made on a line. */
function renderCall({ kind, request, a, b }: CallDifference, palette: Palette): string {
  const asked = `${printable(kind)} ${short(request, REQUEST_WIDTH)}`;
  if (a && b) {
    return `  ${asked}\n${minus(`  ${answerText(a)}`, palette)}${plus(`  ${answerText(b)}`, palette)}`;
  }
  const whole = (end: CallEnd | undefined) => end && `${asked} → ${answerText(end)}`;
  return minus(whole(a), palette) + plus(whole(b), palette);
}

function answerText({ answer, error }: CallEnd): string {
  if (error) return `✗ ${oneLine(`${error.name}: ${error.message}`)}`;
  return answer === undefined ? 'no answer yet' : short(answer, ANSWER_WIDTH);
}

const short = (value: unknown, width: number): string => cut(oneLine(JSON.stringify(value)), width);
