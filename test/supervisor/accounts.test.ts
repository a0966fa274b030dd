/** Invariant 7: only the storage user can put a message on a log or blob subject. Real servers, every version. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect, headers } from '@nats-io/transport-node';
import { inboxPrefix } from '../../bus/permissions.ts';
import { ROLES } from '../../bus/roles.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { type NatsServer, startNats } from '../kit/nats-server.ts';
import { testConfig, testUsers } from '../kit/users.ts';
import { testServers } from './servers.ts';

const subjects = makeSubjects('my.sys');
const victim = subjects.log('victim');
const stream = subjects.streams.log.name;
const applications = ROLES.filter((role) => role !== 'storage');
const attackers = [...applications, 'system'] as const;

for (const { binary, version } of await testServers()) {
  describe(`accounts on nats-server ${version}`, () => {
    let server: NatsServer;
    const connections: NatsConnection[] = [];
    after(async () => {
      await Promise.all(connections.map((connection) => connection.close()));
      await server?.stop();
    });
    /** `root`: storage's account without any limit, to look around. */
    const enter = async (who: keyof typeof testUsers | 'root') => {
      const { user, password } = who === 'root' ? { user: 'root', password: 'r' } : testUsers[who];
      const inboxes = who === 'root' || who === 'system' ? undefined : inboxPrefix(who, user);
      const connection = await connect({
        servers: server.url,
        user,
        pass: password,
        timeout: 5_000,
        inboxPrefix: inboxes,
      });
      connections.push(connection);
      return connection;
    };
    const start = async () => {
      const text = testConfig(version, subjects.prefix);
      const config = text.replace('users: [', 'users: [ { user: root, password: r }');
      server = await startNats({ binary, config });
    };

    it('lets storage answer requests of the application and feed its followers', async () => {
      await start();
      const [storage, worker, client] = [
        await enter('storage'),
        await enter('worker'),
        await enter('client'),
      ];
      const manager = await jetstreamManager(storage);
      await manager.streams.add({ name: stream, subjects: [subjects.logAll, subjects.blobAll('*')] });
      for (const subject of [subjects.appendAll, subjects.storeAll]) {
        storage.subscribe(subject, { queue: 'storage', callback: (_e, m) => void m.respond('done') });
      }
      storage.subscribe(subjects.ping('storage.1'), { callback: (_e, m) => void m.respond('pong') });
      const heard = new Promise<string>((resolve) => {
        client.subscribe(subjects.logAll, { callback: (_e, m) => resolve(`${m.subject} ${m.string()}`) });
      });
      await Promise.all([storage.flush(), client.flush()]);

      assert.equal((await worker.request(subjects.append('x'), '', { timeout: 5_000 })).string(), 'done');
      assert.equal((await client.request(subjects.store('list'), '', { timeout: 5_000 })).string(), 'done');
      assert.equal(
        (await client.request(subjects.ping('storage.1'), '', { timeout: 5_000 })).string(),
        'pong',
      );
      await jetstream(storage).publish(subjects.log('x'), 'commit');
      assert.equal(await heard, `${subjects.log('x')} commit`);
    });

    it('collects the answers of every worker and every storage process to one presence question', async () => {
      const [client, worker] = [await enter('client'), await enter('worker')];
      const storages = [await enter('storage'), await enter('storage')];
      for (const [index, connection] of [...storages, worker].entries()) {
        connection.subscribe(subjects.who, { callback: (_e, m) => void m.respond(`p${index}`) });
        await connection.flush();
      }
      for (let round = 0; round < 3; round += 1) {
        const answers = new Set<string>();
        const inbox = `${inboxPrefix('client', 'client')}.who${round}`;
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error(`only ${[...answers]}`)), 5_000);
          client.subscribe(inbox, {
            callback: (_e, m) => {
              answers.add(m.string());
              if (answers.size < 3) return;
              clearTimeout(timer);
              resolve();
            },
          });
          client.publish(subjects.who, '', { reply: inbox });
        });
      }
    });

    it('answers a ping of a dead worker with "no responders", at once', async () => {
      const client = await enter('client');
      await assert.rejects(
        client.request(subjects.ping('worker-9'), '', { timeout: 5_000 }),
        /no responders/,
      );
    });

    it('keeps every message of the application off the log', async () => {
      const root = await enter('root');
      const manager = await jetstreamManager(root);
      const count = async () => (await manager.streams.info(stream)).state.messages;
      const before = await count();
      const blob = subjects.blob('ckpt', 'key');

      for (const attacker of await Promise.all(attackers.map(enter))) {
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
          attacker.subscribe(subjects.ping('me'), {
            callback: (error, m) => void (error ?? m.respond('forged')),
          });
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
      await root.flush();
      assert.equal(await count(), before);
      assert.equal(await manager.streams.getMessage(stream, { last_by_subj: victim }), null);
    });

    it('keeps the application away from the JetStream API, whatever subject it takes', async () => {
      const manager = await jetstreamManager(await enter('root'));
      const entered = await Promise.all(applications.map(enter));
      const config = { name: 'EVIL', subjects: [victim], mirror: { name: stream } };
      for (const api of [
        'INFO',
        'STREAM.NAMES',
        'STREAM.CREATE.EVIL',
        `STREAM.UPDATE.${stream}`,
        `STREAM.DELETE.${stream}`,
        `STREAM.PURGE.${stream}`,
        `STREAM.MSG.DELETE.${stream}`,
        `STREAM.MSG.GET.${stream}`,
        `STREAM.SNAPSHOT.${stream}`,
        `STREAM.RESTORE.${stream}`,
        `DIRECT.GET.${stream}`,
        `CONSUMER.CREATE.${stream}`,
      ]) {
        await Promise.all(
          entered.map(async (attacker) => {
            await assert.rejects(
              attacker.request(`$JS.API.${api}`, JSON.stringify(config), { timeout: 200 }),
            );
            attacker.publish(subjects.append('x'), '', { reply: `$JS.API.${api}` });
            await attacker.flush();
          }),
        );
      }
      const info = await manager.streams.info(stream);
      assert.equal(info.state.messages, 1);
      assert.deepEqual(info.config.subjects, [subjects.logAll, subjects.blobAll('*')]);
      const names: string[] = [];
      for await (const { config } of manager.streams.list()) names.push(config.name);
      assert.deepEqual(names, [stream]);
    });

    it('lets nobody of the application answer in the place of storage', async () => {
      const worker = await enter('worker');
      for (const impostor of await Promise.all(attackers.map(enter))) {
        for (const subject of [subjects.appendAll, subjects.storeAll, `${subjects.prefix}.>`, '>']) {
          impostor.subscribe(subject, {
            queue: 'storage',
            callback: (error, m) => {
              if (!error && /\.(append|store)\./.test(m.subject)) m.respond('forged');
            },
          });
        }
        await impostor.flush();
      }
      for (let i = 0; i < 20; i += 1) {
        const reply = await worker.request(subjects.append(`s${i}`), '', { timeout: 5_000 });
        assert.equal(reply.string(), 'done');
      }
    });
  });
}
