/**
 * Logs that somebody tampered with, on a real server: every kind of harm, to logs of every length, in every operation
 * that reads or writes. What is not whole is refused and named, never taken for another log.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { encode } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { ExamineReply, LoadReply, ScanReply } from '../../bus/operations/logs.ts';
import type { Bus } from '../../bus/port.ts';
import type { StorageActor } from '../../storage/actor.ts';
import { EXPECTED_LAST, type JetStreamApi, makeHeaders, parseJson } from '../../storage/jetstream-api.ts';
import { SessionWriter } from '../kit/commits.ts';
import { append, ask, commitNext, type NatsWorld, natsWorld, startStorage, subjects } from './world.ts';

const { log: place } = subjects.streams;
const LENGTHS = [1, 2, 5, 40];

interface Torn {
  by: SessionWriter;
  /** Positions of its commits, oldest first. */
  positions: number[];
  api: JetStreamApi;
}

const bytesAt = async ({ api }: Torn, position: number) => (await api.bySequence(place.name, position))!.data;
const publish = async ({ api, by }: Torn, bytes: Uint8Array, expected?: number) => {
  const extra = expected === undefined ? undefined : makeHeaders({ [EXPECTED_LAST]: String(expected) });
  const ack = parseJson<{ seq: number; error?: object }>(
    await api.request(subjects.log(by.token), bytes, extra),
  );
  assert.equal(ack.error, undefined, JSON.stringify(ack.error));
};
const remove = ({ api }: Torn, position: number) =>
  api.call(`STREAM.MSG.DELETE.${place.name}`, { seq: position });

/** Each does harm to a log; null where it cannot be done to one so short. */
const HARM: Record<string, (torn: Torn) => Promise<void> | null> = {
  'the first commit is published once more': async (torn) =>
    publish(torn, await bytesAt(torn, torn.positions[0]!)),
  'an old commit is published once more': (torn) =>
    torn.positions.length < 3
      ? null
      : bytesAt(torn, torn.positions.at(-2)!).then((bytes) => publish(torn, bytes)),
  'an old commit is published with the position that the server wants to hear': async (torn) =>
    publish(torn, await bytesAt(torn, torn.positions.at(-1)!), torn.positions.at(-1)!),
  'something else is published': (torn) => publish(torn, encode({ hello: 'world' })),
  'a rightful next commit is published past storage': (torn) => publish(torn, encode(torn.by.next())),
  'the newest commit is deleted': (torn) =>
    torn.positions.length < 2 ? null : remove(torn, torn.positions.at(-1)!).then(() => {}),
  'the two newest commits are deleted': (torn) =>
    torn.positions.length < 3
      ? null
      : remove(torn, torn.positions.at(-1)!)
          .then(() => remove(torn, torn.positions.at(-2)!))
          .then(() => {}),
  'the two newest commits are deleted, oldest first': (torn) =>
    torn.positions.length < 3
      ? null
      : remove(torn, torn.positions.at(-2)!)
          .then(() => remove(torn, torn.positions.at(-1)!))
          .then(() => {}),
  'the first commit is deleted': (torn) =>
    torn.positions.length < 2 ? null : remove(torn, torn.positions[0]!).then(() => {}),
  'a commit in the middle is deleted': (torn) =>
    torn.positions.length < 3 ? null : remove(torn, torn.positions.at(-2)!).then(() => {}),
};

describe('a log that somebody tampered with', () => {
  let world: NatsWorld;
  let bus: Bus;
  let api: JetStreamApi;
  let actors: StorageActor[] = [];
  let names = 0;
  before(async () => {
    world = await natsWorld();
    // The second process has seen nothing of what the first one did.
    actors = [await startStorage(world)];
    bus = await world.client();
    ({ api } = await world.stores());
  });
  after(async () => {
    await Promise.all(actors.map((actor) => actor.stop()));
    await world.stop();
  });

  async function written(length: number): Promise<Torn> {
    names += 1;
    const by = new SessionWriter(`torn ${names}`);
    const positions: number[] = [];
    for (let i = 0; i < length; i++) {
      await commitNext(bus, by);
      positions.push(by.position);
    }
    return { by, positions, api };
  }

  /** Whether a log whose newest commits were deleted is served as the shorter one, and not as a new session. */
  const endsEarlier = async (load: Promise<LoadReply>, { positions }: Torn): Promise<boolean> => {
    const reply = await load.catch(() => null);
    if (!reply) return false;
    assert.ok(reply.last, 'it is taken for new');
    assert.ok(positions.includes(reply.last.position));
    return true;
  };

  const broken = async (work: Promise<unknown>, what: string) => {
    const error = await work.then(
      () => assert.fail(`${what} was not refused`),
      (thrown) => RepriseError.from(thrown),
    );
    assert.ok(hasCode(error, 'CORRUPT', 'CHAIN_BROKEN'), `${what}: ${error.code} ${error.message}`);
    assert.equal(error.retryable, false);
    assert.ok((error.at?.position ?? 0) > 0, `${what} says no position: ${error.message}`);
  };

  for (const [harm, act] of Object.entries(HARM)) {
    it(`is refused and named when ${harm}`, async () => {
      const refused: string[] = [];
      for (const length of LENGTHS) {
        const torn = await written(length);
        const { by } = torn;
        const done = act(torn);
        if (!done) continue;
        await done;
        const { name: session } = by;
        const what = (operation: string) => `${operation} of a log of ${length} commits`;
        const load = ask<LoadReply>(bus, 'load', { session, kernel: '' });
        if (/newest/.test(harm) && (await endsEarlier(load, torn))) {
          // What is left is a whole log. Whoever has seen more of it, says so.
          await broken(append(bus, by.next(), by.position), what('append'));
          continue;
        }
        await broken(load, what('load'));
        await broken(ask(bus, 'read', { session, from: 0 }), what('read'));
        await broken(ask(bus, 'find', { session, commandId: 'unknown' }), what('find'));
        refused.push(session);
        // Nobody begins a session of that name beside it.
        const again = new SessionWriter(session);
        const begun = await append(bus, again.next(), 0).then(
          () => 'begun',
          (error) => error.code,
        );
        assert.ok(['CORRUPT', 'FENCED'].includes(begun), `${what('begin')}: ${begun}`);

        const { found } = await ask<ScanReply>(bus, 'scan', { session });
        const left = [...torn.positions.keys()].filter((index) =>
          found.some(({ position, commit }) => position === torn.positions[index] && commit),
        );
        assert.ok(left.length >= length - 2, what('scan'));
      }
      const { broken: named } = await ask<ExamineReply>(bus, 'examine', {});
      for (const session of refused) {
        assert.ok(
          named.some((one) => one.session === session),
          `examine does not name ${session}`,
        );
      }
    });
  }

  it('is whole as long as nobody does', async () => {
    for (const length of LENGTHS) {
      const { by } = await written(length);
      const { broken: named } = await ask<ExamineReply>(bus, 'examine', {});
      assert.equal(
        named.some(({ session }) => session === by.name),
        false,
      );
    }
  });
});
