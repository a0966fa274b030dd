/** From events to a timeline: what holds for every log, and what each event comes to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SessionEvent } from '../../bus/types.ts';
import { widthOf } from '../../cli/render/fit.ts';
import { makePalette } from '../../cli/render/palette.ts';
import { renderTimeline, timelineJson } from '../../cli/render/timeline.ts';
import { timelineSvg } from '../../cli/render/timeline-svg.ts';
import { axisOf } from '../../cli/timeline/axis.ts';
import { Bounded } from '../../cli/timeline/bounded.ts';
import { TimelineBuilder } from '../../cli/timeline/model.ts';
import type { TimelineData } from '../../cli/timeline/shape.ts';

/** An event without its number; times jump about, and some cannot be read. */
const loose = fc.oneof(
  fc.record({ type: fc.constant('input'), code: fc.string({ unit: 'binary' }), cell: fc.nat(4) }),
  fc.record(
    {
      type: fc.constant('output'),
      value: fc.string({ unit: 'binary' }),
      stream: fc.constantFrom('result', 'stdout', 'stderr'),
      cell: fc.nat(4),
      durationMs: fc.integer({ min: -5, max: 500 }),
    },
    { requiredKeys: ['type', 'value'] },
  ),
  fc.record(
    { type: fc.constant('error'), message: fc.string(), cell: fc.nat(4), rolledBack: fc.boolean() },
    { requiredKeys: ['type', 'message'] },
  ),
  fc.record({
    type: fc.constant('effect_req'),
    kind: fc.constantFrom('timer', 'llm', 'x<y'),
    effect: fc.nat(6),
    payload: fc.jsonValue(),
  }),
  fc.record(
    {
      type: fc.constant('effect_resp'),
      kind: fc.constant('timer'),
      effect: fc.nat(6),
      error: fc.constant({ name: 'E', message: 'm' }),
    },
    { requiredKeys: ['type', 'kind', 'effect'] },
  ),
  fc.record(
    {
      type: fc.constant('llm_req'),
      prompt: fc.string(),
      receiptKey: fc.constantFrom('a', 'b'),
      effect: fc.nat(6),
      cell: fc.nat(4),
    },
    { requiredKeys: ['type', 'prompt', 'receiptKey'] },
  ),
  fc.record(
    {
      type: fc.constant('llm_resp'),
      response: fc.string(),
      receiptKey: fc.constantFrom('a', 'b'),
      effect: fc.nat(6),
    },
    { requiredKeys: ['type', 'response', 'receiptKey'] },
  ),
  fc.record({ type: fc.constant('effect_cancel'), effect: fc.nat(6) }),
  fc.record({ type: fc.constant('checkpoint'), reason: fc.string(), stateId: fc.string() }),
  fc.record({
    type: fc.constant('interrupt'),
    reason: fc.constant('user'),
    fuel: fc.integer({ min: -1, max: 3 }),
    at: fc.nat(9),
  }),
  fc.record({
    type: fc.constantFrom('closed', 'paused', 'warning', 'of a later version'),
    reason: fc.string(),
  }),
);
const times = fc.oneof(
  fc.integer({ min: -5_000, max: 90_000_000 }).map((ms) => new Date(ms).toISOString()),
  fc.constantFrom('', 'soon'),
);
const logs = fc
  .tuple(fc.nat(50), fc.array(fc.tuple(loose, times), { maxLength: 80 }))
  .map(([first, events]) =>
    events.map(([event, timestamp], at) => ({ ...event, timestamp, seq: first + at }) as SessionEvent),
  );

function dataOf(events: readonly SessionEvent[], most = 1_000): TimelineData {
  const builder = new TimelineBuilder('demo', most);
  for (const event of events) builder.add(event);
  return builder.result();
}

test('whatever the events are, every span lies within the timeline and ends no earlier than it begins', () => {
  fc.assert(
    fc.property(logs, fc.constantFrom(1, 3, 1_000), (events, most) => {
      const data = dataOf(events, most);
      const { cells, calls, checkpoints, interrupts, background, startMs, endMs, totals } = data;
      for (const span of [...cells, ...calls, ...checkpoints, ...interrupts, ...background]) {
        assert.ok(startMs <= span.startMs && span.startMs <= span.endMs && span.endMs <= endMs);
      }
      const sum = (spans: readonly { count: number }[]) => spans.reduce((all, { count }) => all + count, 0);
      assert.deepEqual(
        [sum(cells), sum(calls), sum(checkpoints), sum(interrupts)],
        [totals.cells, totals.calls, totals.checkpoints, totals.interrupts],
      );
      for (const list of [cells, calls, checkpoints, interrupts, background]) assert.ok(list.length <= most);
    }),
  );
});

