/** Sessions that are written in several commits before they are there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../bus/port.ts';
import { SessionWriter } from '../kit/commits.ts';
import { append, ask, memoryWorld, startStorage } from './world.ts';

const PARTIAL = { head: { partial: true } };

/** A storage whose time is moved by the test; looks for what was left come in real time. */
async function start() {
  const world = await memoryWorld();
  let aheadMs = 0;
  const clock = {
    now: () => systemClock.now() + aheadMs,
    setTimer: (callback: () => void, delayMs: number) => systemClock.setTimer(callback, delayMs / 100),
  };
  const actor = await startStorage(world, { clock });
  const bus = await world.client();
  const isThere = async (session: string) => {
    const { metadata } = await ask<{ metadata: object | null }>(bus, 'get', { session });
    const { sessions } = await ask<{ sessions: { name: string }[] }>(bus, 'list', {});
    const { last } = await ask<{ last: object | null }>(bus, 'load', { session, kernel: 'k' });
    const { commits } = await ask<{ commits: object[] }>(bus, 'read', { session, from: 0 });
    const found = [metadata !== null, sessions.some(({ name }) => name === session), last !== null];
    assert.equal(new Set([...found, commits.length > 0]).size, 1, 'all say the same');
    return found[0]!;
  };
  const write = async (writer: SessionWriter, options = {}) => {
    const commit = writer.next(undefined, options);
    writer.wrote(commit, await append(bus, commit, writer.position));
  };
  return {
    bus,
    isThere,
    write,
    pass: (ms: number) => {
      aheadMs += ms;
    },
    [Symbol.asyncDispose]: () => actor.stop(),
  };
}

test('a session is there, whole, with its first commit that is not partial, and never partial again', async () => {
  await using storage = await start();
  const writer = new SessionWriter('s');
  await storage.write(writer, PARTIAL);
  assert.equal(await storage.isThere('s'), false);
  await storage.write(writer, PARTIAL);
  assert.equal(await storage.isThere('s'), false);
  await storage.write(writer);
  assert.equal(await storage.isThere('s'), true);
  await assert.rejects(storage.write(writer, PARTIAL), { code: 'BAD_FORMAT' });
  storage.pass(3_600_000);
  await new Promise((done) => setTimeout(done, 300));
  await storage.write(writer);
  assert.equal(await storage.isThere('s'), true);
});

test('while one is written nobody begins another of its name; what nobody goes on with is removed', async () => {
  await using storage = await start();
  const [first, second] = [new SessionWriter('s'), new SessionWriter('s')];
  await storage.write(first, PARTIAL);
  await assert.rejects(storage.write(second), { code: 'UNAVAILABLE', retryable: true });
  for (;;) {
    storage.pass(5_000);
    await new Promise((done) => setTimeout(done, 60));
    try {
      await storage.write(second);
      break;
    } catch (thrown) {
      assert.equal((thrown as { code: string }).code, 'UNAVAILABLE');
    }
  }
  assert.equal(await storage.isThere('s'), true);
  // A writer that wakes up again is too late.
  await assert.rejects(storage.write(first, PARTIAL));
  await storage.write(second);
});
