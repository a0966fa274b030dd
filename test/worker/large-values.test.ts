/** Values that fit into no commit and no message, on servers that take little and much. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { scopedKey } from '../../bus/blob-keys.ts';
import type { SessionClient } from '../../bus/client/client.ts';
import { scopeOf } from '../../bus/large.ts';
import { PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_OURS } from '../../bus/limits.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import { BlobParts } from '../../storage/blob-parts.ts';
import { type NatsServer, startNats } from '../kit/nats-server.ts';
import { startSystem, type TestSystem } from '../kit/system.ts';
import { startWorld, type World } from './world.ts';

const NATS_DEFAULT = 1024 * 1024;
/** Answers of the echo model have four characters a token, or are the prompt. */
const asking = (characters: number, text = 'x') =>
  `(await llm(${JSON.stringify(text)}.repeat(${characters}), { model: 'echo' })).length`;

describe('large values of a session that is removed', () => {
  it('go with it, and those of another session with the same content stay', async () => {
    await using world = await startWorld();
    const content = "await llm('x'.repeat(400_000)); 1";
    const keys: string[] = [];
    for (const name of ['gone', 'kept']) {
      assert.equal((await world.client.execute(name, content)).output, '1');
      for await (const stored of commitsOf(world, name)) {
        const { events, head } = stored.commit;
        for (const { large } of events) if (large) keys.push(scopedKey(scopeOf(head.id), large.sha256));
      }
    }
    assert.equal(keys.length, 4);
    const parts = new BlobParts(world.blobs);
    const held = async () => {
      const found = await Promise.all(keys.map((key) => parts.get({ kind: 'large', key })));
      return found.map(({ bytes }) => bytes !== null);
    };
    assert.deepEqual(await held(), [true, true, true, true]);
    await world.client.deleteSession('gone');
    assert.deepEqual(await held(), [false, false, true, true]);
    assert.equal((await world.client.replay('kept')).verified, true);
  });
});

async function* commitsOf(world: World, name: string) {
  const last = await world.log.last(name);
  yield* await world.log.at(name, [...last!.commit.head.tail, last!.position]);
}

/** A reply without what differs between the first and a later one; the first of all may itself be a retry's. */
const told = ({ worker: _, repeated: __, ...reply }: ExecuteReply) => reply;

for (const maxPayload of [PAYLOAD_BYTES_MIN, NATS_DEFAULT, PAYLOAD_BYTES_OURS]) {
  describe(`large values on a server that takes messages of ${maxPayload} bytes`, () => {
    const SIZES = (
      [
        [400_000, 'x'],
        [200_000, '漢'],
        [550_000, '漢'],
        [5_000_000, 'x'],
      ] as const
    ).filter(([characters]) => maxPayload === NATS_DEFAULT || characters === 400_000);
    let nats: NatsServer;
    let system: TestSystem;
    let client: SessionClient;
    before(async () => {
      nats = await startNats({ config: `max_payload: ${maxPayload}` });
      system = await startSystem({ workers: 2, env: { REPRISE_NATS_URL: nats.url } });
      client = await system.connect();
    });
    after(async () => {
      await system[Symbol.asyncDispose]();
      await nats.stop();
    });

    it('goes on after requests and answers of any size, and the next owner has them', async () => {
      for (const [characters, text] of SIZES) {
        const reply = await client.execute('calls', `kept = ${asking(characters, text)}`);
        assert.equal(reply.error, null);
        assert.equal(reply.output, String(characters + 'echo: '.length), `${characters} of ${text}`);
      }
      // Each goes into a commit, both do not.
      const half = Math.min(500_000, maxPayload >> 1);
      const two = await client.execute(
        'calls',
        `(await Promise.all([1, 2].map((n) => llm(n + '漢'.repeat(${half}), { model: 'echo' })))).map((a) => a.length)`,
      );
      assert.equal(two.error, null);
      system.kill((await client.execute('calls', 'kept')).worker);
      const [largest] = SIZES.at(-1)!;
      assert.equal((await client.execute('calls', 'kept', { waitMs: 60_000 })).output, String(largest + 6));
      assert.deepEqual(await replayOf('calls'), [true, undefined]);
    });

    it('keeps results and errors of any size, and tells as much as a message takes', async () => {
      const id = 'asked twice';
      const code = `console.log('the log'); 'r'.repeat(3_000_000)`;
      const first = await client.execute('results', code, { commandId: id });
      assert.equal(first.error, null);
      assert.ok(Buffer.byteLength(first.output) < maxPayload);
      const again = await client.execute('results', code, { commandId: id });
      assert.deepEqual(told(again), told(first));
      const thrown = await client.execute('results', `throw new Error('漢'.repeat(900_000))`);
      assert.equal(thrown.error?.name, 'Error');
      assert.equal((await client.execute('results', '1 + 1')).output, '2');
      assert.deepEqual(await replayOf('results'), [true, undefined]);
    });

    it('gives the first reply again, of a command whose output no message takes', async () => {
      const id = 'printed much';
      const code = `for (let i = 0; i < 60; i++) {
        console.log('漢'.repeat(2_000));
        await new Promise((done) => setTimeout(done, 1));
      } 7`;
      const first = await client.execute('printing', code, { commandId: id });
      assert.equal(first.output, '7');
      system.kill(first.worker);
      const again = await client.execute('printing', code, { commandId: id, waitMs: 60_000 });
      assert.deepEqual(told(again), told(first));
    });

    it('reads the log with everything in its place', async () => {
      const lengths: number[] = [];
      for await (const event of client.events('calls')) {
        assert.equal(event.large, undefined);
        if (event.type === 'llm_resp') lengths.push(event.response.length);
      }
      assert.deepEqual(
        lengths.slice(0, SIZES.length),
        SIZES.map(([characters]) => characters + 'echo: '.length),
      );
    });

    // Where a commit takes least.
    const few = { skip: maxPayload > PAYLOAD_BYTES_MIN };
    it('goes on with checkpoints while thousands of timers wait', few, async () => {
      const armed = await client.execute(
        'waiting',
        'for (let i = 0; i < 3_000; i++) setTimeout(() => {}, 3_600_000); 1',
      );
      assert.equal(armed.output, '1');
      await client.forceSave('waiting');
      system.kill((await client.execute('waiting', '2')).worker);
      assert.equal((await client.execute('waiting', '3', { waitMs: 60_000 })).output, '3');
      assert.deepEqual(await replayOf('waiting'), [true, undefined]);
    });

    async function replayOf(session: string) {
      const { verified, divergence } = await client.replay(session);
      return [verified, divergence];
    }
  });
}
