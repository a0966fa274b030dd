import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLlmActor } from '../../actors/llm/actor.ts';
import type { Provider } from '../../actors/llm/provider.ts';
import { RETRY_DEFAULT } from '../../actors/llm/retry.ts';
import { scopedKey } from '../../bus/blob-keys.ts';
import { decode, encode } from '../../bus/codec.ts';
import { scopeOf } from '../../bus/large.ts';
import { ENVELOPE_BYTES } from '../../bus/limits.ts';
import { longCall } from '../../bus/long-call.ts';
import { makeMemoryBus } from '../../bus/memory.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';
import { systemClock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { Reply } from '../../bus/wire.ts';
import { StorageActor } from '../../storage/actor.ts';
import { BlobParts } from '../../storage/blob-parts.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';

const subjects = makeSubjects('test');
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test('with the real storage actor: racing actors agree, and an answer larger than any message is stored apart', async () => {
  const hub = makeMemoryBus();
  const client = hub.connect('client');
  const blobs = new MemoryBlobs();
  const storage = new StorageActor({
    process: 'storage',
    pid: 1,
    version: '0',
    bus: hub.connect('storage'),
    subjects,
    log: new MemoryLog(),
    blobs,
    logger: quiet,
    durability: 'process',
  });
  await storage.start();

  // A model that never answers the same thing twice; the racers answer only when both were asked.
  let asked = 0;
  let bothAsked = () => {};
  const both = new Promise<void>((resolve) => {
    bothAsked = resolve;
  });
  const size = 3 * client.maxPayload;
  const provider: Provider = {
    name: 'oracle',
    async call(request) {
      const answer = `${++asked}`;
      if (asked === 2) bothAsked();
      await both;
      return { response: request.model === 'long' ? 'x'.repeat(size) : answer, model: request.model };
    },
  };
  const actors = ['one', 'two'].map((name) =>
    makeLlmActor({
      process: name,
      pid: 1,
      version: '0',
      bus: hub.connect(name),
      subjects,
      clock: systemClock,
      random: () => 0,
      route: (model) => ({ provider, model: model ?? 'oracle' }),
      retry: RETRY_DEFAULT,
      concurrency: 4,
      log: quiet,
    }),
  );
  for (const actor of actors) await actor.start();

  const ask = async (receiptKey: string, model: string) => {
    const data = encode({ receiptKey, session: 's', request: { prompt: 'speak', model } });
    const call = { subject: subjects.llm, data, timeoutMs: 30_000, pingSubject: subjects.ping };
    return decode(await longCall(client, call)) as Reply<LlmAnswer>;
  };
  const [heads, tails] = await Promise.all([ask('race', 'oracle'), ask('race', 'oracle')]);
  assert.equal(asked, 2);
  assert.deepEqual(heads, tails);
  assert.deepEqual(await ask('race', 'oracle'), heads);
  assert.equal(asked, 2);

  const long = await ask('long', 'long');
  assert.ok(long.ok && long.response === '' && long.large);
  const key = scopedKey(scopeOf('long'), long.large.sha256);
  const parts = new BlobParts(blobs);
  const { parts: count } = await parts.get({ kind: 'large', key });
  assert.equal(count, Math.ceil(long.large.bytes / Math.min(1_000_000, client.maxPayload - ENVELOPE_BYTES)));
  assert.deepEqual(await ask('long', 'long'), long);
  assert.equal(asked, 3);

  await Promise.all(actors.map((actor) => actor.stop(0)));
  await storage.stop();
});
