/** The session index, deletion and blobs, on any bus and any store. Give it a factory. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { encode } from '../../bus/codec.ts';
import { type ErrorCode, hasCode } from '../../bus/errors.ts';
import { scopeOf } from '../../bus/large.ts';
import type { BlobGetReply, BlobPutReply } from '../../bus/operations/blobs.ts';
import type { DeleteReply, GetReply, ListReply } from '../../bus/operations/catalogue.ts';
import type { Bus } from '../../bus/port.ts';
import type { StorageActor } from '../../storage/actor.ts';
import { type Draft, iso, SessionWriter } from '../kit/commits.ts';
import { until } from '../kit/until.ts';
import { makeVirtualClock } from '../kit/virtual-clock.ts';
import { append, ask, commitNext, loadAll, startStorage, type World } from './world.ts';

const coded = (code: ErrorCode) => (error: unknown) => hasCode(error, code);
const timestamp = iso(0);

export function describeIndex(name: string, makeWorld: () => Promise<World>): void {
  describe(name, () => {
    let world: World;
    let bus: Bus;
    const actors: StorageActor[] = [];
    let names = 0;
    const writer = (prefix = 'session') => {
      names += 1;
      return new SessionWriter(`${prefix} ${names} ü.*>`);
    };

    before(async () => {
      world = await makeWorld();
      bus = await world.client();
      // Two processes, so that nothing may rest on what one of them remembers.
      actors.push(await startStorage(world), await startStorage(world));
    });
    after(async () => {
      await Promise.all(actors.map((actor) => actor.stop()));
      await world.stop();
    });

    it('tells true numbers of every session', async () => {
      const by = writer();
      let sizeBytes = 0;
      for (let i = 0; i < 5; i++) {
        const drafts: Draft[] =
          i === 3 ? [{ type: 'checkpoint', reason: 'x', stateId: 'i', sizeBytes: 1_000 }] : by.counter();
        const commit = by.next(drafts, { head: { at: iso(i * 1_000) } });
        const reply = await append(bus, commit, by.position);
        by.wrote(commit, reply);
        sizeBytes += reply.sizeBytes;
      }
      const { metadata } = await ask<GetReply>(bus, 'get', { session: by.name });
      assert.deepEqual(metadata, {
        id: by.id,
        name: by.name,
        created: new Date(by.created),
        lastAccessed: new Date(iso(4_000)),
        eventCount: by.seq,
        checkpointCount: 1,
        size: sizeBytes + 1_000,
      });
      assert.equal((await ask<GetReply>(bus, 'get', { session: 'nobody' })).metadata, null);
      const { sessions } = await ask<ListReply>(bus, 'list', { limit: 500 });
      assert.deepEqual(
        sessions.find((session) => session.name === by.name),
        metadata,
      );
    });

    it('lists sessions page by page, each once, and again after they changed', async () => {
      const writers = Array.from({ length: 7 }, () => writer('page'));
      for (const by of writers) await commitNext(bus, by);
      const pages = async (limit: number) => {
        const found: string[] = [];
        let after: string | null = '';
        while (after !== null) {
          const page: ListReply = await ask<ListReply>(bus, 'list', { after, limit });
          assert.ok(page.sessions.length <= limit);
          found.push(...page.sessions.map((session) => session.name));
          after = page.next;
        }
        return found;
      };
      const all = await pages(500);
      assert.equal(new Set(all).size, all.length);
      for (const by of writers) assert.ok(all.includes(by.name));
      assert.deepEqual(await pages(3), all);
      await commitNext(bus, writers[0]!);
      const { sessions } = await ask<ListReply>(bus, 'list', { limit: 500 });
      assert.equal(sessions.find(({ name }) => name === writers[0]!.name)?.eventCount, writers[0]!.seq);
    });

    it('lists unfinished sessions and those whose timer is due', async () => {
      const [running, sleeping, idle, closed] = [writer(), writer(), writer(), writer()];
      await commitNext(bus, running, undefined, { head: { running: true } });
      await commitNext(bus, sleeping, undefined, { head: { wakeAt: 5_000 } });
      await commitNext(bus, idle);
      await commitNext(bus, closed, [closed.begin(), { type: 'closed', reason: 'exit', timestamp }], {
        head: { closed: true, wakeAt: 1 },
      });
      const due = async (unfinishedAt: number) => {
        const { sessions } = await ask<ListReply>(bus, 'list', { unfinishedAt });
        return sessions.map((session) => session.name).sort();
      };
      assert.deepEqual(await due(4_999), [running.name]);
      assert.deepEqual(await due(5_000), [running.name, sleeping.name].sort());
      await commitNext(bus, running);
      await commitNext(bus, sleeping);
      assert.deepEqual(await due(5_000), []);
    });

    it('deletes a session with its images and receipts, and takes its name again at once', async () => {
      const [by, other] = [writer(), writer()];
      const put = (kind: string, key: string) =>
        ask<BlobPutReply>(bus, `blob.put.${kind}`, { kind, key, bytes: Uint8Array.of(1) });
      const has = async (kind: string, key: string) =>
        (await ask<BlobGetReply>(bus, `blob.get.${kind}`, { kind, key })).bytes !== null;
      const image = (stateId: string): Draft => ({ type: 'checkpoint', reason: 'x', stateId });
      for (const key of ['own', 'shared']) await put('ckpt', key);
      await put('receipt', 'receipt-1');
      await commitNext(bus, by);
      await commitNext(bus, by, [image('own'), image('shared')]);
      await commitNext(bus, by, [
        { type: 'llm_req', prompt: '?', receiptKey: 'receipt-1' },
        { type: 'llm_req', prompt: '?', receiptKey: 'not a key' },
      ]);
      await commitNext(bus, other);
      await commitNext(bus, other, [image('shared')]);

      assert.equal((await ask<DeleteReply>(bus, 'delete', { session: by.name })).deleted, true);
      assert.equal((await ask<DeleteReply>(bus, 'delete', { session: by.name })).deleted, false);
      assert.deepEqual(
        [await has('ckpt', 'own'), await has('ckpt', 'shared'), await has('receipt', 'receipt-1')],
        [false, true, false],
      );
      assert.equal((await ask<GetReply>(bus, 'get', { session: by.name })).metadata, null);
      // Its owner may not have noticed: fenced, by every storage process.
      for (let i = 0; i < 6; i++)
        await assert.rejects(append(bus, by.next(), by.position), coded('NOT_FOUND'));

      const again = new SessionWriter(by.name);
      for (let i = 0; i < 12; i++) await commitNext(bus, again);
      for (let i = 0; i < 6; i++) {
        const commits = await loadAll(bus, by.name);
        assert.equal(commits.length, 12);
        const { sessions } = await ask<ListReply>(bus, 'list', { limit: 500 });
        assert.equal(sessions.find((session) => session.name === by.name)?.eventCount, again.seq);
      }
    });

    it('leaves nothing behind of what was on its way when a session was deleted', async () => {
      const [by, other] = [writer(), writer()];
      const put = (kind: string, key: string) =>
        ask<BlobPutReply>(bus, `blob.put.${kind}`, { kind, key, bytes: Uint8Array.of(1, 2, 3) });
      const size = async (kind: string, key: string) =>
        (await ask<BlobGetReply>(bus, `blob.get.${kind}`, { kind, key })).bytes?.byteLength;
      const key = (name: string) => `${name}-${by.token}`;
      await commitNext(bus, by);
      await commitNext(bus, by, [
        { type: 'llm_req', prompt: '?', receiptKey: key('answered') },
        { type: 'llm_req', prompt: '?', receiptKey: key('awaited') },
        { type: 'llm_req', prompt: '?', receiptKey: 'no key.>' },
      ]);
      await put('receipt', key('answered'));
      await commitNext(bus, by, [{ type: 'llm_resp', response: '!', receiptKey: key('answered') }]);
      await commitNext(bus, other, [
        other.begin(),
        { type: 'checkpoint', reason: 'x', stateId: key('shared') },
      ]);
      assert.equal((await ask<DeleteReply>(bus, 'delete', { session: by.name })).deleted, true);
      // The model answers now, and the owner saves the heap before it learns.
      assert.equal((await put('receipt', key('awaited'))).stored, false);
      for (const each of ['awaited', 'answered']) assert.equal(await size('receipt', key(each)), undefined);
      for (const stateId of [key('late'), key('shared')]) {
        await put('ckpt', stateId);
        const commit = by.next([{ type: 'checkpoint', reason: 'x', stateId }]);
        await assert.rejects(append(bus, commit, by.position), coded('NOT_FOUND'));
      }
      assert.deepEqual([await size('ckpt', key('late')), await size('ckpt', key('shared'))], [undefined, 3]);
    });

    it('deletes a session that goes on writing, and tells its owner that it is gone', async () => {
      const by = writer();
      await commitNext(bus, by);
      let fenced: unknown;
      const writing = (async () => {
        try {
          for (;;) await commitNext(bus, by);
        } catch (error) {
          fenced = error;
        }
      })();
      await ask<DeleteReply>(bus, 'delete', { session: by.name });
      await writing;
      assert.ok(coded('NOT_FOUND')(fenced), String(fenced));
      assert.equal((await ask<GetReply>(bus, 'get', { session: by.name })).metadata, null);
      await commitNext(bus, new SessionWriter(by.name));
    });

    it('goes on with a removal that was cut short, whatever part of it was done', async () => {
      const { log, blobs } = await world.stores();
      for (const done of ['record', 'grave', 'chunk', 'log'] as const) {
        const by = writer(done);
        const put = (kind: string, key: string) =>
          ask<BlobPutReply>(bus, `blob.put.${kind}`, { kind, key, bytes: Uint8Array.of(1) });
        const [image, receipt] = [`image-${by.token}`, `receipt-${by.token}`];
        await put('ckpt', image);
        await put('receipt', receipt);
        await commitNext(bus, by);
        const first = by.position;
        await commitNext(bus, by, [
          { type: 'llm_req', prompt: '?', receiptKey: receipt },
          { type: 'llm_resp', response: '!', receiptKey: receipt },
          { type: 'checkpoint', reason: 'x', stateId: image },
        ]);
        const key = `${by.token}.${by.position}`;
        await blobs.put('removal', key, encode({ scope: 'none', total: 2 }));
        if (done !== 'record') {
          const grave = await log.bury(by.token, by.position);
          if (done === 'chunk') await log.purge(by.token, first + 1);
          if (done === 'log') await log.purge(by.token, grave + 1);
        }
        const again = new SessionWriter(by.name);
        if (done !== 'record') await commitNext(bus, again);
        // A process that starts finds it; what moves between its first two looks is somebody else's work.
        const later = makeVirtualClock();
        const actor = await startStorage(world, { clock: later });
        await until(async () => {
          await later.advance(5_000);
          return !(await blobs.keys('removal')).includes(key);
        });
        await actor.stop();
        assert.equal(await log.count(by.token), done === 'record' ? 0 : 1, done);
        const bytes = async (kind: string, key: string) =>
          (await ask<BlobGetReply>(bus, `blob.get.${kind}`, { kind, key })).bytes;
        if (done === 'log') continue; // nothing but its record was left
        assert.deepEqual([await bytes('ckpt', image), await bytes('receipt', receipt)], [null, null], done);
      }
    });

    it('removes what a damaged log names, also where no tail leads to it', async () => {
      const { log, blobs } = await world.stores();
      for (const damage of ['a hole in its tails', 'an end that is no commit'] as const) {
        const by = writer();
        const receipt = `receipt-${by.token}`;
        const large = `${scopeOf(by.id)}.${'a'.repeat(64)}`;
        await ask<BlobPutReply>(bus, 'blob.put.receipt', {
          kind: 'receipt',
          key: receipt,
          bytes: Uint8Array.of(1),
        });
        await blobs.put('large', large, Uint8Array.of(1));
        await commitNext(bus, by);
        await commitNext(bus, by, [
          { type: 'llm_req', prompt: '?', receiptKey: receipt },
          { type: 'llm_resp', response: '!', receiptKey: receipt },
        ]);
        const odd = by.next();
        by.wrote(odd, await log.append(odd, by.position, Uint8Array.of(1, 2, 3)));
        // So many that the walk back along the tails needs the one that cannot be read.
        const after = damage === 'a hole in its tails' ? 32 : 0;
        for (let i = 0; i < after; i++) {
          const commit = by.next();
          by.wrote(commit, await log.append(commit, by.position));
        }
        assert.equal((await ask<DeleteReply>(bus, 'delete', { session: by.name })).deleted, true);
        await until(
          async () => (await ask<GetReply>(bus, 'get', { session: by.name, removal: true })).removal === null,
        );
        const left = await ask<BlobGetReply>(bus, 'blob.get.receipt', { kind: 'receipt', key: receipt });
        assert.equal(left.bytes, null, damage);
        assert.equal(await blobs.get('large', large), null, damage);
      }
    });

    it('removes all that an older session of the name has left, when the newer one is removed as well', async () => {
      const { log, blobs } = await world.stores();
      const older = writer();
      const receipt = `receipt-${older.token}`;
      await ask<BlobPutReply>(bus, 'blob.put.receipt', {
        kind: 'receipt',
        key: receipt,
        bytes: Uint8Array.of(1),
      });
      await commitNext(bus, older);
      await commitNext(bus, older, [
        { type: 'llm_req', prompt: '?', receiptKey: receipt },
        { type: 'llm_resp', response: '!', receiptKey: receipt },
      ]);
      // Its removal had begun when its storage process died.
      await blobs.put('removal', `${older.token}.${older.position}`, encode({ scope: 'none', total: 2 }));
      await log.bury(older.token, older.position);
      await commitNext(bus, new SessionWriter(older.name));
      await ask<DeleteReply>(bus, 'delete', { session: older.name });
      await until(
        async () =>
          (await ask<GetReply>(bus, 'get', { session: older.name, removal: true })).removal === null,
      );
      const left = await ask<BlobGetReply>(bus, 'blob.get.receipt', { kind: 'receipt', key: receipt });
      assert.equal(left.bytes, null);
      assert.equal(await log.count(older.token), 0);
    });

    it('removes a long session in the background: it is gone at once, and its name free', async () => {
      const by = writer();
      for (let i = 0; i < 1_500; i++) await commitNext(bus, by);
      const { log } = await world.stores();
      assert.equal((await ask<DeleteReply>(bus, 'delete', { session: by.name })).deleted, true);
      assert.equal((await ask<GetReply>(bus, 'get', { session: by.name })).metadata, null);
      const again = new SessionWriter(by.name);
      for (let i = 0; i < 3; i++) await commitNext(bus, again);
      const lefts: number[] = [];
      await until(async () => {
        const { removal } = await ask<GetReply>(bus, 'get', { session: by.name, removal: true });
        if (removal) lefts.push(removal.left);
        return removal === null;
      });
      assert.deepEqual(
        lefts,
        [...lefts].sort((a, b) => b - a),
      );
      assert.equal(await log.count(by.token), 3);
      assert.equal((await loadAll(bus, by.name)).length, 3);
    });

    it('keeps blobs that come in parts, and shows none before its last part', async () => {
      const parts = ['aa', 'bb', 'c'].map((text) => Buffer.from(text));
      const put = (part: number) =>
        ask<BlobPutReply>(bus, 'blob.put.ckpt', {
          kind: 'ckpt',
          key: 'big',
          bytes: parts[part],
          part,
          parts: 3,
        });
      const get = (part: number) =>
        ask<BlobGetReply>(bus, 'blob.get.ckpt', { kind: 'ckpt', key: 'big', part });
      await put(0);
      await put(1);
      assert.deepEqual(await get(0), { ok: true, bytes: null, parts: 0 });
      assert.equal((await put(2)).stored, true);
      assert.equal((await put(2)).stored, false);
      for (const [part, bytes] of parts.entries()) {
        const reply = await get(part);
        assert.equal(reply.parts, 3);
        assert.ok(bytes.equals(reply.bytes!));
      }
      await assert.rejects(
        ask(bus, 'blob.put.ckpt', { kind: 'ckpt', key: 'x', bytes: parts[0], part: 3, parts: 3 }),
        coded('BAD_REQUEST'),
      );
    });
  });
}
