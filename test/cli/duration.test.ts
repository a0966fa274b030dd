import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../bus/errors.ts';
import { DURATION_MAX_MS, formatDuration, parseDuration } from '../../cli/duration.ts';

test('a duration is a number and a unit', () => {
  assert.equal(parseDuration('500ms'), 500);
  assert.equal(parseDuration('30s'), 30_000);
  assert.equal(parseDuration('1.5m'), 90_000);
  assert.equal(parseDuration('2h'), 7_200_000);
  assert.equal(parseDuration(' .5s '), 500);
});

test('a part of a millisecond counts as one', () => {
  assert.equal(parseDuration('0.2ms'), 1);
});

test('everything else is refused as bad usage', () => {
  for (const text of [
    '',
    '30',
    's',
    '-1s',
    '1d',
    '1 s',
    '1e3s',
    '0s',
    '0ms',
    'Infinitys',
    '99999h',
    '1s2s',
  ]) {
    assert.throws(
      () => parseDuration(text),
      (error) => hasCode(error, 'BAD_REQUEST') && error.exitCode === 2,
      text,
    );
  }
});

test('any whole number of milliseconds within the bounds survives parsing', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: DURATION_MAX_MS }), (ms) => {
      assert.equal(parseDuration(`${ms}ms`), ms);
    }),
  );
});

test('no text makes the parser throw anything but a RepriseError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]*(ms|s|m|h)?$/)), (text) => {
      try {
        const ms = parseDuration(text);
        assert.ok(Number.isInteger(ms) && ms > 0 && ms <= DURATION_MAX_MS);
      } catch (thrown) {
        assert.ok(hasCode(thrown, 'BAD_REQUEST'));
      }
    }),
  );
});

test('durations read shortly', () => {
  assert.equal(formatDuration(0.25), '0.3 ms');
  assert.equal(formatDuration(7), '7 ms');
  assert.equal(formatDuration(999), '999 ms');
  assert.equal(formatDuration(1500), '1.5 s');
  assert.equal(formatDuration(59_999), '1 m');
  assert.equal(formatDuration(125_000), '2 m 5 s');
  assert.equal(formatDuration(7_260_000), '2 h 1 m');
});
