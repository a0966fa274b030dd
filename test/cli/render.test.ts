import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { ERROR_CODES, type ErrorCode, RepriseError } from '../../bus/errors.ts';
import type { ReplayReply } from '../../bus/operations/looks.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import type { ReplState, SessionEvent, SessionMetadata } from '../../bus/types.ts';
import { answerJson, renderAnswer } from '../../cli/render/answer.ts';
import { eventJson, renderEvent } from '../../cli/render/event.ts';
import { failureJson, renderFailure } from '../../cli/render/failure.ts';
import { makePalette, wantsColour } from '../../cli/render/palette.ts';
import { metadataJson, renderSession, renderSessions } from '../../cli/render/session.ts';
import { firstLine, formatBytes, formatTime, printable } from '../../cli/render/text.ts';
import { renderVerification } from '../../cli/render/verification.ts';

const plain = makePalette(false);
const coloured = makePalette(true);
const created = new Date('2026-01-02T03:04:05.678Z');
const metadata = (name: string, more: Partial<SessionMetadata> = {}): SessionMetadata => ({
  id: 'id-1',
  name,
  created,
  lastAccessed: created,
  eventCount: 12,
  checkpointCount: 1,
  size: 34_567,
  ...more,
});
const reply: ExecuteReply = {
  session: 's',
  commandId: 'c',
  seq: [1, 2],
  output: '42',
  shouldExit: false,
  stdout: 'hello',
  stderr: '',
  error: null,
  durationMs: 1.5,
  worker: 'w1',
  repeated: false,
};

test('colours follow FORCE_COLOR, then NO_COLOR, then the terminal', () => {
  assert.equal(wantsColour({}, true), true);
  assert.equal(wantsColour({}, false), false);
  assert.equal(wantsColour({ TERM: 'dumb' }, true), false);
  assert.equal(wantsColour({ NO_COLOR: '1' }, true), false);
  assert.equal(wantsColour({ NO_COLOR: '' }, true), true);
  assert.equal(wantsColour({ FORCE_COLOR: '1' }, false), true);
  assert.equal(wantsColour({ FORCE_COLOR: '0' }, true), false);
  assert.equal(wantsColour({ FORCE_COLOR: '1', NO_COLOR: '1' }, false), true);
});

test('painting never changes what is read', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ -~\n]*$/), (text) => {
      assert.equal(stripVTControlCharacters(coloured.red(text)), text);
      assert.equal(plain.red(text), text);
    }),
  );
});

test('sizes and times read shortly', () => {
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(1023), '1023 B');
  assert.equal(formatBytes(1024), '1 KiB');
  assert.equal(formatBytes(34_567), '33.8 KiB');
  assert.equal(formatBytes(5 * 1024 ** 4), '5 TiB');
  assert.equal(formatTime(created), '2026-01-02 03:04:05');
  assert.equal(formatTime('yesterday'), 'yesterday');
});

test('control characters become visible, text does not change', () => {
  assert.equal(printable('a\u001b[2Jb\u0007\u009bc'), 'a\\x1b[2Jb\\x07\\x9bc');
  const letters = 'päivää\n\t日本 😀 👩\u200d🚀 می\u200cخواهم 🏴\u{e0067}\u{e0062}\u{e007f}';
  assert.equal(printable(letters), letters);
  assert.equal(printable('a\u202eb\u200bc\u2028\ufeff\u00ad'), 'a\\u202eb\\u200bc\\u2028\\ufeff\\xad');
});

test('a first line is cut at characters, never inside one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, width) => {
      const { line, more } = firstLine(text, width);
      assert.ok([...line].length <= width);
      assert.ok(!line.includes('\n') && more >= 0);
      assert.ok(line.isWellFormed());
    }),
  );
  assert.deepEqual(firstLine('\n one\ntwo\nthree\n', 80), { line: ' one', more: 2 });
});

