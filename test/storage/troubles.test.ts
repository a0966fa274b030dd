/** Sessions that cannot be restored: how long they are left alone, and who is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { SessionIndex } from '../../storage/session-index.ts';
import { Troubles } from '../../storage/troubles.ts';
import { KERNEL, SessionWriter } from '../kit/commits.ts';
import { makeVirtualClock } from '../kit/virtual-clock.ts';

const failure = { code: 'DIVERGED', message: 'it diverges', hint: 'look' } as const;

async function world() {
  const clock = makeVirtualClock();
  const [log, blobs] = [new MemoryLog(), new MemoryBlobs()];
  const by = new SessionWriter('s');
  const write = async () => {
    const commit = by.next(undefined, { head: { running: true } });
    by.wrote(commit, await log.append(commit, by.position));
  };
  await write();
  // Another process each time: nothing rests on what one of them remembers.
  const troubles = () => new Troubles(log, blobs, clock);
  const fail = () => troubles().note({ session: 's', kernel: KERNEL, failure });
  const tried = () => troubles().assertWorthTrying('s', KERNEL);
  return { clock, log, write, troubles, fail, tried };
}

test('a session that goes on failing is tried after 5 s, then ever more rarely, at last once an hour', async () => {
  const { clock, fail, tried } = await world();
  assert.equal(await tried(), false);
  for (const seconds of [5, 20, 80, 320, 1_280, 3_600, 3_600]) {
    await fail();
    await clock.advance(seconds * 1_000 - 1);
    await assert.rejects(tried(), {
      code: 'DIVERGED',
      message: 'it diverges',
      hint: 'look',
      retryable: false,
    });
    await fail(); // told by somebody who was told: no try
    await clock.advance(1);
    assert.equal(await tried(), true);
  }
});

test('it is tried at once when its log has changed, by another kernel, and by whoever verifies it', async () => {
  const { fail, tried, troubles, write } = await world();
  await fail();
  assert.equal(await troubles().assertWorthTrying('s', 'another'), true);
  assert.equal(await troubles().assertWorthTrying('s', ''), true);
  await write();
  assert.equal(await tried(), true);
  await fail();
  assert.equal((await troubles().all()).get('s')?.tries, 1);
});

test('a session that has lost durable commits is told so for as long as they are gone, whoever asks and whenever', async () => {
  const { clock, log, write, troubles, tried } = await world();
  await write();
  const whole = (await log.scan('s', 0, 10)).map(({ position }) => position);
  const lost = whole.at(-1)!;
  log.tamper('s', (messages) => messages.slice(0, -1));
  const cutOff = { code: 'CORRUPT', message: 'it ends too early', at: { position: lost, seq: 4 } } as const;
  await troubles().note({ session: 's', kernel: KERNEL, failure: cutOff });
  for (const waitMs of [0, 10_000, 5_000_000]) {
    await clock.advance(waitMs);
    await assert.rejects(tried(), { code: 'CORRUPT', retryable: false, at: cutOff.at });
    await assert.rejects(troubles().assertWorthTrying('s', ''), { code: 'CORRUPT', at: cutOff.at });
    // What a worker finds in what is left says nothing.
    await troubles().note({ session: 's', kernel: KERNEL, failure });
    await troubles().note({ session: 's', kernel: KERNEL, failure: null });
  }
  await troubles().forget('s');
  assert.equal(await tried(), false);
});

test('a damaged session is told of once, not at every list', async () => {
  const { log } = await world();
  await log.append(new SessionWriter('damaged').next(), 0);
  log.tamper('damaged', ([only]) => [{ ...only!, expected: 99 }]);
  const told: string[] = [];
  const index = new SessionIndex(log, ({ message }) => told.push(message));
  for (let i = 0; i < 5; i++) assert.equal((await index.list({})).troubles?.length, 1);
  assert.equal(told.length, 1);
});

test('a session that was restored is in trouble no more', async () => {
  const { fail, tried, troubles } = await world();
  await fail();
  await troubles().note({ session: 's', kernel: KERNEL, failure: null });
  assert.equal(await tried(), false);
  assert.equal((await troubles().all()).size, 0);
});

test('the list tells of trouble, and gives nobody as work what is to wait', async () => {
  const { clock, log, fail, troubles } = await world();
  await log.append(new SessionWriter('damaged').next(), 0);
  log.tamper('damaged', ([only]) => [{ ...only!, expected: 99 }]);
  await fail();
  const index = new SessionIndex(log, () => {});
  const list = async (unfinishedAt?: number) =>
    index.list({ unfinishedAt }, await troubles().all(), clock.now());
  const { sessions, troubles: told = [] } = await list();
  assert.deepEqual(
    sessions.map(({ name }) => name),
    ['s'],
  );
  assert.deepEqual(
    told.map(({ session, code, tries }) => [session, code, tries]),
    [
      ['damaged', 'CORRUPT', 0],
      ['s', 'DIVERGED', 1],
    ],
  );
  assert.equal((await list(clock.now())).sessions.length, 0);
  await clock.advance(5_000);
  assert.equal((await list(clock.now())).sessions.length, 1);
});
