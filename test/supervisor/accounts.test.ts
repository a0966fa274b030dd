/** Invariant 7: only the storage user can put a message on a log or blob subject. Real servers, every version. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect, headers } from '@nats-io/transport-node';
import { serverConfig } from '../../actors/supervisor/nats-server/config.ts';
import { isAtLeast } from '../../actors/supervisor/nats-server/version.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { type NatsServer, startNats } from '../kit/nats-server.ts';
import { testServers } from './servers.ts';

const subjects = makeSubjects('my.sys');
const victim = subjects.log('victim');
const credentials = {
  app: { user: 'app', password: 'a"\\b c' },
  storage: { user: 'storage', password: 's' },
  system: { user: 'sys', password: 'y' },
};

for (const { binary, version } of await testServers()) {
  describe(`accounts on nats-server ${version}`, () => {
    let server: NatsServer;
    const connections: NatsConnection[] = [];
    after(async () => {
      await Promise.all(connections.map((connection) => connection.close()));
      await server?.stop();
    });
    const enter = async (who: 'app' | 'storage' | 'system') => {
      const { user, password } = credentials[who];
      const connection = await connect({ servers: server.url, user, pass: password, timeout: 5_000 });
      connections.push(connection);
      return connection;
    };
    const start = async () => {
      const text = serverConfig({
        version,
        serverName: 'test',
        port: -1,
        storeDir: '/unused',
        prefix: subjects.prefix,
        credentials,
        durability: isAtLeast(version, '2.10.0') ? 'power' : 'process',
      });
      // The kit sets the address, port and store folder itself.
      const config = text.replace(/^ *(port|host|store_dir): .*$/gm, '');
      server = await startNats({ binary, config });
    };

    it('lets storage answer requests of the application and feed its followers', async () => {
      await start();
      const [storage, app, worker] = [await enter('storage'), await enter('app'), await enter('app')];
      const manager = await jetstreamManager(storage);
      await manager.streams.add({ name: 'LOG', subjects: [subjects.logAll, `${subjects.prefix}.blob.>`] });
      for (const subject of [subjects.appendAll, subjects.storeAll]) {
        storage.subscribe(subject, { queue: 'storage', callback: (_e, m) => void m.respond('done') });
      }
      storage.subscribe(subjects.ping('storage.1'), { callback: (_e, m) => void m.respond('pong') });
      const heard = new Promise<string>((resolve) => {
        worker.subscribe(subjects.logAll, { callback: (_e, m) => resolve(`${m.subject} ${m.string()}`) });
      });
      await Promise.all([storage.flush(), worker.flush()]);

      assert.equal((await app.request(subjects.append('x'), '', { timeout: 5_000 })).string(), 'done');
      assert.equal((await app.request(subjects.store('list'), '', { timeout: 5_000 })).string(), 'done');
      assert.equal((await app.request(subjects.ping('storage.1'), '', { timeout: 5_000 })).string(), 'pong');
      await jetstream(storage).publish(subjects.log('x'), 'commit');
      assert.equal(await heard, `${subjects.log('x')} commit`);
    });

    it('collects the answers of every worker and every storage process to one presence question', async () => {
      const [app, worker] = [await enter('app'), await enter('app')];
      const storages = [await enter('storage'), await enter('storage')];
      for (const [index, connection] of [...storages, worker].entries()) {
        connection.subscribe(subjects.who, { callback: (_e, m) => void m.respond(`p${index}`) });
        await connection.flush();
      }
      for (let round = 0; round < 3; round += 1) {
        const answers = new Set<string>();
        const inbox = `_INBOX.who${round}`;
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error(`only ${[...answers]}`)), 5_000);
          app.subscribe(inbox, {
            callback: (_e, m) => {
              answers.add(m.string());
              if (answers.size < 3) return;
              clearTimeout(timer);
              resolve();
            },
          });
          app.publish(subjects.who, '', { reply: inbox });
        });
      }
    });

    it('answers a ping of a dead worker with "no responders", at once', async () => {
      const app = await enter('app');
      await assert.rejects(app.request(subjects.ping('worker-9'), '', { timeout: 5_000 }), /no responders/);
    });

    it('keeps every message of the application off the log', async () => {
      const app = await enter('app');
      const system = await enter('system');
      const storage = await enter('storage');
      const manager = await jetstreamManager(storage);
      const count = async () => (await manager.streams.info('LOG')).state.messages;
      const before = await count();
      const blob = subjects.blob('ckpt', 'key');

      for (const attacker of [app, system]) {
        for (const target of [victim, blob]) {
          attacker.publish(target, 'forged');
          await attacker.request(target, 'forged', { timeout: 100 }).catch(() => {});
          // The answer to a permitted request, sent to the log.
          for (const request of [
            subjects.append('x'),
            subjects.store('list'),
            subjects.who,
            subjects.ping('storage.1'),
            subjects.ping('me'),
          ]) {
            attacker.publish(request, 'forged', { reply: target });
          }
          // An answer that we give ourselves.
          attacker.subscribe(subjects.ping('me'), { callback: (_e, m) => void m.respond('forged') });
          attacker.publish(subjects.ping('me'), '', { reply: target });
          // Tracing (2.11+) publishes where a header says.
          const trace = headers();
          trace.set('Nats-Trace-Dest', target);
          attacker.publish(subjects.append('x'), 'forged', { headers: trace });
          attacker.publish('free.subject', 'forged', { headers: trace });
          // Scheduled messages (2.12+).
          const schedule = headers();
          schedule.set('Nats-Schedule', '@at 2020-01-01T00:00:00Z');
          schedule.set('Nats-Schedule-Target', target);
          attacker.publish(subjects.append('x'), 'forged', { headers: schedule });
          // Somebody else's mapped answers, and the answer subject of another account.
          for (const mapped of ['_R_.', '_GR_.', `$JS.ACK.LOG.c.1.1.1.1.0`]) {
            attacker.publish(`${mapped}${target}`, 'forged', { reply: target });
          }
        }
        await attacker.flush();
      }
      await storage.flush();
      assert.equal(await count(), before);
      assert.equal(await manager.streams.getMessage('LOG', { last_by_subj: victim }), null);
    });

    it('keeps the application away from the JetStream API, whatever subject it takes', async () => {
      const app = await enter('app');
      const storage = await enter('storage');
      const manager = await jetstreamManager(storage);
      const config = { name: 'EVIL', subjects: [victim], mirror: { name: 'LOG' } };
      for (const api of [
        'INFO',
        'STREAM.NAMES',
        'STREAM.CREATE.EVIL',
        'STREAM.UPDATE.LOG',
        'STREAM.DELETE.LOG',
        'STREAM.PURGE.LOG',
        'STREAM.MSG.DELETE.LOG',
        'STREAM.MSG.GET.LOG',
        'STREAM.SNAPSHOT.LOG',
        'STREAM.RESTORE.LOG',
        'DIRECT.GET.LOG',
        'CONSUMER.CREATE.LOG',
      ]) {
        await assert.rejects(app.request(`$JS.API.${api}`, JSON.stringify(config), { timeout: 200 }));
        app.publish(subjects.append('x'), '', { reply: `$JS.API.${api}` });
      }
      await app.flush();
      const { state, config: stream } = await manager.streams.info('LOG');
      assert.equal(state.messages, 1);
      assert.deepEqual(stream.subjects, [subjects.logAll, `${subjects.prefix}.blob.>`]);
      const names: string[] = [];
      for await (const stream of manager.streams.list()) names.push(stream.config.name);
      assert.deepEqual(names, ['LOG']);
    });

    it('lets nobody of the application answer in the place of storage', async () => {
      const [app, impostor] = [await enter('app'), await enter('app')];
      for (const subject of [subjects.appendAll, subjects.storeAll, `${subjects.prefix}.>`, '>']) {
        impostor.subscribe(subject, {
          queue: 'storage',
          callback: (error, m) => {
            if (!error && /\.(append|store)\./.test(m.subject)) m.respond('forged');
          },
        });
      }
      await impostor.flush();
      for (let i = 0; i < 20; i += 1) {
        const reply = await app.request(subjects.append(`s${i}`), '', { timeout: 5_000 });
        assert.equal(reply.string(), 'done');
      }
    });
  });
}