test('an answer keeps its streams apart and ends every one with a newline', () => {
  const answer = renderAnswer({ ...reply, stderr: 'careful\n' }, plain);
  assert.deepEqual(answer, { stdout: 'hello\n', stderr: 'careful\n', result: '42\n', failure: '' });
});

test('an error is shown with its name, message and stack, once each', () => {
  const error = { name: 'TypeError', message: 'no', stack: 'TypeError: no\n    at <cell 3>:2:7' };
  assert.equal(renderAnswer({ ...reply, error }, plain).failure, `${error.stack}\n`);
  const frames = { ...error, stack: '    at <cell 3>:2:7' };
  assert.equal(renderAnswer({ ...reply, error: frames }, plain).failure, `${error.stack}\n`);
  const silent = { name: 'Error', message: '', stack: 'Error\n    at <cell 3>:2:7' };
  assert.equal(renderAnswer({ ...reply, error: silent }, plain).failure, `${silent.stack}\n`);
  const bare = { name: 'Error', message: 'x', stack: '' };
  assert.equal(renderAnswer({ ...reply, error: bare }, plain).failure, 'Error: x\n');
});

test('exec --json is one line with the fields of the contract first', () => {
  const line = answerJson({ ...reply, output: 'a\nb' });
  assert.equal(line.trimEnd().split('\n').length, 1);
  assert.deepEqual(Object.keys(JSON.parse(line)).slice(0, 8), [
    'session',
    'commandId',
    'seq',
    'output',
    'shouldExit',
    'stdout',
    'error',
    'durationMs',
  ]);
});

test('every error code has an exit code, an answer about retrying, and a next step', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const error = new RepriseError(code, 'it broke');
    assert.ok([1, 2, 3, 4, 5, 6].includes(error.exitCode), code);
    if (error.retryable) assert.equal(error.exitCode, 5, code);
    const text = renderFailure(error, plain);
    assert.match(text, /^error: it broke \([A-Z_]+\)\n {2}(Safe to retry\.|A retry alone will not help\.)\n/);
    if (code !== 'PROVIDER') assert.match(text, /\n {2}Next: /, code);
  }
});

test('a failure as JSON says error, code, retryable and hint, and what the command adds', () => {
  const json = JSON.parse(failureJson(new RepriseError('TIMEOUT', 'late'), { commandId: 'c' }));
  assert.deepEqual(Object.keys(json), ['error', 'code', 'retryable', 'hint', 'commandId']);
  assert.equal(json.retryable, true);
});

test('no sessions: a hint; several: the last used first', () => {
  assert.match(renderSessions([], plain), /No sessions yet.*reprise exec/);
  const older = metadata('old');
  const newer = metadata('日本 *.>', { lastAccessed: new Date('2026-02-01T00:00:00Z') });
  const lines = renderSessions([older, newer], plain).split('\n');
  assert.match(lines[0]!, /SESSION +EVENTS +CHECKPOINTS +SIZE +CREATED +LAST USED/);
  assert.ok(lines[1]!.startsWith('日本 *.>'));
  assert.ok(lines[2]!.startsWith('old'));
  assert.ok(!renderSessions([newer], plain).includes('\u001b'));
});

test('a long name is cut where the table would not fit the terminal, and nowhere else', () => {
  const long = metadata('n'.repeat(300));
  assert.match(renderSessions([long], plain), /n{300}/);
  const lines = renderSessions([long], plain, 120).trimEnd().split('\n');
  assert.match(lines[1]!, /^n{39}… /);
  assert.ok(lines.every((line) => line.length <= 120));
});