test('the calls that are open at once are those whose events lie around one another', () => {
  fc.assert(
    fc.property(logs, (events) => {
      const { calls, atOnce, from, to } = dataOf(events);
      // Calls whose end is no answer are told apart by their time alone, so only answered ones are counted here.
      const answered = calls.filter((call) => call.answeredSeq !== null);
      let most = 0;
      for (let seq = (from ?? 0) - 1; seq <= (to ?? 0); seq++) {
        const open = answered.filter((call) => (call.seq ?? -1) <= seq && call.answeredSeq! > seq);
        most = Math.max(most, open.length);
      }
      assert.ok(atOnce >= most && atOnce <= calls.length);
      if (answered.length === calls.length) assert.equal(atOnce, most);
    }),
  );
});

test('whatever a session says, no line of its picture is wider than the terminal or moves its cursor', () => {
  fc.assert(
    fc.property(logs, fc.constantFrom(60, 80, 133), fc.string({ unit: 'binary' }), (events, width, name) => {
      const picture = renderTimeline({ ...dataOf(events, 20), session: name }, makePalette(false), width);
      for (const line of picture.split('\n')) assert.ok(widthOf(line) <= width, line);
      assert.doesNotMatch(picture, /(?!\n|\u200c|\u200d|[\u{e0020}-\u{e007f}])[\p{Cc}\p{Cf}]/u);
    }),
    { numRuns: 50 },
  );
});

test('whatever a session says, it is text in the SVG, and JSON is one line', () => {
  fc.assert(
    fc.property(logs, fc.string({ unit: 'binary' }), (events, name) => {
      const data = { ...dataOf(events, 20), session: `<script>&"'${name}` };
      const svg = timelineSvg(data);
      const tags = new Set([...svg.matchAll(/<\/?([^\s/>]+)/g)].map(([, tag]) => tag));
      const known = ['?xml', 'svg', 'title', 'desc', 'style', 'rect', 'text', 'line', 'g', 'circle'];
      assert.deepEqual(
        [...tags].filter((tag) => !known.includes(tag!)),
        [],
      );
      assert.doesNotMatch(svg, /&(?!#\d+;)|NaN|undefined|(?!\n)\p{Cc}|[\ufffe\uffff]/u);
      const json = timelineJson(data);
      assert.equal(json.indexOf('\n'), json.length - 1);
      for (const { start, end } of JSON.parse(json).calls) assert.ok(start <= end);
    }),
    { numRuns: 50 },
  );
});

test('an axis keeps the order of moments, begins at its start and ends at its width', () => {
  const span = fc.tuple(fc.nat(1e9), fc.nat(1e6)).map(([startMs, ms]) => ({ startMs, endMs: startMs + ms }));
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 20 }), (spans) => {
      const bounds = {
        startMs: Math.min(...spans.map(({ startMs }) => startMs)),
        endMs: Math.max(...spans.map(({ endMs }) => endMs)),
      };
      const axis = axisOf(spans, bounds, 100);
      const moments = spans.flatMap(({ startMs, endMs }) => [startMs, endMs]).sort((a, b) => a - b);
      const places = moments.map(axis.place);
      assert.deepEqual(
        places,
        places.toSorted((a, b) => a - b),
      );
      assert.equal(places[0], 0);
      if (bounds.endMs > bounds.startMs) assert.ok(Math.abs(places.at(-1)! - 100) < 1e-6);
    }),
  );
});

test('a night between two cells takes a part of the axis, not all of it', () => {
  const hour = 3_600_000;
  const spans = [
    { startMs: 0, endMs: 1_000 },
    { startMs: 8 * hour, endMs: 8 * hour + 1_000 },
  ];
  const { place, breaks } = axisOf(spans, { startMs: 0, endMs: 8 * hour + 1_000 }, 100);
  assert.ok(place(1_000) > 40);
  assert.equal(breaks.length, 1);
});

test('a bounded list stands for all that was added, in order', () => {
  const list = new Bounded<{ count: number; first: number }>(8, (a, b) => ({
    ...a,
    count: a.count + b.count,
  }));
  for (let i = 0; i < 100_000; i++) list.add({ count: 1, first: i });
  let next = 0;
  for (const { count, first } of list.items) {
    assert.equal(first, next);
    next += count;
  }
  assert.equal(next, 100_000);
  assert.ok(list.items.length > 2 && list.items.length <= 8);
});

