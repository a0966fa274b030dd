/** What `verify` proves beside what `replay` does: that every checkpoint leads on to what the log says. */
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { KernelHost, OpenFrom } from '../../actors/kernel/port.ts';
import { placeInCode } from '../../actors/worker/code-place.ts';
import { verifyFully } from '../../actors/worker/full-verification.ts';
import { StoreClient } from '../../actors/worker/store-client.ts';
import { commitHash, decode, encode } from '../../bus/codec.ts';
import { systemClock } from '../../bus/port.ts';
import { StorageClient } from '../../bus/storage-client.ts';
import type { Commit, SessionEvent } from '../../bus/types.ts';
import { startWorld, subjects, type World } from './world.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** A session of cells, model calls, timers and errors, with three checkpoints. */
async function live(world: World): Promise<void> {
  await world.client.execute('s', 'let n = 0; const seen = []');
  for (let round = 0; round < 3; round++) {
    await world.client.execute('s', 'seen.push(++n)\nconsole.log(n); await llm("x" + n)');
    await world.client.forceSave('s');
    await world.client.execute('s', 'await new Promise((done) => setTimeout(done, 1)); n');
    await world.client.execute('s', 'throw new Error(`no ${n}`)');
  }
}

async function checkpointsOf(world: World): Promise<Extract<SessionEvent, { type: 'checkpoint' }>[]> {
  return (await world.events('s')).filter((event) => event.type === 'checkpoint');
}

/** Verifies with a kernel of which something is different. */
function verifyWith(world: World, kernel: KernelHost, schedule?: string) {
  const storage = new StorageClient({ bus: world.hub.connect('verifier'), subjects, clock: systemClock });
  return verifyFully({ session: 's', schedule }, { store: new StoreClient(storage), kernel, log });
}

