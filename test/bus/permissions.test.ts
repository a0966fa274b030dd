/** The table of permissions as a table: complete, without overlaps, and the one that the documentation shows. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accountsConfig, type Credentials } from '../../actors/supervisor/nats-server/config.ts';
import { ANY_WORKER } from '../../bus/operations/any-worker.ts';
import { BLOB_KINDS } from '../../bus/operations/blobs.ts';
import { inboxPrefix, permissionsOf, subjectFamilies } from '../../bus/permissions.ts';
import { ROLES } from '../../bus/roles.ts';
import { makeSubjects, processId } from '../../bus/subjects.ts';

const subjects = makeSubjects('reprise');
const families = subjectFamilies(subjects);

/** Whether a subject is one of a pattern. */
function matches(pattern: string, subject: string): boolean {
  const [wanted, tokens] = [pattern.split('.'), subject.split('.')];
  if (wanted.at(-1) !== '>' && wanted.length !== tokens.length) return false;
  return wanted.every(
    (token, index) => token === '>' || (tokens[index] && ['*', tokens[index]].includes(token)),
  );
}

test('every subject that is built belongs to exactly one family', () => {
  const built = [
    subjects.cmd('x'),
    subjects.activate,
    subjects.activateAt(processId('worker-1', 'a')),
    subjects.importAt(processId('worker-1', 'a')),
    ...['worker-1', 'worker', 'llm', 'storage', 'supervisor'].map((slot) =>
      subjects.ping(processId(slot, 'a')),
    ),
    subjects.who,
    subjects.sweep,
    subjects.append('x'),
    subjects.log('x'),
    ...['load', 'read', 'find', 'scan', 'trouble', 'get', 'list', 'examine', 'delete'].map((operation) =>
      subjects.store(operation),
    ),
    ...BLOB_KINDS.flatMap((kind) => [
      subjects.store(`blob.get.${kind}`),
      subjects.store(`blob.put.${kind}`),
      subjects.blob(kind, 'key'),
      subjects.blob(kind, 'scope.key'),
    ]),
    subjects.live('x'),
    ...Object.values(ANY_WORKER).map((row) => subjects.any(row)),
    subjects.llm,
    subjects.streams.log.marker,
    subjects.streams.blob.marker,
  ];
  for (const subject of built) {
    const found = families.filter(({ pattern }) => matches(pattern, subject)).map(({ name }) => name);
    assert.equal(found.length, 1, `${subject} is in ${found.join(', ') || 'no family'}`);
  }
  const unused = families.filter(({ pattern }) => !built.some((subject) => matches(pattern, subject)));
  assert.deepEqual(unused, []);
});

test('no permission reaches further than one prefix, one inbox, or the streams of storage', () => {
  for (const role of ROLES) {
    const { publish, subscribe } = permissionsOf(role, subjects);
    for (const pattern of [...publish, ...subscribe]) {
      assert.match(
        pattern,
        /^(reprise\.\w+|_INBOX\.\w+\.|_R_\.>$|\$JS\.API\.(INFO$|.*\.REPRISE_(LOG|BLOB)(\.>)?$))/,
      );
    }
    assert.equal(
      publish.some((pattern) => pattern.startsWith('$JS')),
      role === 'storage',
    );
  }
});

test('the name of a user cannot widen where its answers arrive', () => {
  for (const user of ['*', '>', 'a.b', 'ä b', '', '$', 'x'.repeat(100)]) {
    assert.match(inboxPrefix('client', user), /^_INBOX\.client(\.[\w-]+)?$/, JSON.stringify(user));
  }
  assert.equal(inboxPrefix('client', 'alice'), '_INBOX.client.alice');
});

/** Accept a change of the table with UPDATE_DOCS=1. */
test('docs/security.md shows this table, and these accounts', () => {
  const rows = families.map(({ name, kind, from, to, what }) => {
    const how = kind === 'request' ? `${what}` : `${what} (no answer)`;
    return `| \`${name}\` | ${from.join(', ')} | ${to.join(', ') || '(the stream)'} | ${how} |`;
  });
  const table = ['| subject | who sends | who receives | what it does |', '|---|---|---|---|', ...rows].join(
    '\n',
  );
  const names = [...ROLES, 'system'] as const;
  const users = Object.fromEntries(names.map((user) => [user, { user, password: `change-me-${user}` }]));
  const accounts = `\`\`\`\n${accountsConfig('reprise', users as Credentials)}\n\`\`\``;
  const file = fileURLToPath(new URL('../../docs/security.md', import.meta.url));
  const text = readFileSync(file, 'utf8');
  const wanted = Object.entries({ table, accounts }).reduce(
    (all, [mark, content]) =>
      all.replace(
        new RegExp(`<!-- ${mark} -->[\\s\\S]*<!-- /${mark} -->`),
        () => `<!-- ${mark} -->\n${content}\n<!-- /${mark} -->`,
      ),
    text,
  );
  if (process.env.UPDATE_DOCS === '1') writeFileSync(file, wanted);
  assert.equal(readFileSync(file, 'utf8'), wanted, 'accept the new table with UPDATE_DOCS=1');
});