test('a failure that may be retried names the id of its command, as a shell takes it', () => {
  const error = new RepriseError('TIMEOUT', 'nothing');
  assert.match(renderFailure(error, plain, "it's 7"), /^ {2}Id: {3}--id 'it'\\''s 7'$/m);
  assert.doesNotMatch(renderFailure(new RepriseError('CLOSED', 'over'), plain, 'x'), /--id/);
  assert.ok(!renderFailure(new RepriseError('NOT_FOUND', 'no \u001b[31m'), plain).includes('\u001b'));
});

test('metadata as JSON has ISO dates', () => {
  assert.equal(metadataJson(metadata('a')).created, '2026-01-02T03:04:05.678Z');
});

test('show tells variables and pending effects, on one line each', () => {
  const state: ReplState = {
    seq: 11,
    cells: 3,
    status: 'awaitingEffects',
    stateId: 'abc',
    heapBytes: 2048,
    kernel: 'k1',
    variables: [{ name: 'x', type: 'number', preview: '1', kind: 'let' }],
    pending: [{ effect: 4, kind: 'llm', seq: 9, detail: 'first\nsecond' }],
  };
  const text = renderSession({ state, metadata: metadata('a') }, plain);
  assert.match(text, /^session +a$/m);
  assert.match(text, /^let +x +number +1$/m);
  assert.match(text, /^4 +llm +9 +first second$/m);
  const empty = { ...state, variables: [], pending: [] };
  assert.match(renderSession({ state: empty, metadata: metadata('a') }, plain), /no variables/);
});

const timestamp = created.toISOString();
const events: SessionEvent[] = [
  { type: 'session', version: 1, id: 'id-1', created: timestamp, name: 'a' },
  { type: 'input', seq: 1, code: 'f(\n1)', timestamp, cell: 1 },
  { type: 'output', seq: 2, value: 'printed', timestamp, stream: 'stdout' },
  { type: 'output', seq: 3, value: '1', timestamp },
  { type: 'error', seq: 4, message: 'bad', timestamp, stack: 'Error: bad\n  at <cell 1>:1:1' },
  { type: 'checkpoint', seq: 5, reason: 'idle', stateId: 'abcdef', timestamp },
  { type: 'llm_req', seq: 6, prompt: 'hi', receiptKey: 'r' },
  { type: 'llm_resp', seq: 7, response: '', receiptKey: 'r', error: { name: 'ApiError', message: 'down' } },
  { type: 'effect_req', seq: 8, kind: 'timer', effect: 1, timestamp, payload: { delayMs: 5 } },
  { type: 'effect_resp', seq: 9, kind: 'timer', effect: 1, timestamp },
  { type: 'effect_cancel', seq: 10, effect: 1, timestamp },
  { type: 'interrupt', seq: 11, reason: 'user', timestamp, fuel: 3, at: 1 },
  { type: 'closed', seq: 12, reason: 'exit', timestamp },
];

test('every event is one line: seq, time, type, the first line of its content', () => {
  for (const event of events) {
    const line = renderEvent(event, plain, 100);
    assert.equal(line.indexOf('\n'), line.length - 1, event.type);
    assert.ok(line.startsWith(String(event.seq ?? 0).padStart(6)));
    assert.deepEqual(JSON.parse(eventJson(event)), event);
  }
  assert.equal(
    renderEvent(events[1]!, plain, 100),
    '     1  2026-01-02 03:04:05  input         [1] f( … +1\n',
  );
  assert.match(renderEvent(events[2]!, plain, 100), /stdout {8}printed/);
  assert.match(renderEvent(events[7]!, plain, 100), /✗ ApiError: down/);
});

test('an event of a type from the future is still one line', () => {
  const event = { type: 'telepathy', seq: 3, timestamp } as unknown as SessionEvent;
  assert.match(renderEvent(event, plain, 100), /^ {5}3 .*telepathy/);
});

test('a replay that matches says what was compared; one that does not shows both sides', () => {
  const good: ReplayReply = { verified: true, events: 9, checkpoints: 1, durationMs: 12 };
  assert.match(renderVerification(good, plain), /^verified: 9 events and 1 checkpoint /);
  const divergence = { seq: 4, kind: 'output', expected: '1', actual: '2' } as const;
  const text = renderVerification({ ...good, verified: false, divergence }, plain);
  assert.match(text, /^diverged .* seq 4 \(output\)\n {2}in the log: 1\n {2}re-derived: 2\n$/);
});
