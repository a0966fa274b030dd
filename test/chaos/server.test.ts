/** nats-server killed under load, twenty times. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startSystem } from '../kit/system.ts';
import { assertWholeHistory, commandsOf } from './log-checks.ts';

const SESSIONS = 4;
const KILLS = 20;

describe('nats-server killed under load', () => {
  it(`loses no acknowledged command in ${KILLS} kills, keeps the order and repeats nothing`, async () => {
    await using system = await startSystem({ workers: 2 });
    const client = await system.connect();
    const acknowledged = Array.from({ length: SESSIONS }, () => [] as string[]);
    const names = acknowledged.map((_, index) => `load-${index}`);
    for (const name of names) await client.execute(name, 'let n = 0');
    let over = false;
    const load = names.map(async (name, index) => {
      for (let count = 0; !over; count++) {
        const commandId = `${name}-${count}`;
        const { output } = await client.execute(name, '++n', { commandId, timeoutMs: 60_000 });
        assert.equal(output, String(count + 1));
        acknowledged[index]!.push(commandId);
      }
    });
    for (let kill = 0; kill < KILLS; kill++) {
      const { natsPid } = system;
      process.kill(natsPid, 'SIGKILL');
      await system.healthy(natsPid);
      const before = acknowledged.map(({ length }) => length);
      // Every session makes progress before the next blow.
      await Promise.race([
        Promise.all(load),
        new Promise<void>((resolve) => {
          const look = () =>
            acknowledged.every(({ length }, index) => length > before[index]!)
              ? resolve()
              : setTimeout(look, 5);
          look();
        }),
      ]);
    }
    over = true;
    await Promise.all(load);
    for (const [index, name] of names.entries()) {
      const ran = commandsOf(await assertWholeHistory(client, name)).slice(1);
      assert.deepEqual(ran, acknowledged[index]);
    }
  });
});
