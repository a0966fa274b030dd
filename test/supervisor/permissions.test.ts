/** Every role on every subject, on real servers: what the table grants works, what it does not grant is refused. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { errors } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { accountsConfig } from '../../actors/supervisor/nats-server/config.ts';
import { connectBus, type NatsBus } from '../../bus/nats.ts';
import { LOOK } from '../../bus/operations/looks.ts';
import { inboxPrefix, type SubjectFamily, subjectFamilies } from '../../bus/permissions.ts';
import { type BusRole, ROLES } from '../../bus/roles.ts';
import { serve } from '../../bus/serving.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { type NatsServer, startNats } from '../kit/nats-server.ts';
import { until } from '../kit/until.ts';
import { testConfig, testUsers } from '../kit/users.ts';
import { testServers } from './servers.ts';

const subjects = makeSubjects('my.sys');
const families = subjectFamilies(subjects);
/** One subject of a family. */
const sampleOf = ({ pattern }: Pick<SubjectFamily, 'pattern'>) =>
  pattern.replaceAll('*', 'x').replace('>', '0.x');
/** What nobody needs, and what only one role may hear. */
const OUTSIDE = [
  '>',
  '*.>',
  `${subjects.prefix}.>`,
  `${subjects.prefix}.*.>`,
  `${subjects.prefix}.*.*`,
  '_INBOX.>',
  '_INBOX.*.>',
  '_R_.>',
  '_R_.x',
  '$JS.API.STREAM.NAMES',
  `$JS.API.STREAM.DELETE.${subjects.streams.log.name}`,
  `$JS.API.STREAM.MSG.DELETE.${subjects.streams.log.name}`,
  '$JS.API.CONSUMER.CREATE.OTHER',
  '$SYS.REQ.SERVER.PING',
  'somebody.elses.subject',
];
const isWild = (subject: string) => /[*>]/.test(subject);

/** A second client beside the first. */
const alice = { user: 'alice', password: 'of wonderland' };
function withAlice(config: string): string {
  const own = accountsConfig(subjects.prefix, { ...testUsers, client: alice });
  const [line] = /\{ user: "alice"[\s\S]*?\} \}/.exec(own)!;
  return config.replace('APP {\n    users: [', `APP {\n    users: [ ${line}`);
}

