/** The table of operations: what holds for every row, and the one that the documentation shows. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encode } from '../../bus/codec.ts';
import { ANY_WORKER } from '../../bus/operations/any-worker.ts';
import { MODEL } from '../../bus/operations/models.ts';
import { PRESENCE } from '../../bus/operations/presence.ts';
import { type AnyOperation, readRequest } from '../../bus/operations/row.ts';
import { SESSION } from '../../bus/operations/sessions.ts';
import { APPEND, STORE } from '../../bus/operations/storage.ts';
import { WORKER } from '../../bus/operations/workers.ts';
import { NAME_LENGTH_MAX, normalName } from '../../bus/subjects.ts';
import { AccessMode } from '../../bus/types.ts';

const rows: [string, AnyOperation][] = Object.entries({
  ...SESSION,
  ...WORKER,
  ...ANY_WORKER,
  append: APPEND,
  ...STORE,
  call: MODEL.call,
  ...PRESENCE,
});

test('every operation refuses what is no map, with BAD_FORMAT', () => {
  for (const [name, row] of rows) {
    for (const value of [null, 7, 'text', true]) {
      assert.throws(() => readRequest(row, encode(value)), { code: 'BAD_FORMAT' }, name);
    }
    assert.throws(() => readRequest(row, Uint8Array.of(0xc1)), { code: 'BAD_FORMAT' }, name);
  }
});

test('what a client asks is refused for its size before it is decoded, and for its shape before it is looked through', () => {
  const heavy = {
    'an array': [],
    'many fields': Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, null])),
  };
  for (const [name, row] of rows) {
    for (const [shape, value] of Object.entries(heavy)) {
      assert.throws(() => readRequest(row, encode(value)), { code: 'BAD_FORMAT' }, `${name}: ${shape}`);
    }
    if (!row.from.includes('client')) continue;
    const bytes = new Uint8Array(2 * 1024 * 1024);
    assert.throws(() => readRequest(row, bytes), { code: 'TOO_LARGE' }, name);
  }
  const request = { session: 's', request: heavy['many fields'] };
  assert.throws(() => readRequest(WORKER.activate, encode(request)), { code: 'BAD_FORMAT' });
});

test('a name that would take minutes to be normalised is refused at once', () => {
  assert.throws(() => normalName(`a${'\u0301\u0316'.repeat(150_000)}`), { code: 'BAD_NAME' });
  const decomposed = 'e\u0301'.repeat(NAME_LENGTH_MAX);
  assert.equal(normalName(decomposed).length, NAME_LENGTH_MAX);
});

test('what only reads may be asked again', () => {
  const wrong = rows.filter(([, { access, idempotent }]) => access === AccessMode.ReadOnly && !idempotent);
  assert.deepEqual(wrong, []);
});

test('a request to a session carries the name of its row', () => {
  for (const [name, row] of Object.entries(SESSION)) {
    const request = { op: name, session: 's', command: '1', commandId: 'id', code: '', cursor: 0 };
    assert.deepEqual(readRequest(row, encode(request)), request);
    assert.throws(() => readRequest(row, encode({ ...request, op: 'other' })), { code: 'BAD_FORMAT' });
  }
});

/** Accept a change of the table with UPDATE_DOCS=1. */
test('docs/operations.md shows this table', () => {
  const lines = rows.map(([name, { subject, from, access, idempotent, answer, what }]) => {
    const mode = access === AccessMode.ReadOnly ? 'reads' : idempotent ? 'writes, once' : 'writes';
    return `| \`${name}\` | \`${subject}\` | ${from.join(', ')} | ${mode} | ${answer} | ${what} |`;
  });
  const head = [
    '| operation | subject | asked by | access | answer | what it does |',
    '|---|---|---|---|---|---|',
  ];
  const file = fileURLToPath(new URL('../../docs/operations.md', import.meta.url));
  const wanted = readFileSync(file, 'utf8').replace(
    /<!-- table -->[\s\S]*<!-- \/table -->/,
    () => `<!-- table -->\n${[...head, ...lines].join('\n')}\n<!-- /table -->`,
  );
  if (process.env.UPDATE_DOCS === '1') writeFileSync(file, wanted);
  assert.equal(readFileSync(file, 'utf8'), wanted, 'accept the new table with UPDATE_DOCS=1');
});
