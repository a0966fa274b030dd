/** Logs that anybody may have written: read line by line, completed, or refused with the line's number. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { contractLog } from '../../bus/client/contract-log.ts';
import { jsonLines } from '../../bus/client/lines.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { eventsIn, jsonl } from '../kit/jsonl.ts';

const all = async (text: string | Uint8Array, chunkBytes?: number): Promise<SessionEvent[]> => {
  const events: SessionEvent[] = [];
  for await (const event of eventsIn(text, chunkBytes)) events.push(event);
  return events;
};
const at = '2026-01-01T00:00:00.000Z';
const SMALL = [
  { type: 'session', version: 6, id: 'i', created: at, seq: 0, kernel: 'k' },
  { type: 'input', seq: 1, code: '"é"', timestamp: at, cell: 1 },
  { type: 'output', seq: 2, value: "'é'", timestamp: at, cell: 1 },
];

test('a log of ours comes out as it went in, however its bytes arrive, with BOM, CRLF and empty lines', async () => {
  const folder = new URL('../histories/', import.meta.url);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.jsonl'))) {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const events = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(await all(text), events, file);
  }
  const text = jsonl(SMALL);
  for (const size of [1, 2, 3, 7, 1_000]) assert.deepEqual(await all(text, size), SMALL);
  assert.deepEqual(await all(`\uFEFF${text.replaceAll('\n', '\r\n')}\r\n\r\n`), SMALL);
  assert.deepEqual(await all(text.trimEnd()), SMALL);
});

test('what is no log is refused with the number of the line and the reason', async () => {
  const line = (value: object) => jsonl([...SMALL, value]);
  const cases: [string | Uint8Array, RegExp][] = [
    ['', /nothing in it/],
    ['\n\n', /nothing in it/],
    [Buffer.from([0xff, 0xfe, 0, 1]), /^line 1: it is no text in UTF-8/],
    ['hello\n', /^line 1: it is no JSON/],
    ['[]\n', /^line 1: it is no event/],
    ['{}\n', /^line 1: .*no type/],
    [jsonl(SMALL.slice(1)), /^line 1: the first event of a log/],
    [jsonl([SMALL[0]!, SMALL[0]!]), /^line 2: the first event of a log/],
    [`${jsonl(SMALL)}\n{"type":"input","se`, /^line 5: it is no JSON/],
    [jsonl([SMALL[0]!, SMALL[2]!]), /^line 2: its seq is 2 instead of 1/],
    [line({ type: 'wish', seq: 3 }), /^line 4: .*"wish"/],
    [line({ type: 'input', seq: 3, timestamp: at }), /^line 4: code/],
    [line({ type: 'input', seq: 3, code: 'x', timestamp: 'soon' }), /^line 4: "soon" is no time/],
    [
      line({ type: 'output', seq: 3, value: 'x', large: { sha256: 'x', bytes: 1 } }),
      /^line 4: .*not in the log/,
    ],
    [
      line({ type: 'closed', seq: 3, reason: 'x', timestamp: at }) + jsonl([{ type: 'input', seq: 4 }]),
      /^line 5/,
    ],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(all(text), { code: 'BAD_FORMAT', message }, String(text).slice(0, 80));
  }
  for (let i = 0; i < 50; i++) await assert.rejects(all(randomBytes(1 + i * 20)), { code: 'BAD_FORMAT' });
});

test('every cut of a log is refused, or is the log up to a line', async () => {
  const text = jsonl(SMALL);
  for (let end = 1; end < text.length; end++) {
    const events = await all(text.slice(0, end)).catch((error: { message: string }) => error.message);
    if (typeof events === 'string') assert.match(events, /^line \d: it is no JSON/);
    else assert.deepEqual(events, SMALL.slice(0, events.length));
  }
});

test('a line without an end is refused before it is held whole', async () => {
  let read = 0;
  async function* endless() {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    for (; read < 200; read++) yield chunk;
  }
  const work = async () => {
    for await (const _ of contractLog(jsonLines(endless()))) assert.fail('there is no event');
  };
  await assert.rejects(work, { code: 'TOO_LARGE', message: /^line 1 / });
  assert.ok(read < 150, `${read} MiB`);
});

test('what the contract leaves open is filled in: numbers, times, cells, effects, receipt keys', async () => {
  const events = await all(
    jsonl([
      { type: 'session' },
      { type: 'input', code: 'a' },
      { type: 'llm_req', prompt: 'p', receiptKey: 'x' },
      { type: 'llm_req', prompt: 'q', receiptKey: 'y' },
      { type: 'llm_resp', response: 'to q', receiptKey: 'y' },
      { type: 'llm_resp', response: 'to p' },
      { type: 'output', value: 'v', timestamp: 86_400_000 },
      { type: 'checkpoint', stateId: 'any/thing' },
      { type: 'closed' },
    ]),
  );
  assert.deepEqual(
    events.map(({ seq }) => seq),
    [...events.keys()],
  );
  const facts = events.map((event) => [
    'cell' in event ? event.cell : null,
    'effect' in event ? event.effect : null,
  ]);
  assert.deepEqual(facts.slice(1, 7), [
    [1, null],
    [1, 1],
    [1, 2],
    [null, 2],
    [null, 1],
    [1, null],
  ]);
  assert.deepEqual((events[6] as { timestamp: string }).timestamp, '1970-01-02T00:00:00.000Z');
  assert.match((events[7] as { stateId: string }).stateId, /^[0-9a-f]{64}$/);
});
