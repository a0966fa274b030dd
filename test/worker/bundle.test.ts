/** Bundles: a session in a file that proves itself, with no server. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { verifyBundle } from '../../actors/worker/bundle.ts';
import { writeBundle } from '../../bus/bundle.ts';
import { BundledLog } from '../../bus/bundled-log.ts';
import { commitHash } from '../../bus/codec.ts';
import type { SessionEvent, StoredCommit } from '../../bus/types.ts';
import { butIds } from '../kit/jsonl.ts';
import { startWorld, type World } from './world.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reprise-bundle-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function* chunks(bytes: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function collected(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

async function saved(bytes: Uint8Array): Promise<string> {
  const file = join(folder, `${randomBytes(8).toString('hex')}.reprise`);
  await writeFile(file, bytes);
  return file;
}

async function bundleOf(world: World, session: string): Promise<Buffer> {
  const { eventCount } = (await world.client.getSession(session))!;
  return collected(world.client.bundle(session, eventCount - 1));
}

async function tell(world: World): Promise<void> {
  await world.client.execute('s', 'let n = Math.random(); console.log("one")');
  await world.client.execute('s', 'const wide = "é".repeat(300_000); console.log(wide); await llm("a")');
  await world.client.forceSave('s');
  await world.client.execute('s', 'setTimeout(() => console.log("later"), 1); n');
  await world.client.fork('s', 'fork', 4);
  await world.client.execute('fork', 'n + 1');
}

test('a bundle of a session, or of a fork with what it shares, verifies alone and is imported as it was', async () => {
  await using world = await startWorld();
  await tell(world);
  for (const session of ['s', 'fork']) {
    const bytes = await bundleOf(world, session);
    const events = await world.events(session);
    const reply = await verifyBundle(await saved(bytes));
    assert.deepEqual([reply.session, reply.verified, reply.events], [session, true, events.length]);
    for (const size of [37, bytes.byteLength]) {
      const found: SessionEvent[] = [];
      for await (const event of (await BundledLog.read(chunks(bytes, size))).events()) found.push(event);
      assert.deepEqual(found, events);
    }
    const log = await BundledLog.read(chunks(bytes));
    const copy = `${session}, copied`;
    assert.equal((await world.client.importLog(copy, () => log.events())).verified, true);
    assert.deepEqual(butIds(await world.events(copy)), butIds(events));
  }
});

test('a byte that was changed is found and its record named, wherever it is; so is a cut, and what is no bundle', async () => {
  await using world = await startWorld();
  await world.client.execute('s', '1 + 1');
  await world.client.execute('s', 'console.log("x")');
  const bytes = await bundleOf(world, 's');
  const read = (changed: Uint8Array) => BundledLog.read(chunks(changed));
  for (let at = 0; at < bytes.byteLength; at++) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1 << (at % 8);
    if (at < 17) await assert.rejects(read(changed), { code: 'BAD_FORMAT' });
    else await assert.rejects(read(changed), { code: 'CORRUPT', message: /record \d/ }, `byte ${at}`);
    const cut = bytes.subarray(0, at);
    await assert.rejects(read(cut), { code: at < 17 ? 'BAD_FORMAT' : 'CORRUPT' }, `cut at ${at}`);
  }
  await assert.rejects(read(Buffer.concat([bytes, Buffer.alloc(1)])), { message: /more comes behind it/ });
  for (const junk of [Buffer.alloc(0), randomBytes(1_000), Buffer.alloc(1_000)]) {
    await assert.rejects(verifyBundle(await saved(junk)), { code: 'BAD_FORMAT' });
  }
  await assert.rejects(verifyBundle(folder), { code: 'BAD_REQUEST' });
});

test('a bundle that somebody wrote anew is found by its chain, by what it lacks, or by executing it', async () => {
  await using world = await startWorld();
  await world.client.execute('s', 'let n = 20; n + 1');
  await world.client.execute('s', 'console.log("x".repeat(300_000)); n * 2');
  const { commits } = await BundledLog.read(chunks(await bundleOf(world, 's')));
  const large = { getLarge: async () => assert.fail('no value is asked for') };
  const rewritten = async (
    all: readonly StoredCommit[],
    store: Parameters<typeof writeBundle>[2] = large,
  ) => {
    async function* given() {
      yield* all;
    }
    return saved(await collected(writeBundle('s', given(), store)));
  };
  const changed = (stored: StoredCommit, from: string, to: string): StoredCommit => {
    const events = stored.commit.events.map((event) =>
      'value' in event && event.value === from ? { ...event, value: to } : event,
    ) as SessionEvent[];
    return { ...stored, commit: { ...stored.commit, events } };
  };
  const small = commits.slice(0, 1);
  const said = small.map((stored) => changed(stored, '21', '22'));
  await assert.rejects(verifyBundle(await rewritten(said)), {
    code: 'CHAIN_BROKEN',
    message: /its own hash/,
  });
  const sealed = said.map((stored) => {
    const commit = { ...stored.commit, hash: commitHash(stored.commit) };
    return { ...stored, commit };
  });
  const { verified, divergence } = await verifyBundle(await rewritten(sealed));
  assert.deepEqual([verified, divergence?.kind], [false, 'output']);
  assert.match(divergence!.actual, /21/);
  await assert.rejects(
    verifyBundle(await rewritten(commits.slice(1), { getLarge: async () => randomBytes(9) })),
    {
      code: 'CHAIN_BROKEN',
    },
  );
  const lacking = await rewritten(commits, { getLarge: async () => randomBytes(9) });
  await assert.rejects(verifyBundle(lacking), { code: 'CORRUPT', message: /large value/ });
});