for (const { binary, version } of await testServers()) {
  describe(`permissions on nats-server ${version}`, () => {
    let server: NatsServer;
    const open: NatsBus[] = [];
    const enter = async (role: BusRole, { user, password: pass } = testUsers[role]) => {
      const bus = await connectBus({ url: server.url, user, pass, role, name: user });
      open.push(bus);
      return bus;
    };
    before(async () => {
      server = await startNats({ binary, config: withAlice(testConfig(version, subjects.prefix)) });
    });
    after(async () => {
      await Promise.all(open.map((bus) => bus.close()));
      await server?.stop();
    });

    /** What the server refuses to a role, of all subjects there are: `publish …`, `subscription …`. */
    async function refusals(role: BusRole): Promise<Set<string>> {
      const { user, password } = testUsers[role];
      const connection = await connect({
        servers: server.url,
        user,
        pass: password,
        inboxPrefix: inboxPrefix(role, user),
        noAsyncTraces: true,
      });
      const refused = new Set<string>();
      void (async () => {
        for await (const status of connection.status()) {
          if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue;
          refused.add(`${status.error.operation} ${status.error.subject}`);
        }
      })();
      for (const subject of everySubject()) {
        if (!isWild(subject)) connection.publish(subject);
        connection.subscribe(subject, { callback: () => {} });
        await connection.flush(); // a refusal comes before the answer to this
      }
      await new Promise((resolve) => setImmediate(resolve));
      await connection.close();
      return refused;
    }

    function everySubject(): string[] {
      const inboxes = ROLES.flatMap((role) => [
        `_INBOX.${role}.>`,
        `_INBOX.${role}.*.>`,
        `_INBOX.${role}.${role}.>`,
        `_INBOX.${role}.${role}.x`,
      ]);
      const patterns = families.flatMap(({ pattern, served = pattern }) => [pattern, served]);
      return [...new Set([...families.map(sampleOf), ...patterns, ...inboxes, ...OUTSIDE])];
    }

    for (const role of ROLES) {
      it(`lets a ${role} publish and subscribe where the table says, and nowhere else`, async () => {
        const may = { publish: new Set<string>(), subscription: new Set<string>() };
        for (const family of families) {
          const sample = sampleOf(family);
          if (family.from.includes(role)) may.publish.add(sample);
          // Answers go to whoever asks.
          if (family.kind === 'request' && family.to.includes(role) && role !== 'storage') {
            for (const asker of family.from) may.publish.add(`_INBOX.${asker}.${asker}.x`);
          }
          if (family.to.includes(role)) {
            for (const subject of [sample, family.pattern, family.served ?? sample])
              may.subscription.add(subject);
          }
        }
        if (role === 'storage') may.publish.add('_R_.x');
        for (const end of ['>', 'x']) may.subscription.add(`_INBOX.${role}.${role}.${end}`);
        const expected = everySubject().flatMap((subject) => [
          ...(isWild(subject) || may.publish.has(subject) ? [] : [`publish ${subject}`]),
          ...(may.subscription.has(subject) ? [] : [`subscription ${subject}`]),
        ]);
        assert.deepEqual([...(await refusals(role))].sort(), expected.sort());
      });
    }

    it('refuses to a client what would let it forge, whatever the table says', async () => {
      const refused = await refusals('client');
      const name = (family: string) => sampleOf(families.find((one) => one.name === family)!);
      const wall = [
        'append.<shard>.<session>',
        'llm',
        'live.<session>',
        'store.load',
        'store.blob.put.ckpt',
        'store.blob.put.receipt',
        'store.blob.put.large',
        'store.blob.get.receipt',
        'log.<shard>.<session>',
        'blob.<kind>.<key>',
      ];
      for (const family of wall) assert.ok(refused.has(`publish ${name(family)}`), family);
      for (const family of ['cmd.<session>', 'activate', 'replay', 'llm', 'store.get', 'presence.who']) {
        assert.ok(refused.has(`subscription ${name(family)}`), family);
      }
      for (const role of ROLES) assert.ok(refused.has(`publish _INBOX.${role}.${role}.x`), role);
    });

    it('carries every request of the table there and back, and every message', async () => {
      const buses = new Map(await Promise.all(ROLES.map(async (role) => [role, await enter(role)] as const)));
      for (const family of families) {
        const subject = sampleOf(family);
        for (const to of family.to) {
          const heard: string[] = [];
          const listener = buses.get(to)!;
          const { served = family.pattern } = family;
          const subscription =
            family.kind === 'request'
              ? serve(listener, served, (message) => void message.respond(message.data))
              : listener.subscribe(served, (message) => void heard.push(message.subject));
          await listener.flush();
          for (const from of family.from) {
            if (family.kind === 'request') {
              const answer = await buses.get(from)!.request(subject, Buffer.from(from), { timeoutMs: 5_000 });
              assert.equal(Buffer.from(answer).toString(), from, `${from} asks ${to} on ${subject}`);
            } else {
              buses.get(from)!.publish(subject, Buffer.from(from));
              await until(() => heard.includes(subject));
            }
          }
          subscription.unsubscribe();
          await listener.flush();
        }
      }
    });

    it('leads no answer to a subject that whoever asked may not publish to', async () => {
      for (const attacker of ROLES) {
        if (attacker === 'storage') continue; // has the log itself in its hands
        const heard: string[] = [];
        const servers = await Promise.all(
          ROLES.map(async (role) => {
            const bus = await enter(role);
            const served = families.filter(({ kind, to }) => kind === 'request' && to.includes(role));
            for (const pattern of new Set(served.map(({ pattern, served = pattern }) => served))) {
              serve(bus, pattern, (message) => {
                heard.push(message.subject);
                message.respond(Buffer.from('whatever'));
              });
            }
            await bus.flush();
            return bus;
          }),
        );
        const hostile = await enter(attacker);
        const asked = families.filter(({ kind, from }) => kind === 'request' && from.includes(attacker));
        for (const family of asked) {
          for (const target of families) {
            hostile.publish(sampleOf(family), Buffer.from('x'), { reply: sampleOf(target) });
          }
        }
        // The answers to these come after all that was set off before.
        for (let round = 0; round < 3; round += 1) {
          await hostile.flush();
          for (const family of asked) {
            await hostile.request(sampleOf(family), Buffer.from('x'), { timeoutMs: 5_000 });
          }
          await Promise.all(servers.map((bus) => bus.flush()));
        }
        const allowed = new Set(asked.map(sampleOf));
        assert.deepEqual(
          [...new Set(heard)].filter((subject) => !allowed.has(subject)),
          [],
          attacker,
        );
        await Promise.all([hostile, ...servers].map((bus) => bus.close()));
      }
    });

    it('keeps the answers of one client from another one', async () => {
      const worker = await enter('worker');
      serve(worker, subjects.any(LOOK.replay), (message) => void message.respond(Buffer.from('for alice')));
      await worker.flush();
      const [client, other] = [await enter('client'), await enter('client', alice)];
      const overheard: string[] = [];
      for (const subject of ['_INBOX.client.alice.>', '_INBOX.client.>', '_INBOX.*.*.>']) {
        client.subscribe(subject, (message) => void overheard.push(message.subject));
      }
      await client.flush();
      const answer = await other.request(subjects.any(LOOK.replay), Buffer.from(''), { timeoutMs: 5_000 });
      assert.equal(Buffer.from(answer).toString(), 'for alice');
      await client.flush();
      assert.deepEqual(overheard, []);
    });
  });
}
