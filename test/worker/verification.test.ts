import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { makeCommit } from '../../actors/session/commit.ts';
import { emptyFold } from '../../actors/timeline/fold.ts';
import type { TimelinePorts } from '../../actors/timeline/timeline.ts';
import { verifySession } from '../../actors/worker/verification.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { KernelSession } from '../kit/kernel-session.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const timestamp = new Date(1_000).toISOString();

/** A log of one cell and a checkpoint that names the heap `stateId`, whose image the store has. */
function storeOf(kernel: string, stateId: string, image: Uint8Array | null): TimelinePorts['store'] {
  const events: SessionEvent[] = [
    { type: 'session', version: 1, seq: 0, id: 'id', created: timestamp, name: 's', seed: 'seed', kernel },
    { type: 'input', seq: 1, code: 'let x = 1', timestamp, commandId: 'c', cell: 1 },
    { type: 'output', seq: 2, value: '', timestamp, stream: 'result', cell: 1 },
    { type: 'checkpoint', seq: 3, reason: 'test', stateId, timestamp },
  ];
  const facts = { commit: 'one', epoch: 1, kernel, atMs: 1_000 };
  const { commit } = makeCommit(emptyFold('s'), events, facts);
  const stored = { commit, position: 1, sizeBytes: 100 };
  const refuse = async () => assert.fail('a verification writes nothing');
  return {
    getLarge: refuse,
    load: async () => ({ last: stored, checkpoint: null, tail: [stored], more: false }),
    async *read() {},
    async *scan() {},
    trouble: refuse,
    image: async (name) => (name === stateId ? image : null),
  };
}

test('a heap that differs from its checkpoint is told with the pages in which it does', async () => {
  const kernel = await makeKernelHost({ threads: 1 });
  try {
    const verify = (store: TimelinePorts['store']) => verifySession('s', { store, kernel, log });
    const other = await KernelSession.open(kernel, 'other');
    await other.run('let x = 2');
    const { stateId, bytes } = await kernel.capture('other');

    const { verified, divergence } = await verify(storeOf(kernel.version, stateId, bytes));
    assert.equal(verified, false);
    assert.deepEqual([divergence?.seq, divergence?.kind, divergence?.expected], [3, 'stateId', stateId]);
    assert.match(divergence!.actual, /^[0-9a-f]{64} \(\d+ heap pages differ: \d+/);

    const lost = await verify(storeOf(kernel.version, stateId, null));
    assert.match(lost.divergence!.actual, /^[0-9a-f]{64}$/);
  } finally {
    await kernel.close();
  }
});