const at = (ms: number) => new Date(ms).toISOString();
const LIFE: SessionEvent[] = [
  { type: 'session', version: 1, id: 'i', created: at(1_000) },
  { type: 'input', seq: 1, code: '\n  await all()\nmore', timestamp: at(1_000), cell: 1 },
  { type: 'llm_req', seq: 2, prompt: 'one', receiptKey: 'k1', effect: 1, cell: 1, timestamp: at(1_000) },
  {
    type: 'effect_req',
    seq: 3,
    kind: 'timer',
    effect: 2,
    cell: 1,
    payload: { delayMs: 9 },
    timestamp: at(1_000),
  },
  {
    type: 'llm_resp',
    seq: 4,
    response: 'r',
    receiptKey: 'k1',
    effect: 1,
    timestamp: at(1_300),
    error: { name: 'LLMError', message: 'no' },
  },
  { type: 'effect_req', seq: 5, kind: 'timer', effect: 3, cell: 1, payload: null, timestamp: at(1_300) },
  { type: 'effect_cancel', seq: 6, effect: 2, timestamp: at(1_300) },
  { type: 'output', seq: 7, value: 'a\nb', stream: 'stdout', cell: 1, timestamp: at(1_300) },
];

test('calls have their times and outcomes, a cell that is not over waits', () => {
  const data = dataOf(LIFE);
  assert.deepEqual(
    data.calls.map(({ kind, seq, answeredSeq, ok, cancelled, startMs, endMs, detail }) => [
      kind,
      seq,
      answeredSeq,
      ok,
      cancelled,
      startMs,
      endMs,
      detail,
    ]),
    [
      ['llm', 2, 4, false, false, 1_000, 1_300, 'one ✗ LLMError: no'],
      ['timer', 3, null, null, true, 1_000, 1_300, 'delayMs 9'],
      ['timer', 5, null, null, false, 1_300, 1_300, 'null'],
    ],
  );
  const { cell, code, outcome, lines } = data.cells[0]!;
  assert.deepEqual(
    [data.state, data.atOnce, cell, code, outcome, lines],
    ['waiting', 2, 1, 'await all()', 'waiting', 2],
  );
});

test('a cell ends when its computing did; what an undone turn asked for nobody waits for', () => {
  const undone = dataOf([
    ...LIFE,
    {
      type: 'error',
      seq: 8,
      message: 'too large',
      name: 'RangeError',
      rolledBack: true,
      cell: 1,
      durationMs: 900,
      timestamp: at(1_300),
    },
  ]);
  const { outcome, text, endSeq, endMs } = undone.cells[0]!;
  assert.deepEqual([outcome, text, endSeq, endMs], ['error', 'RangeError: too large', 8, 1_900]);
  assert.deepEqual([undone.state, undone.endMs, undone.calls.at(-1)!.cancelled], ['ready', 1_900, true]);
});

test('events from the middle of a cell show the cell and the calls that were there before them', () => {
  const data = dataOf([
    ...LIFE.slice(4),
    { type: 'output', seq: 8, value: '[\n  1\n]', cell: 1, timestamp: at(1_400) },
  ]);
  assert.deepEqual(
    data.cells.map(({ seq, cell, text, startMs }) => [seq, cell, text, startMs]),
    [[null, 1, '[ 1 ]', 1_300]],
  );
  assert.deepEqual([data.calls[0]!.seq, data.calls[0]!.answeredSeq, data.atOnce], [null, 4, 1]);
});

test('closing gives up what is open, and a session without a cell is told as such', () => {
  const closed = dataOf([...LIFE, { type: 'closed', seq: 8, reason: 'done', timestamp: at(2_000) }]);
  assert.deepEqual(
    [closed.state, closed.cells[0]!.outcome, closed.calls.at(-1)!.cancelled],
    ['closed', 'lost', true],
  );
  assert.equal(dataOf(LIFE.slice(0, 1)).state, 'empty');
  assert.match(renderTimeline(dataOf([]), makePalette(false), 80), /no events in this range/);
});

test('a very long session is put together, and says so', () => {
  const events: SessionEvent[] = [];
  for (let cell = 1; cell <= 5_000; cell++) {
    const timestamp = at(cell * 1_000);
    events.push({ type: 'input', seq: 2 * cell, code: `${cell}`, timestamp, cell });
    if (cell === 2_500) events.push({ type: 'error', seq: 2 * cell + 1, message: 'here', timestamp, cell });
    else events.push({ type: 'output', seq: 2 * cell + 1, value: '', timestamp, cell });
  }
  const picture = renderTimeline(dataOf(events, 40), makePalette(false), 80);
  assert.ok(picture.split('\n').length < 60);
  assert.match(picture, /5000 cells in \d\d rows: neighbours are put together/);
  assert.match(picture, /✗ here/);
});
