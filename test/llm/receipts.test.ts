/** A receipt answers the call whose key it carries, and says what it said when it was stored; else it is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeReceipts } from '../../actors/llm/receipts.ts';
import { decode, encode } from '../../bus/codec.ts';
import { makeMemoryBus } from '../../bus/memory.ts';
import { systemClock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { StorageActor } from '../../storage/actor.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';

const subjects = makeSubjects('test');
const { signal } = new AbortController();
const ANSWER = {
  response: 'seven',
  model: 'oracle',
  usage: { inputTokens: 3, outputTokens: 1 },
  error: undefined,
};

test('a receipt that was changed, or is of another call, is CORRUPT and names its key', async () => {
  const hub = makeMemoryBus();
  const blobs = new MemoryBlobs();
  const storage = new StorageActor({
    process: 'storage',
    pid: 1,
    version: '0',
    bus: hub.connect('storage'),
    subjects,
    log: new MemoryLog(),
    blobs,
    logger: { info() {}, warn() {}, error() {} },
    durability: 'process',
  });
  await storage.start();
  try {
    const receipts = makeReceipts(hub.connect('llm'), subjects, systemClock, 1_000);
    await receipts.put('mine', ANSWER, signal);
    assert.equal((await receipts.get('mine', signal))?.response, 'seven');

    const stored = (await blobs.get('receipt', 'mine'))!;
    await blobs.put('receipt', 'theirs', stored);
    const changed = { ...(decode(stored) as object), response: 'eight' };
    await blobs.put('receipt', 'changed', encode(changed));
    for (const key of ['theirs', 'changed']) {
      await assert.rejects(receipts.get(key, signal), { code: 'CORRUPT', message: new RegExp(key) });
    }
    // An older version wrote the answer alone.
    await blobs.put('receipt', 'old', encode({ response: 'six', model: 'oracle' }));
    assert.equal((await receipts.get('old', signal))?.response, 'six');
  } finally {
    await storage.stop();
  }
});
