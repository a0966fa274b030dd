import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSweep } from '../../actors/supervisor/sweep.ts';
import { encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { makeMemoryBus } from '../../bus/memory.ts';
import { makeSubjects } from '../../bus/subjects.ts';

const subjects = makeSubjects('t');
const metadata = (name: string) => ({
  id: name,
  name,
  created: new Date(0),
  lastAccessed: new Date(0),
  eventCount: 2,
  checkpointCount: 0,
  size: 100,
});

/** Storage with two unfinished sessions that nobody owns, and a worker that answers activations. */
function world(answer: (session: string) => object) {
  const hub = makeMemoryBus();
  const storage = hub.connect('storage');
  const asked: string[] = [];
  let nowMs = 1_000_000;
  storage.subscribe(subjects.store('list'), (message) => {
    message.respond(encode({ ok: true, sessions: ['lost', 'broken'].map(metadata), next: null }));
  });
  hub.connect('worker').subscribe(subjects.activate, (message) => {
    const session = ['lost', 'broken'].find((name) => Buffer.from(message.data).includes(name))!;
    asked.push(session);
    message.respond(encode(answer(session)));
  });
  const sweep = makeSweep({ bus: hub.connect('supervisor'), subjects, now: () => nowMs, log: () => {} });
  return {
    asked,
    sweep,
    later: (ms: number) => {
      nowMs += ms;
    },
  };
}

test('a session that cannot be restored is not tried again every round, others are', async () => {
  const { asked, sweep, later } = world((session) =>
    session === 'lost'
      ? { ok: true }
      : { ok: false, ...new RepriseError('DIVERGED', 'it diverges').toWire() },
  );
  assert.equal(await sweep(), 1);
  later(3_000);
  assert.equal(await sweep(), 1);
  assert.deepEqual(asked, ['lost', 'broken', 'lost']);
  later(600_000);
  await sweep();
  assert.deepEqual(asked.slice(3), ['lost', 'broken']);
});

test('a worker that has accepted a session and still restores it has been given it', async () => {
  const { sweep } = world(() => ({ ok: 'accepted', process: 'w' }));
  assert.equal(await sweep(), 2);
});