/** A kernel that forgets something when a session is restored from an image. */
function forgetful(host: KernelHost): KernelHost {
  return new Proxy(host, {
    get(target, name) {
      if (name !== 'open') {
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (key: string, from: OpenFrom) => {
        await target.open(key, from);
        if (!('image' in from)) return;
        await target.apply(key, { type: 'input', seq: 0, timeMs: 0, cell: 99, code: 'n = 100' });
      };
    },
  });
}

describe('verify', () => {
  it('executes a log from its beginning, from each checkpoint on, and moved between kernels', async () => {
    await using world = await startWorld();
    await live(world);
    const events = (await world.events('s')).length;
    const reply = await world.client.verify('s', { schedule: 'seed' });
    assert.equal(reply.divergence, undefined);
    assert.deepEqual(
      [reply.verified, reply.events, reply.checkpoints, reply.tails, reply.seq],
      [true, events, 3, 3, events - 1],
    );
    assert.ok(reply.moves! > 0);
    assert.equal((await world.client.verify('s')).moves, undefined);
  });

  it('executes nothing when a session is as it was and the kernel the same, and all when one of them is not', async () => {
    await using world = await startWorld();
    await live(world);
    const { seq, hash, kernel } = await world.client.verify('s');
    const again = await world.client.verify('s', { known: { seq, hash, kernel } });
    assert.deepEqual([again.known, again.verified, again.tails], [true, true, 0]);
    const other = await world.client.verify('s', { known: { seq, hash, kernel: 'another' } });
    assert.deepEqual([other.known, other.tails], [undefined, 3]);
    await world.client.execute('s', 'n += 1');
    const later = await world.client.verify('s', { known: { seq, hash, kernel } });
    assert.deepEqual([later.known, later.seq > seq], [undefined, true]);
  });

  it('finds what only a restored heap gives, and says from which checkpoint on', async () => {
    await using world = await startWorld();
    await live(world);
    const [first] = await checkpointsOf(world);
    const kernel = forgetful(world.workers[0]!.kernel);
    const { verified, from, divergence, place } = await verifyWith(world, kernel);
    assert.deepEqual([verified, from, divergence?.kind], [false, first!.seq, 'output']);
    assert.match(`${divergence!.expected} ${divergence!.actual}`, /"value":"1".*"value":"100"/);
    assert.equal(place?.text, 'await new Promise((done) => setTimeout(done, 1)); n');
  });

  it('finds what only a move between turns gives', async () => {
    await using world = await startWorld();
    await live(world);
    for (const { stateId } of await checkpointsOf(world)) await world.blobs.remove('ckpt', [stateId]);
    const kernel = forgetful(world.workers[0]!.kernel);
    assert.equal((await verifyWith(world, kernel)).verified, true);
    const moved = await verifyWith(world, kernel, 'seed');
    assert.deepEqual([moved.verified, moved.tails, moved.moves! > 0], [false, 0, true]);
  });

  it('goes on without heaps that are lost, and tells of those that are spoilt', async () => {
    await using world = await startWorld();
    await live(world);
    const [first, second] = await checkpointsOf(world);
    await world.blobs.remove('ckpt', [first!.stateId]);
    const without = await world.client.verify('s');
    assert.deepEqual([without.verified, without.tails], [true, 2]);
    const image = (await world.blobs.get('ckpt', second!.stateId))!;
    await world.blobs.remove('ckpt', [second!.stateId]);
    await world.blobs.put('ckpt', second!.stateId, image.slice(0, -9));
    const { verified, divergence } = await world.client.verify('s');
    assert.deepEqual([verified, divergence?.kind, divergence?.seq], [false, 'checkpoint', second!.seq]);
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('finds a checkpoint that says something else of the session than its events', async () => {
    await using world = await startWorld();
    await live(world);
    await world.client.forceSave('s');
    world.log.tamper('s', (kept) => {
      const newest = kept.at(-1)!;
      const commit = decode(newest.bytes!) as Commit;
      const fold = encode({ ...(decode(commit.fold!) as object), cells: 77 });
      const { hash: _, ...content } = { ...commit, fold };
      return [...kept.slice(0, -1), { ...newest, bytes: encode({ ...content, hash: commitHash(content) }) }];
    });
    await world.startStorage();
    const { verified, divergence } = await world.client.verify('s');
    const { kind, expected, actual } = divergence!;
    assert.deepEqual([verified, kind, expected, actual], [false, 'checkpoint', 'cells 77', 'cells 10']);
  });

  it('tells where the chain is broken, and that there is no such session', async () => {
    await using world = await startWorld();
    await live(world);
    world.log.tamper('s', (kept) => kept.toSpliced(2, 1));
    await world.startStorage();
    const { verified, divergence } = await world.client.verify('s');
    assert.deepEqual([verified, divergence?.kind], [false, 'chain']);
    await assert.rejects(world.client.verify('nobody'), { code: 'NOT_FOUND' });
  });
});

test('a difference is placed in the line that a stack names, or in the cell that ran', () => {
  const timestamp = new Date(0).toISOString();
  const events: SessionEvent[] = [
    { type: 'session', version: 1, seq: 0, id: 'i', created: timestamp },
    { type: 'input', seq: 1, code: '\nfirst()\nsecond()', timestamp, cell: 1 },
    { type: 'output', seq: 2, value: '1', timestamp, cell: 1 },
    { type: 'input', seq: 3, code: 'third()', timestamp, cell: 2 },
    { type: 'output', seq: 4, value: '2', timestamp, cell: 2 },
  ];
  const place = (seq: number, actual: string) =>
    placeInCode(events, { seq, kind: 'output', expected: '', actual });
  assert.deepEqual(place(2, 'at <cell 1>:3:1'), { cell: 1, line: 3, text: 'second()' });
  assert.deepEqual(place(4, 'at <cell 1>:99:1'), { cell: 1, line: 2, text: 'first()' });
  assert.deepEqual(place(2, 'nothing'), { cell: 1, line: 2, text: 'first()' });
  assert.deepEqual(place(4, 'nothing'), { cell: 2, line: 1, text: 'third()' });
  assert.deepEqual(place(3, 'an output that the log lacks'), { cell: 1, line: 2, text: 'first()' });
  assert.equal(place(0, 'nothing'), null);
});
