/** What storage answers, on any bus and any store. Give it a factory. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decode, encode } from '../../bus/codec.ts';
import { type ErrorCode, hasCode, type WireError } from '../../bus/errors.ts';
import type { GetReply } from '../../bus/operations/catalogue.ts';
import type { AppendReply, FindReply, LoadReply, ReadReply } from '../../bus/operations/logs.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import type { Bus } from '../../bus/port.ts';
import type { Commit } from '../../bus/types.ts';
import type { StorageActor } from '../../storage/actor.ts';
import { type Draft, iso, KERNEL, SessionWriter, sealCommit } from '../kit/commits.ts';
import { answerOf, append, ask, commitNext, loadAll, startStorage, subjects, type World } from './world.ts';

const coded = (code: ErrorCode) => (error: unknown) => hasCode(error, code);
const timestamp = iso(0);

export function describeStorage(name: string, makeWorld: () => Promise<World>): void {
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

    it('appends commits and loads them again, whichever process answers', async () => {
      const by = writer();
      const commits = [];
      for (let i = 0; i < 20; i++) commits.push(await commitNext(bus, by));
      const reply = await ask<LoadReply>(bus, 'load', { session: by.name, kernel: KERNEL });
      assert.deepEqual(
        reply.tail.map((stored) => stored.commit),
        commits,
      );
      assert.equal(reply.last?.position, by.position);
      assert.equal(reply.checkpoint, null);
      assert.equal(reply.more, false);
    });

    it('answers a repeated commit as the first time', async () => {
      const by = writer();
      await commitNext(bus, by);
      const commit = by.next();
      const first = await append(bus, commit, by.position);
      for (let i = 0; i < 4; i++) {
        assert.deepEqual({ ...(await append(bus, commit, by.position)), duplicate: false }, first);
      }
    });

    it('answers a repeated commit as the first time even when others have followed it', async () => {
      const by = writer();
      const sent: { commit: Commit; expected: number; reply: AppendReply }[] = [];
      for (let i = 0; i < 20; i++) {
        const [commit, expected] = [by.next(), by.position];
        const reply = await append(bus, commit, expected);
        by.wrote(commit, reply);
        sent.push({ commit, expected, reply });
      }
      for (const { commit, expected, reply } of sent) {
        // Twice, so that each process is likely to be asked.
        for (let i = 0; i < 2; i++) {
          assert.deepEqual({ ...(await append(bus, commit, expected)), duplicate: false }, reply);
        }
      }
      assert.equal((await loadAll(bus, by.name)).length, 20);
      // Another commit in the same place is none of them.
      const { commit, expected } = sent[3]!;
      const { hash: _, ...content } = commit;
      await assert.rejects(
        append(bus, sealCommit({ ...content, commit: 'another' }), expected),
        coded('FENCED'),
      );
    });

    it('takes no altered commit for a repeated one', async () => {
      const by = writer();
      const commit = await commitNext(bus, by);
      await commitNext(bus, by);
      for (const change of [{ epoch: 7 }, { kernel: 'k' }, { events: commit.events.slice(0, 1) }]) {
        for (let i = 0; i < 4; i++) {
          await assert.rejects(append(bus, { ...commit, ...change }, 0), coded('CHAIN_BROKEN'));
        }
      }
    });

    it('refuses times that no clock shows', async () => {
      const by = writer();
      const begin = { ...by.begin(), created: '2026-13-45T99:99:99Z' } as Draft;
      await assert.rejects(append(bus, by.next([begin]), 0), coded('BAD_FORMAT'));
      const at = '2026-02-30T25:00:00.000Z';
      await assert.rejects(append(bus, by.next(undefined, { head: { at } }), 0), coded('BAD_FORMAT'));
    });

    it('answers briefly to a request that is wrong at length', async () => {
      const kind = 'x'.repeat(bus.maxPayload - 200);
      const reply = await bus.request(subjects.store('blob.get.ckpt'), encode({ kind, key: 'k' }), {
        timeoutMs: 10_000,
      });
      assert.ok(reply.byteLength < 1_000);
      assert.throws(() => answerOf(reply), coded('BAD_FORMAT'));
    });

    it('fences all but one of 20 writers', async () => {
      const by = writer();
      await commitNext(bus, by);
      const racing = Array.from({ length: 20 }, () => append(bus, by.next(), by.position));
      const outcomes = await Promise.allSettled(racing);
      assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.ok(hasCode(outcome.reason, 'FENCED'));
      }
    });

    it('refuses commits that do not follow', async () => {
      const by = writer();
      await commitNext(bus, by);
      const good = by.next();
      await assert.rejects(
        append(bus, { ...good, prev: '0'.repeat(64) }, by.position),
        coded('CHAIN_BROKEN'),
      );
      await assert.rejects(append(bus, { ...good, kernel: 'another' }, by.position), coded('CHAIN_BROKEN'));
      await assert.rejects(append(bus, { ...good, first: 2 }, by.position), coded('CHAIN_BROKEN'));
      const other = writer();
      await assert.rejects(
        bus
          .request(subjects.append(other.token), encode({ commit: good, expected: by.position }), {
            timeoutMs: 5_000,
          })
          .then(answerOf),
        coded('BAD_FORMAT'),
      );
      await append(bus, good, by.position);
    });

    it('refuses a commit of 5 MB and takes one of 3 MB', async () => {
      const by = writer();
      await commitNext(bus, by);
      const cell = (sizeBytes: number): Draft[] => by.counter('x'.repeat(sizeBytes));
      await assert.rejects(append(bus, by.next(cell(5_000_000)), by.position), coded('TOO_LARGE'));
      await commitNext(bus, by, cell(3_000_000));
      await commitNext(bus, by, cell(3_000_000));
      const loaded = await loadAll(bus, by.name);
      assert.equal(loaded.length, 3);
      assert.equal(loaded[2]?.commit.events[0]?.type, 'input');
    });

    it('loads from the newest checkpoint of the same kernel', async () => {
      const by = writer();
      const checkpoint = (stateId: string): Draft => ({
        type: 'checkpoint',
        reason: 'idle',
        stateId,
        sizeBytes: 10,
        timestamp,
      });
      const fold = Uint8Array.of(1, 2, 3);
      for (let i = 0; i < 40; i++) await commitNext(bus, by);
      const old = await commitNext(bus, by, [checkpoint('old')], { kernel: 'old kernel', fold });
      for (let i = 0; i < 70; i++) await commitNext(bus, by);
      const newest = await commitNext(bus, by, [checkpoint('new')], { fold });
      const load = (kernel: string) => ask<LoadReply>(bus, 'load', { session: by.name, kernel });
      const bare = await load(KERNEL);
      assert.equal(bare.checkpoint?.commit.hash, newest.hash);
      assert.deepEqual(bare.tail, []);
      for (let i = 0; i < 50; i++) await commitNext(bus, by);

      const reply = await load(KERNEL);
      assert.equal(reply.checkpoint?.commit.hash, newest.hash);
      assert.deepEqual([...reply.checkpoint!.commit.fold!], [1, 2, 3]);
      assert.equal(reply.tail.length, 50);
      assert.equal(reply.tail[0]?.commit.prev, newest.hash);
      const older = await load('old kernel');
      assert.equal(older.checkpoint?.commit.hash, old.hash);
      assert.equal(older.tail.length, 121);
      const none = await load('no kernel');
      assert.equal(none.checkpoint, null);
      assert.equal(none.tail.length, 162);
    });

    it('loads what leads to any seq: the newest checkpoint at or before it, and the commits from there on', async () => {
      const by = writer();
      const fold = Uint8Array.of(1, 2, 3);
      const checkpoints: number[] = [];
      for (let i = 0; i < 120; i++) {
        await commitNext(bus, by);
        if (i % 7 !== 6) continue;
        checkpoints.push(by.seq);
        const checkpoint: Draft = { type: 'checkpoint', reason: 'idle', stateId: `state-${i}`, timestamp };
        await commitNext(bus, by, [checkpoint], { fold });
      }
      for (let at = 0; at < by.seq; at++) {
        const { checkpoint, tail } = await ask<LoadReply>(bus, 'load', {
          session: by.name,
          kernel: KERNEL,
          at,
        });
        assert.equal(
          checkpoint?.commit.first,
          checkpoints.findLast((seq) => seq <= at),
        );
        const seqs = tail.flatMap(({ commit }) => commit.events.map((_, index) => commit.first + index));
        assert.deepEqual(
          seqs,
          seqs.map((_, index) => (checkpoint?.commit.first ?? -1) + 1 + index),
        );
        assert.ok(checkpoint?.commit.first === at || seqs.includes(at));
        assert.ok(seqs.at(-1)! < at + 12, `${seqs.at(-1)} for ${at}`);
      }
    });

    it('reads any range of events', async () => {
      const by = writer();
      for (let i = 0; i < 150; i++) await commitNext(bus, by);
      const read = (from: number, to?: number) =>
        ask<ReadReply>(bus, 'read', { session: by.name, from, ...(to === undefined ? {} : { to }) });
      for (const [from, to] of [
        [0, 0],
        [1, 2],
        [77, 78],
        [150, 210],
        [300, 400],
      ] as const) {
        const { commits } = await read(from, to);
        assert.ok(commits[0]!.commit.first <= from);
        const seqs = commits.flatMap(({ commit }) => commit.events.map((_, i) => commit.first + i));
        assert.ok(seqs.includes(from) && (to >= by.seq || seqs.includes(to)));
        assert.ok(commits.slice(1).every(({ commit }) => commit.first > from && commit.first <= to));
      }
      assert.deepEqual(await read(by.seq), { ok: true, commits: [], next: null });
      assert.deepEqual(await read(by.seq + 100, by.seq + 200), { ok: true, commits: [], next: null });
      const unknown = await ask<ReadReply>(bus, 'read', { session: 'nobody', from: 0 });
      assert.deepEqual(unknown.commits, []);
    });

    it('reads on where an answer was full', async () => {
      const by = writer();
      await commitNext(bus, by);
      for (let i = 0; i < 30; i++) await commitNext(bus, by, by.counter('y'.repeat(100_000)));
      const first = await ask<ReadReply>(bus, 'read', { session: by.name, from: 0 });
      assert.ok(first.next !== null && first.commits.length < 31);
      const all = [...first.commits];
      for (let next: number | null = first.next; next !== null; ) {
        const page: ReadReply = await ask<ReadReply>(bus, 'read', { session: by.name, from: next });
        all.push(...page.commits);
        next = page.next;
      }
      assert.equal(all.length, 31);
      for (let i = 1; i < all.length; i++) assert.equal(all[i]!.commit.prev, all[i - 1]!.commit.hash);
    });

    it('finds the events of a command, however long ago', async () => {
      const by = writer();
      await commitNext(bus, by);
      await commitNext(bus, by, [
        { type: 'input', code: 'await llm("?")', timestamp, commandId: 'the one', cell: 7 },
        { type: 'llm_req', prompt: '?', receiptKey: 'k', timestamp, cell: 7, effect: 1 },
      ]);
      const started = await ask<FindReply>(bus, 'find', { session: by.name, commandId: 'the one' });
      const from = started.seq![0];
      assert.deepEqual(started.seq, [from, from + 1], 'its input and its request');
      await commitNext(bus, by, [
        { type: 'output', value: 'of another cell', stream: 'stdout', timestamp, cell: 3 },
        { type: 'llm_resp', response: '!', receiptKey: 'k', timestamp, effect: 1 },
      ]);
      await commitNext(bus, by, [{ type: 'output', value: '!', timestamp, cell: 7 }]);
      for (let i = 0; i < 200; i++) await commitNext(bus, by);
      const { seq } = await ask<FindReply>(bus, 'find', { session: by.name, commandId: 'the one' });
      assert.deepEqual(seq, [from, from + 4], 'up to its result, past what another cell printed');
      const none = await ask<FindReply>(bus, 'find', { session: by.name, commandId: 'another' });
      assert.equal(none.seq, null);
    });

    it('takes nothing after the end of a session', async () => {
      const by = writer();
      await commitNext(bus, by, [by.begin(), { type: 'closed', reason: 'exit', timestamp }]);
      await assert.rejects(commitNext(bus, by), coded('CLOSED'));
    });

    it('answers malformed bytes on every subject, counts them, and lives', async () => {
      const operations = [
        'load',
        'read',
        'list',
        'get',
        'delete',
        'find',
        'blob.put.ckpt',
        'blob.get.receipt',
        'unknown',
        'a.b',
      ];
      const places = [...operations.map((operation) => subjects.store(operation)), subjects.append('x')];
      const garbage = [
        new Uint8Array(0),
        Uint8Array.of(0xc1),
        Uint8Array.of(0xff, 1, 2, 3),
        Buffer.from('{"json": true}'),
        encode(null),
        encode([]),
        encode({ session: 7 }),
        encode({ session: '', kernel: 5, commit: {}, kind: 'ckpt', key: 'a.>', bytes: 1 }),
        new Uint8Array(100_000).fill(0x91),
      ];
      for (const subject of places) {
        for (const bytes of garbage) {
          const reply = decode(await bus.request(subject, bytes, { timeoutMs: 10_000 })) as WireError & {
            ok: boolean;
          };
          if (subject === subjects.store('list') && reply.ok) continue; // `{session: 7}` is a page request
          assert.equal(reply.ok, false, `${subject} ${Buffer.from(bytes.subarray(0, 20)).toString('hex')}`);
          assert.ok(['BAD_FORMAT', 'BAD_REQUEST', 'BAD_NAME'].includes(reply.code), reply.code);
          bus.publish(subject, bytes); // and without anybody to answer to
        }
      }
      const refused = actors.map((actor) => actor.presence().counters!['error.BAD_FORMAT'] ?? 0);
      assert.ok(refused.every((count) => count > 0));
      await commitNext(bus, writer());
    });

    it('refuses names that cannot be a session', async () => {
      for (const session of ['', 'x'.repeat(513), 'a\u0000b']) {
        await assert.rejects(ask(bus, 'get', { session }), coded('BAD_NAME'));
      }
    });

    it('says who it is', async () => {
      const { process: id } = actors[0]!.presence();
      const reply = answerOf<PresenceReply>(
        await bus.request(subjects.ping(id), new Uint8Array(0), { timeoutMs: 5_000 }),
      );
      assert.equal(reply.role, 'storage');
      assert.equal(reply.process, id);
      assert.equal(reply.state, 'running');
    });

    it('answers what has arrived when it is told to stop, and nothing later', async () => {
      const stores = await world.stores();
      const third = await startStorage(world, stores);
      const by = writer();
      await commitNext(bus, by);
      const work = Array.from({ length: 50 }, () => ask<GetReply>(bus, 'get', { session: by.name }));
      await third.stop(() => stores.bus.close());
      for (const { metadata } of await Promise.all(work)) assert.equal(metadata?.name, by.name);
      assert.equal(third.lifecycle.state, 'stopped');
      await commitNext(bus, by);
    });
  });
}
