/** What every log and blob store must do, whatever it is made of. Give it a factory. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { hasCode } from '../../bus/errors.ts';
import type { LogStore } from '../../storage/ports.ts';
import { SessionWriter } from '../kit/commits.ts';
import type { Stores, World } from './world.ts';

export function describeStores(name: string, makeWorld: () => Promise<World>): void {
  describe(name, () => {
    let world: World;
    let stores: Stores;
    let log: LogStore;
    let names = 0;
    const writer = () => {
      names += 1;
      return new SessionWriter(`s${names}`);
    };
    const write = async (by: SessionWriter, times = 1) => {
      for (let i = 0; i < times; i++) {
        const commit = by.next();
        by.wrote(commit, await log.append(commit, by.position));
      }
    };

    before(async () => {
      world = await makeWorld();
      stores = await world.stores();
      log = stores.log;
    });
    after(() => world.stop());

    it('gives back a commit as it was written, with its position and size', async () => {
      const by = writer();
      const commit = by.next();
      const reply = await log.append(commit, 0);
      assert.equal(reply.duplicate, false);
      assert.ok(reply.position > 0 && reply.sizeBytes > 0);
      const last = await log.last(by.token);
      assert.deepEqual(last, { commit, position: reply.position, sizeBytes: reply.sizeBytes });
    });

    it('knows nothing of a session without commits', async () => {
      assert.equal(await log.last('nobody'), null);
      assert.equal(await log.remove('nobody'), false);
    });

    it('lets positions grow, with gaps where other sessions wrote', async () => {
      const [a, b] = [writer(), writer()];
      await write(a);
      const first = a.position;
      await write(b);
      await write(a);
      assert.ok(a.position > b.position && b.position > first);
    });

    it('refuses a commit whose expected position is not the newest', async () => {
      const by = writer();
      await write(by, 2);
      for (const expected of [0, by.position - 1, by.position + 1]) {
        await assert.rejects(log.append(by.next(), expected), (error) => hasCode(error, 'FENCED'));
      }
      assert.equal((await log.last(by.token))?.position, by.position);
    });

    it('answers a commit that is already the newest as the first time', async () => {
      const by = writer();
      await write(by);
      const [commit, expected] = [by.next(), by.position];
      const first = await log.append(commit, expected);
      assert.deepEqual(await log.append(commit, expected), { ...first, duplicate: true });
      assert.deepEqual(await log.append(commit, expected), { ...first, duplicate: true });
    });

    it('fences a repeated commit once another one followed it', async () => {
      const by = writer();
      const [commit, expected] = [by.next(), 0];
      by.wrote(commit, await log.append(commit, expected));
      await write(by);
      await assert.rejects(log.append(commit, expected), (error) => hasCode(error, 'FENCED'));
    });

    it('does not take the commit id of another session for a duplicate', async () => {
      const [a, b] = [writer(), writer()];
      await log.append(a.next(undefined, { commit: `same-${names}` }), 0);
      const commit = b.next(undefined, { commit: `same-${names}` });
      assert.equal((await log.append(commit, 0)).duplicate, false);
      assert.deepEqual((await log.last(b.token))?.commit, commit);
    });

    it("takes a session of a deleted one's name, whatever its commit ids", async () => {
      const old = writer();
      await log.append(old.next(undefined, { commit: `again-${names}` }), 0);
      await log.remove(old.token);
      const commit = new SessionWriter(old.name).next(old.counter('other()'), { commit: `again-${names}` });
      assert.equal((await log.append(commit, 0)).duplicate, false);
      assert.deepEqual((await log.last(old.token))?.commit, commit);
    });

    it('lets exactly one of 20 racing writers win', async () => {
      for (let round = 0; round < 5; round++) {
        const by = writer();
        if (round % 2 === 1) await write(by);
        const commits = Array.from({ length: 20 }, () => by.next());
        const outcomes = await Promise.allSettled(commits.map((commit) => log.append(commit, by.position)));
        const won = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [commits[i]] : []));
        assert.equal(won.length, 1);
        assert.deepEqual((await log.last(by.token))?.commit, won[0]);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') assert.ok(hasCode(outcome.reason, 'FENCED'));
        }
      }
    });

    it('reads commits at known positions in the order asked', async () => {
      const by = writer();
      const positions: number[] = [];
      for (let i = 0; i < 100; i++) {
        await write(by);
        positions.push(by.position);
      }
      const wanted = [...positions].reverse();
      const found = await log.at(by.token, wanted);
      assert.deepEqual(
        found.map((stored) => stored.position),
        wanted,
      );
      assert.equal(found.at(-1)?.commit.first, 0);
    });

    it('calls a position CORRUPT that holds nothing, or a commit of another session', async () => {
      const [a, b] = [writer(), writer()];
      await write(a);
      await write(b);
      for (const position of [b.position, b.position + 1_000]) {
        await assert.rejects(log.at(a.token, [position]), (error) => hasCode(error, 'CORRUPT'));
      }
    });

    it('knows every session, how many commits it has and the newest of them', async () => {
      const [a, b] = [writer(), writer()];
      await write(a, 3);
      await write(b, 1);
      const { commits } = await log.index();
      assert.equal((await log.last(a.token))?.position, a.position);
      assert.equal((await log.last(b.token))?.position, b.position);
      assert.equal(commits.get(b.token), 1);
      assert.equal(commits.get(a.token), 3);
    });

    it('forgets a removed session, changes the generation, and takes the same name again', async () => {
      const by = writer();
      await write(by, 3);
      const { generation } = await log.index();
      assert.equal(await log.remove(by.token), true);
      assert.equal(await log.last(by.token), null);
      const after = await log.index();
      assert.notEqual(after.generation, generation);
      assert.equal(after.commits.has(by.token), false);
      await assert.rejects(log.append(by.next(), by.position), (error) => hasCode(error, 'FENCED'));
      const again = new SessionWriter(by.name);
      await write(again, 2);
      assert.equal((await log.last(by.token))?.position, again.position);
    });

    it('ends a session by a grave behind its newest commit, and by no other', async () => {
      const by = writer();
      await write(by, 3);
      for (const expected of [0, by.position - 1, by.position + 1]) {
        await assert.rejects(log.bury(by.token, expected), (error) => hasCode(error, 'FENCED'));
      }
      const grave = await log.bury(by.token, by.position);
      assert.ok(grave > by.position);
      assert.equal(await log.bury(by.token, by.position), grave);
      assert.equal(await log.grave(by.token, by.position), grave);
      assert.equal(await log.last(by.token), null);
      assert.equal(await log.end(by.token), 0);
      assert.equal(await log.count(by.token), 4);
      await assert.rejects(log.append(by.next(), by.position), (error) => hasCode(error, 'FENCED'));
      assert.equal((await log.at(by.token, [by.position]))[0]?.position, by.position);
    });

    it('begins a session behind the grave of another one, which goes without touching it', async () => {
      const old = writer();
      await write(old, 3);
      const grave = await log.bury(old.token, old.position);
      const by = new SessionWriter(old.name);
      await write(by, 2);
      assert.equal(await log.end(by.token), by.position);
      assert.equal(await log.grave(old.token, old.position), grave);
      await assert.rejects(log.append(old.next(), old.position), (error) => hasCode(error, 'FENCED'));
      await assert.rejects(log.bury(old.token, old.position - 1), (error) => hasCode(error, 'FENCED'));
      const { generation } = await log.index();
      await log.purge(old.token, old.position);
      assert.equal(await log.count(by.token), 4);
      await log.purge(old.token, grave + 1);
      await log.purge(old.token, grave + 1);
      assert.equal(await log.count(by.token), 2);
      assert.notEqual((await log.index()).generation, generation);
      assert.equal(await log.grave(old.token, old.position), null);
      await write(by);
      const positions = by.next().head.tail;
      assert.equal((await log.at(by.token, positions)).length, 3);
      await assert.rejects(log.at(by.token, [old.position]), (error) => hasCode(error, 'CORRUPT'));
    });

    it('forgets a buried session down to its grave, and takes the name again', async () => {
      const old = writer();
      await write(old);
      await log.purge(old.token, (await log.bury(old.token, old.position)) + 1);
      assert.deepEqual([await log.count(old.token), await log.end(old.token)], [0, 0]);
      assert.equal((await log.index()).commits.has(old.token), false);
      await write(new SessionWriter(old.name));
    });

    it('lets exactly one of racing writers begin a session behind a grave', async () => {
      const old = writer();
      await write(old);
      const grave = await log.bury(old.token, old.position);
      const outcomes = await Promise.allSettled([
        ...Array.from({ length: 8 }, (_, i) => {
          const by = new SessionWriter(old.name);
          return log.append(by.next(by.counter(`${i}`)), 0);
        }),
        log.purge(old.token, grave + 1),
      ]);
      assert.equal(outcomes.slice(0, 8).filter(({ status }) => status === 'fulfilled').length, 1);
    });

    it('tells the keys of all blobs of a kind', async () => {
      const { blobs } = stores;
      for (const key of ['~t.1', 't.20']) await blobs.put('removal', key, Uint8Array.of(1));
      assert.deepEqual((await blobs.keys('removal')).sort(), ['t.20', '~t.1']);
      await blobs.remove('removal', ['~t.1']);
      assert.deepEqual(await blobs.keys('removal'), ['t.20']);
    });

    it('keeps the first blob of a key and ignores later ones', async () => {
      const { blobs } = stores;
      assert.equal(await blobs.get('ckpt', 'a'), null);
      assert.equal(await blobs.put('ckpt', 'a', Uint8Array.of(1, 2)), true);
      assert.equal(await blobs.put('ckpt', 'a', Uint8Array.of(3)), false);
      assert.equal(await blobs.put('receipt', 'a', Uint8Array.of(4)), true);
      assert.deepEqual([...(await blobs.get('ckpt', 'a'))!], [1, 2]);
      assert.deepEqual([...(await blobs.get('receipt', 'a'))!], [4]);
    });

    it('keeps blobs of 0 bytes and of megabytes', async () => {
      const { blobs } = stores;
      const large = new Uint8Array(3_000_000).fill(7);
      await blobs.put('ckpt', 'empty', new Uint8Array(0));
      await blobs.put('ckpt', 'large', large);
      assert.equal((await blobs.get('ckpt', 'empty'))?.byteLength, 0);
      assert.ok(Buffer.from((await blobs.get('ckpt', 'large'))!).equals(large));
    });

    it('forgets the blobs it is told to, and no others', async () => {
      const { blobs } = stores;
      for (const key of ['r1', 'r2', 'r3']) await blobs.put('receipt', key, Uint8Array.of(1));
      assert.equal(await blobs.remove('receipt', ['r1', 'r2', 'unknown']), 2);
      assert.equal(await blobs.remove('receipt', []), 0);
      assert.equal(await blobs.get('receipt', 'r1'), null);
      assert.ok(await blobs.get('receipt', 'r3'));
      assert.equal(await blobs.put('receipt', 'r1', Uint8Array.of(2)), true);
    });

    it('forgets all blobs of a scope, and no others', async () => {
      const { blobs } = stores;
      for (const key of ['a.1', 'a.2', 'a.2.parts', 'ab.1', 'a'])
        await blobs.put('large', key, Uint8Array.of(1));
      await blobs.removeScope('large', 'a');
      for (const key of ['a.1', 'a.2', 'a.2.parts']) assert.equal(await blobs.get('large', key), null, key);
      for (const key of ['ab.1', 'a']) assert.ok(await blobs.get('large', key), key);
      await blobs.removeScope('large', 'unknown');
    });
  });
}
