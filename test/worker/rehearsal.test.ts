import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { rehearse } from '../../actors/worker/rehearsal.ts';
import { systemClock } from '../../bus/port.ts';
import { KernelSession } from '../kit/kernel-session.ts';

const facts: string[] = [];
const log = {
  debug: (_facts: object, message: string) => void facts.push(message),
  info() {},
  warn() {},
  error() {},
};

test('a rehearsal runs to its end, touches no session of its name, and leaves nothing in the kernel', async () => {
  const kernel = await makeKernelHost({ threads: 1, instances: 4 });
  try {
    const session = await KernelSession.open(kernel, 'rehearsal');
    await session.run('let mine = 7');
    const before = await session.stateId();
    await rehearse({ kernel, clock: systemClock, log, newId: randomUUID, served: () => 0 });
    assert.deepEqual(facts, [], 'it was not cut short');
    assert.equal(await session.stateId(), before);
    assert.equal(kernel.stats().sessions, 1);
  } finally {
    await kernel.close();
  }
});

test('a rehearsal that loses its kernel ends quietly', async () => {
  const kernel = await makeKernelHost({ threads: 1, instances: 4 });
  const over = rehearse({ kernel, clock: systemClock, log, newId: randomUUID, served: () => 0 });
  await kernel.close();
  await over;
});
