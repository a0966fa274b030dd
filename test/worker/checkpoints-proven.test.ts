/**
 * A checkpoint is believed as far as its hash goes: whatever harm is done to a heap image or a stored session state,
 * the session starts from an older checkpoint or from its first event, says so, and is the same session.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commitHash, decode, encode } from '../../bus/codec.ts';
import type { Commit } from '../../bus/types.ts';
import { startWorld, type World } from './world.ts';

const HARMED = 's';

/** Newest checkpoint of a session. */
async function checkpointOf(world: World, session: string) {
  return (await world.log.last(session))!.commit.head.checkpoint!;
}

async function replaceImage(world: World, stateId: string, image: Uint8Array | null): Promise<void> {
  await world.blobs.remove('ckpt', [stateId]);
  if (image) await world.blobs.put('ckpt', stateId, image);
}

/** Changes the commit of the newest checkpoint, which is the log's last. */
function reseal(world: World, change: (commit: Commit) => Partial<Commit>): void {
  world.log.tamper(HARMED, (kept) => {
    const newest = kept.at(-1)!;
    const commit = decode(newest.bytes!) as Commit;
    const { hash: _, ...content } = { ...commit, ...change(commit) };
    return [...kept.slice(0, -1), { ...newest, bytes: encode({ ...content, hash: commitHash(content) }) }];
  });
}

/** Each does harm to the newest checkpoint of the session. */
const HARM: Record<string, (world: World, image: Uint8Array, stateId: string) => Promise<void>> = {
  "is another session's": async (world, _image, stateId) => {
    const other = await world.blobs.get('ckpt', (await checkpointOf(world, 'other')).stateId);
    await replaceImage(world, stateId, other);
  },
  'is one that the session had before': async (world, _image, stateId) => {
    const older = (await world.events(HARMED)).find((event) => event.type === 'checkpoint')!;
    assert.ok(older.type === 'checkpoint' && older.stateId !== stateId);
    await replaceImage(world, stateId, await world.blobs.get('ckpt', older.stateId));
  },
  'is missing': (world, _image, stateId) => replaceImage(world, stateId, null),
  'is cut off': (world, image, stateId) => replaceImage(world, stateId, image.slice(0, -9)),
  // In the state beside the heap: a bit of the deflated pages may say the same in other words.
  'has a bit changed': (world, image, stateId) => {
    const changed = image.slice();
    const digit = Buffer.from(changed.buffer).indexOf('"cells":') + '"cells":'.length;
    changed[digit]! ^= 4;
    return replaceImage(world, stateId, changed);
  },
  'is no image': (world, _image, stateId) => replaceImage(world, stateId, new TextEncoder().encode('hello')),
  'is empty': (world, _image, stateId) => replaceImage(world, stateId, new Uint8Array(0)),
  'comes with a session state that cannot be decoded': async (world) =>
    reseal(world, () => ({ fold: Uint8Array.of(0xc1, 1, 2) })),
  'comes with a session state of an unknown version': async (world) =>
    reseal(world, () => ({ fold: encode({ v: 99, name: HARMED }) })),
  "comes with another commit's session state": async (world) =>
    reseal(world, ({ fold }) => ({ fold: encode({ ...(decode(fold!) as object), seq: 1 }) })),
  'comes with a session state that lacks its parts': async (world) =>
    reseal(world, ({ fold }) => ({ fold: encode({ ...(decode(fold!) as object), effects: 7 }) })),
};

describe('a checkpoint whose heap', () => {
  for (const [index, [harm, act]] of Object.entries(HARM).entries()) {
    // An older one is there, or none; each harm meets one of the two.
    const isOlder = harm === 'is one that the session had before';
    for (const checkpoints of index % 2 === 0 && !isOlder ? [1] : [3]) {
      it(`${harm} is passed over, with ${checkpoints} of them`, async () => {
        await using world = await startWorld();
        await world.client.execute('other', 'let n = 1000');
        await world.client.forceSave('other');
        await world.client.execute(HARMED, 'let n = 0; const seen = []');
        for (let i = 0; i < checkpoints; i++) {
          await world.client.execute(HARMED, 'seen.push(++n)');
          await world.client.forceSave(HARMED);
        }
        const { stateId, seq } = await checkpointOf(world, HARMED);
        const image = (await world.blobs.get('ckpt', stateId))!;
        await world.kill(world.workers[0]!.worker);
        await act(world, image, stateId);
        await world.startStorage();
        await world.addWorker();
        const { output } = await world.client.execute(HARMED, '[n, seen.length]');
        assert.equal(output, `[ ${checkpoints}, ${checkpoints} ]`);
        const warned = world.warnings.filter(({ message }) =>
          message.startsWith('checkpoint cannot be used'),
        );
        assert.deepEqual(
          warned.map((warning) => warning.seq),
          [seq],
        );
        const { passedOver } = await world.client.inspect(HARMED);
        assert.deepEqual(
          passedOver?.map((passed) => passed.seq),
          [seq],
        );
        const { verified } = await world.client.replay(HARMED);
        assert.equal(verified, true);
      });
    }
  }

  it('are all damaged costs a replay of the whole log', async () => {
    await using world = await startWorld();
    await world.client.execute(HARMED, 'let n = 0');
    for (let i = 0; i < 6; i++) {
      await world.client.execute(HARMED, '++n');
      await world.client.forceSave(HARMED);
    }
    for (const event of await world.events(HARMED)) {
      if (event.type === 'checkpoint') await replaceImage(world, event.stateId, null);
    }
    await world.kill(world.workers[0]!.worker);
    await world.addWorker();
    assert.equal((await world.client.execute(HARMED, 'n')).output, '6');
  });

  it('is named by a commit that is not what its hash says is no checkpoint: the log is broken', async () => {
    await using world = await startWorld();
    await world.client.execute(HARMED, 'let n = 0');
    await world.client.forceSave(HARMED);
    await world.kill(world.workers[0]!.worker);
    world.log.tamper(HARMED, (kept) => {
      const newest = kept.at(-1)!;
      const commit = decode(newest.bytes!) as Commit;
      return [...kept.slice(0, -1), { ...newest, bytes: encode({ ...commit, epoch: commit.epoch + 5 }) }];
    });
    await world.addWorker();
    await assert.rejects(world.client.execute(HARMED, 'n'), { code: 'CHAIN_BROKEN' });
  });
});
