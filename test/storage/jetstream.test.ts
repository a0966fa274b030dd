/** What only a real server can do to a store: die, freeze, fill up, lose the end of a file. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { encode } from '../../bus/codec.ts';
import { type ErrorCode, hasCode } from '../../bus/errors.ts';
import type { ListReply } from '../../bus/operations/catalogue.ts';
import type { LoadReply } from '../../bus/operations/logs.ts';
import type { Commit } from '../../bus/types.ts';
import { JetStreamApi } from '../../storage/jetstream-api.ts';
import { provideStreams, verifyStreams } from '../../storage/streams.ts';
import { SessionWriter } from '../kit/commits.ts';
import { until } from '../kit/until.ts';
import {
  append,
  ask,
  commitNext,
  loadAll,
  type NatsWorld,
  natsWorld,
  silent,
  startStorage,
  subjects,
} from './world.ts';

const coded = (code: ErrorCode) => (error: unknown) => hasCode(error, code);
const places = subjects.streams;

describe('storage on a server that fails', () => {
  const worlds: NatsWorld[] = [];
  const begin = async (...options: Parameters<typeof natsWorld>) => {
    const world = await natsWorld(...options);
    worlds.push(world);
    return world;
  };
  afterEach(async () => {
    await Promise.all(worlds.splice(0).map((world) => world.stop()));
  });

  it('answers a repeated commit as the first time after kill -9 of the server', async () => {
    const world = await begin();
    const actor = await startStorage(world);
    const bus = await world.client();
    const by = new SessionWriter('s');
    await commitNext(bus, by);
    const commit = by.next();
    const first = await append(bus, commit, by.position);
    await world.server.kill9();
    await world.server.restart();
    await until(() => bus.connected && actor.lifecycle.state === 'running');
    assert.deepEqual(await append(bus, commit, by.position), { ...first, duplicate: true });
    by.wrote(commit, first);
    await commitNext(bus, by);
    assert.equal((await loadAll(bus, 's')).length, 3);
    await actor.stop();
  });

  it('has every acknowledged commit, in order and once, after kill -9 of the server under load', async () => {
    const world = await begin();
    const actor = await startStorage(world);
    const bus = await world.client();
    let stop = false;
    const acknowledged = Array.from({ length: 8 }, () => [] as Commit[]);
    const writers = acknowledged.map(async (commits, index) => {
      const by = new SessionWriter(`s${index}`);
      while (!stop) {
        const commit = by.next();
        for (;;) {
          try {
            by.wrote(commit, await append(bus, commit, by.position, 1_000));
            commits.push(commit);
            break;
          } catch (error) {
            // The outcome is unknown: the same commit again, until there is an answer.
            assert.ok(
              hasCode(error, 'TIMEOUT', 'DISCONNECTED', 'NO_RESPONDERS', 'UNAVAILABLE'),
              String(error),
            );
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
      }
    });
    const total = () => acknowledged.reduce((sum, commits) => sum + commits.length, 0);
    for (let round = 0; round < 4; round++) {
      const enough = total() + 100;
      await until(() => total() > enough);
      await world.server.kill9();
      await world.server.restart();
    }
    const enough = total() + 100;
    await until(() => total() > enough);
    stop = true;
    await Promise.all(writers);
    for (const [index, commits] of acknowledged.entries()) {
      const stored = await loadAll(bus, `s${index}`);
      assert.deepEqual(
        stored.map(({ commit }) => commit.commit),
        commits.map(({ commit }) => commit),
      );
    }
    await actor.stop();
  });

  it('says that an outcome is unknown when the server freezes, and writes a retried commit once', async () => {
    const world = await begin();
    const { log } = await world.stores();
    const by = new SessionWriter('s');
    const start = by.next();
    by.wrote(start, await log.append(start, 0));
    let commit = by.next();
    world.server.pause();
    // A signal takes its time: what the server still answered counts, the first unanswered commit is the one.
    await assert.rejects(
      async () => {
        for (;;) {
          by.wrote(commit, await log.append(commit, by.position));
          commit = by.next();
        }
      },
      (error) => hasCode(error, 'TIMEOUT', 'DISCONNECTED'),
    );
    world.server.resume();
    const { log: other } = await world.stores();
    const reply = await other.append(commit, by.position);
    assert.deepEqual(await other.append(commit, by.position), { ...reply, duplicate: true });
    const { commits } = await other.index();
    assert.equal(commits.get('s'), (commit.first - 1) / 2 + 1);
  });

  it('says STORAGE_FULL when the account has no room, and goes on once there is some', async (t) => {
    const config = 'max_payload: 8388608\njetstream { max_file_store: 3MB }';
    const world = await begin({ config });
    const actor = await startStorage(world);
    const bus = await world.client();
    const large = new SessionWriter('large');
    const fill = async () => {
      for (let i = 0; i < 20; i++) await commitNext(bus, large, large.counter('z'.repeat(400_000)));
    };
    await assert.rejects(fill(), coded('STORAGE_FULL'));
    if (bus.connection.info?.version.startsWith('2.9.')) {
      t.diagnostic('nats-server 2.9 does not give back the room of a purged subject before its next start');
      await actor.stop();
      return;
    }
    // To the last byte: not even a marker fits.
    for (let bytes = 200_000; bytes >= 1; bytes = Math.floor(bytes / 2)) {
      const commit = large.next(large.counter('z'.repeat(bytes)));
      const written = await append(bus, commit, large.position).catch(() => null);
      if (written) large.wrote(commit, written);
    }
    assert.deepEqual(await ask(bus, 'delete', { session: 'large' }), { ok: true, deleted: true });
    await verifyStreams((await world.stores()).api, subjects);
    await commitNext(bus, new SessionWriter('small'));
    await actor.stop();
  });

  it('refuses to run on a stream that has lost its newest message', async () => {
    const world = await begin();
    const { api, log } = await world.stores();
    const by = new SessionWriter('s');
    for (let i = 0; i < 3; i++) {
      const commit = by.next();
      by.wrote(commit, await log.append(commit, by.position));
    }
    await api.call(`STREAM.MSG.DELETE.${places.log.name}`, { seq: by.position });
    await assert.rejects(provideStreams(api, subjects), coded('CORRUPT'));
    await assert.rejects(startStorage(world), coded('CORRUPT'));
    await assert.rejects(provideStreams(api, subjects, `${places.log.name}:1`), coded('CORRUPT'));
    // Somebody knows of it, and says so once.
    await provideStreams(api, subjects, `${places.log.name}:${by.position}`);
    await provideStreams(api, subjects);
  });

  it('runs again after the newest session of all, or every session, was deleted', async () => {
    const world = await begin();
    const { api, log, blobs } = await world.stores();
    for (const name of ['old', 'new']) {
      const by = new SessionWriter(name);
      by.wrote(by.next(), await log.append(by.next(), 0));
      await blobs.put('ckpt', name, Uint8Array.of(1));
    }
    for (const name of ['new', 'old']) {
      await log.remove(name);
      await blobs.remove('ckpt', [name]);
      await provideStreams(api, subjects);
    }
    assert.equal((await log.index()).commits.size, 0);
  });

  it('never takes a session whose newest block was zeroed by a power failure for a new one', async () => {
    const world = await begin();
    const { log, bus } = await world.stores();
    const by = new SessionWriter('s');
    for (let i = 0; i < 50; i++) {
      const commit = by.next();
      by.wrote(commit, await log.append(commit, by.position));
    }
    await bus.close();
    await world.server.kill9();
    const folder = join(world.server.storeDir, 'jetstream');
    const blocks = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.includes(places.log.name) && file.endsWith('.blk'))
      .map((file) => join(folder, file));
    assert.equal(blocks.length, 1);
    const { size } = statSync(blocks[0]!);
    const file = await open(blocks[0]!, 'r+');
    await file.write(Buffer.alloc(size / 2), 0, Math.floor(size / 2), Math.ceil(size / 2));
    await file.close();
    await world.server.restart();

    const started = await world.stores().catch((error) => error);
    if (started instanceof Error) {
      assert.ok(hasCode(started, 'CORRUPT'), String(started));
      return;
    }
    // A newer server restores what it can: an unbroken beginning, behind which the old owner is fenced.
    const last = await started.log.last('s');
    assert.ok(last && last.position < by.position, 'history is gone, and the server does not say so');
    await assert.rejects(started.log.append(by.next(), by.position), coded('FENCED'));
  });

  it('lists all other sessions when something foreign lies in the log, and deletes it', async () => {
    const world = await begin();
    const warnings: string[] = [];
    const logger = { ...silent, warn: (facts: object) => void warnings.push(JSON.stringify(facts)) };
    const actor = await startStorage(world, { logger });
    const bus = await world.client();
    const good = new SessionWriter('good');
    await commitNext(bus, good);
    const foreign = new SessionWriter('good-too').next();
    const contents = [
      Buffer.from('{"not": "ours"}'),
      new Uint8Array(0),
      encode({ ...foreign, head: null }),
      encode(foreign),
    ];
    for (const [index, content] of contents.entries()) {
      const name = `bad-${index}`;
      bus.publish(subjects.log(name), content);
      await bus.flush();
      await assert.rejects(ask(bus, 'get', { session: name }), coded('CORRUPT'));
      await assert.rejects(ask(bus, 'load', { session: name, kernel: '' }), coded('CORRUPT'));
      await assert.rejects(append(bus, new SessionWriter(name).next(), 0), coded('CORRUPT'));
    }
    for (const request of [{}, { unfinishedAt: 1e15 }]) {
      const { sessions } = await ask<ListReply>(bus, 'list', request);
      assert.deepEqual(
        sessions.map(({ name }) => name),
        'unfinishedAt' in request ? [] : ['good'],
      );
    }
    assert.ok(actor.presence().counters!['error.CORRUPT']! >= contents.length);
    assert.ok(warnings.some((line) => line.includes('bad-0')));
    for (const index of contents.keys()) {
      assert.deepEqual(await ask(bus, 'delete', { session: `bad-${index}` }), { ok: true, deleted: true });
      await commitNext(bus, new SessionWriter(`bad-${index}`));
    }
    await actor.stop();
  });

  it('makes an existing stream usable, and leaves what others configured', async () => {
    const world = await begin();
    const { api, log } = await world.stores();
    const info = () => api.call<{ config: Record<string, unknown> }>(`STREAM.INFO.${places.log.name}`);
    const { config } = await info();
    // Each of these would lose commits, or leave every append without an answer.
    const harmful = {
      allow_direct: false,
      discard: 'old',
      max_age: 3_600_000_000_000,
      max_msgs_per_subject: 1,
      no_ack: true,
    };
    await api.call(`STREAM.UPDATE.${places.log.name}`, { ...config, max_bytes: 50_000_000, ...harmful });
    await verifyStreams(api, subjects);
    const { config: after } = await info();
    assert.deepEqual(
      [after.allow_direct, after.discard, after.max_age, after.max_msgs_per_subject, after.no_ack ?? false],
      [true, 'new', 0, -1, false],
    );
    assert.equal(after.max_bytes, 50_000_000);
    const by = new SessionWriter('s');
    for (let i = 0; i < 3; i++) {
      const commit = by.next();
      by.wrote(commit, await log.append(commit, by.position));
    }
    assert.equal((await log.index()).commits.get('s'), 3);
  });

  it('refuses at once a stream that cannot keep what it acknowledges, or takes its subjects', async () => {
    for (const config of [
      { name: places.log.name, subjects: [subjects.logAll], storage: 'memory' },
      { name: places.log.name, subjects: [subjects.logAll], storage: 'file', retention: 'workqueue' },
      { name: 'SOMEBODY', subjects: [`${subjects.prefix}.>`], storage: 'file' },
    ]) {
      const world = await natsWorld();
      worlds.push(world);
      const api = new JetStreamApi(await world.client());
      await api.call(`STREAM.CREATE.${config.name}`, config);
      await assert.rejects(verifyStreams(api, subjects), (error) => {
        assert.ok(hasCode(error, 'UNAVAILABLE') && !error.retryable && error.hint, String(error));
        return true;
      });
    }
  });

  it('loads a session of 10,000 commits by walking back', async () => {
    const world = await begin();
    const { log } = await world.stores();
    const by = new SessionWriter('long');
    for (let i = 0; i < 10_000; i++) {
      const commit = by.next();
      by.wrote(commit, await log.append(commit, by.position));
    }
    const actor = await startStorage(world);
    const bus = await world.client();
    const reply = await ask<LoadReply>(bus, 'load', { session: 'long', kernel: '' });
    assert.equal(reply.more, true);
    assert.equal(reply.last?.position, by.position);
    const all = await loadAll(bus, 'long');
    assert.equal(all.length, 10_000);
    for (let i = 1; i < all.length; i++) assert.equal(all[i]!.commit.prev, all[i - 1]!.commit.hash);
    await actor.stop();
  });

  it('answers within the largest message of a server that was not configured for us', async () => {
    const world = await begin({ config: '' });
    const actor = await startStorage(world);
    const bus = await world.client();
    assert.ok(actor.commitBytesMax < 600_000);
    const by = new SessionWriter('s');
    await commitNext(bus, by);
    const code = 'x'.repeat(actor.commitBytesMax - 5_000);
    for (let i = 0; i < 3; i++) {
      await commitNext(bus, by, by.counter(code), { fold: Uint8Array.of(1) });
    }
    await assert.rejects(commitNext(bus, by, by.counter(`${code}${'x'.repeat(10_000)}`)), coded('TOO_LARGE'));
    assert.equal((await loadAll(bus, 's')).length, 4);
    await actor.stop();
  });
});
