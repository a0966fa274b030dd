/** Each place of a session's output is shown once, whatever becomes of previews on their way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Collected } from '../../actors/kernel/collected.ts';
import type { KernelOutput, Printed } from '../../actors/kernel/port.ts';
import { Preview } from '../../actors/kernel/preview.ts';
import { type Shown, ShownSession } from '../../bus/client/shown.ts';
import type { LivePrinted } from '../../bus/live.ts';
import type { SessionEvent } from '../../bus/types.ts';

const timestamp = '2026-01-01T00:00:00.000Z';

interface Line {
  stream: 'stdout' | 'stderr';
  text: string;
}

/** What a kernel makes of the lines of a turn: its outputs, and the pieces it sends on the way. */
function runTurn(
  lines: Line[],
  cuts: boolean[],
  units: number,
): { outputs: KernelOutput[]; pieces: Printed[] } {
  const collected = new Collected({ outputBytes: 1_000_000, outputPieces: 10_000 });
  const preview = new Preview();
  const pieces: Printed[] = [];
  for (const [index, line] of lines.entries()) {
    collected.add('out', JSON.stringify({ ...line, level: 'log' }));
    const piece = cuts[index % cuts.length] ? preview.take(collected.outputs, units) : null;
    if (piece) pieces.push(structuredClone(piece));
  }
  return { outputs: collected.outputs, pieces };
}

const line = fc.record({
  stream: fc.constantFrom('stdout' as const, 'stderr' as const),
  text: fc.constantFrom('', 'a', 'same', 'same', 'two\nlines', '😀😀😀', 'x'.repeat(40), '\ud800'),
});
const turn = fc.record({
  lines: fc.array(line, { maxLength: 8 }),
  cuts: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
  units: fc.integer({ min: 1, max: 60 }),
  /** Of each piece: lost, early (before the turn's beginning was read), in time, twice, again after the turn. */
  fates: fc.array(fc.constantFrom('lost', 'early', 'timely', 'twice', 'late'), {
    minLength: 1,
    maxLength: 5,
  }),
});

function textOf(shown: Shown[]): string {
  return shown.map((one) => (one.kind === 'printed' ? one.text : '')).join('');
}

describe('what has been shown of a session', () => {
  it('is each place of its output once and in order, whatever previews are lost, early, late or sent twice', () => {
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 5 }), (turns) => {
        const session = new ShownSession(0);
        const shown: Shown[] = [];
        const late: LivePrinted[] = [];
        let expected = '';
        let seq = 0;
        for (const { lines, cuts, units, fates } of turns) {
          const { outputs, pieces } = runTurn(lines, cuts, units);
          const began = seq++;
          const fated = pieces.map((piece, index) => ({
            fate: fates[index % fates.length]!,
            printed: { turn: began, ...piece },
          }));
          for (const { fate, printed } of fated)
            if (fate === 'early') shown.push(...session.preview(printed));
          shown.push(
            ...session.event({
              type: 'input',
              seq: began,
              code: '',
              timestamp,
              commandId: `c${began}`,
              cell: 1,
            }),
          );
          for (const { fate, printed } of fated) {
            if (fate === 'timely' || fate === 'twice') shown.push(...session.preview(printed));
            if (fate === 'twice') shown.push(...session.preview(printed));
            if (fate === 'late') late.push(printed);
          }
          for (const { stream, text } of outputs) {
            shown.push(
              ...session.event({ type: 'output', seq: seq++, value: text, stream, timestamp, cell: 1 }),
            );
            expected += `${text}\n`;
          }
          shown.push(...session.event({ type: 'output', seq: seq++, value: '', timestamp, cell: 1 }));
          for (const printed of late) shown.push(...session.preview(printed));
        }
        assert.equal(textOf(shown), expected);
        assert.equal(shown.filter(({ kind }) => kind === 'unrecorded').length, 0);
      }),
      { numRuns: 500 },
    );
  });

  it('is not shown again when another worker runs the turn again from its beginning', () => {
    const { outputs, pieces } = runTurn(
      ['1', '2', '3', '4'].map((text) => ({ stream: 'stdout', text })),
      [true],
      100,
    );
    const session = new ShownSession(7);
    const input: SessionEvent = { type: 'input', seq: 7, code: '', timestamp, commandId: 'c', cell: 1 };
    const shown = [
      ...session.event(input),
      ...pieces.slice(0, 2).flatMap((p) => session.preview({ turn: 7, ...p })),
    ];
    assert.equal(textOf(shown), '1\n2\n');
    for (const piece of pieces) shown.push(...session.preview({ turn: 7, ...piece }));
    assert.equal(textOf(shown), '1\n2\n3\n4\n');
    shown.push(
      ...session.event({ type: 'output', seq: 8, stream: 'stdout', value: outputs[0]!.text, timestamp }),
    );
    assert.equal(textOf(shown), '1\n2\n3\n4\n');
  });

  it('is said not to be recorded when the log says otherwise, and then shown as the log says', () => {
    const session = new ShownSession(0);
    session.event({ type: 'input', seq: 0, code: '', timestamp, commandId: 'c', cell: 1 });
    const parts = [{ stream: 'stdout' as const, text: 'one\ntwo\nthree\n' }];
    session.preview({ turn: 0, at: 0, parts });
    session.event({ type: 'interrupt', seq: 1, reason: 'user', timestamp, fuel: 3, at: 0 });
    assert.deepEqual(
      session.event({ type: 'output', seq: 2, stream: 'stdout', value: 'one', timestamp }),
      [],
    );
    const end = session.event({ type: 'error', seq: 3, message: 'struck', timestamp });
    assert.deepEqual(
      end.map((one) => (one.kind === 'unrecorded' ? one.lines : one.kind)),
      [2, 'ended'],
    );
  });

  it('begins where the watching began: in the middle of a turn with what it prints from then on', () => {
    const session = new ShownSession(5);
    const preview = (at: number, text: string) =>
      textOf(session.preview({ turn: 4, at, parts: [{ stream: 'stdout', text }] }));
    assert.equal(preview(4, 'c\n'), 'c\n');
    assert.equal(preview(8, 'e\n'), '', 'what does not continue waits for the log');
    const shown = session.event({
      type: 'output',
      seq: 5,
      stream: 'stdout',
      value: 'a\nb\nc\nd\ne',
      timestamp,
    });
    assert.equal(textOf(shown), 'd\ne\n');
  });
});

it('what was printed before it was known where to begin is shown then', () => {
  const session = new ShownSession(0);
  const piece = (turn: number, text: string) =>
    session.preview({ turn, at: 0, parts: [{ stream: 'stdout', text }] });
  assert.deepEqual([...piece(2, 'of a turn before\n'), ...piece(6, 'mine\n')], []);
  session.beginAt(6);
  const input = { type: 'input', seq: 6, code: '', timestamp, commandId: 'c', cell: 2 } as const;
  assert.equal(textOf(session.event(input)), 'mine\n');
});
