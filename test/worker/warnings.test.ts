/** Half of a limit is told of, once, and a replay is none the wiser. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFFECTS_MAX, HEAP_BYTES_MAX } from '../../bus/limits.ts';
import type { EventOf } from '../../bus/types.ts';
import { until } from '../kit/until.ts';
import { startWorld, type World } from './world.ts';

async function warningsIn(world: World): Promise<[string, number][]> {
  const warnings = (await world.events('s')).filter(
    (event): event is EventOf<'warning'> => event.type === 'warning',
  );
  return warnings.map(({ limit, max }) => [limit, max]);
}

describe('a session of which half a limit is used', () => {
  it('says so once for each limit, before the end of the cell, and replays as before', async () => {
    await using world = await startWorld({ settings: { backgroundTurnsMax: 20 } });
    const run = async (code: string) => assert.equal((await world.client.execute('s', code)).output, '1');
    await run(`let big = new Uint8Array(36 * 1024 * 1024); 1`);
    await run(`big[0] = 1; 1`);
    await run(`for (let i = 0; i < ${EFFECTS_MAX / 2}; i++) setTimeout(() => {}, 3_600_000); 1`);
    await run(`setTimeout(() => {}, 3_600_000); 1`);
    assert.deepEqual(await warningsIn(world), [
      ['heap', HEAP_BYTES_MAX],
      ['effects', EFFECTS_MAX],
    ]);
    const types = (await world.events('s')).map(({ type }) => type);
    assert.equal(types[types.indexOf('warning') + 1], 'output');
    for (const round of [1, 2]) {
      await run(`for (let i = 0; i < 12; i++) setTimeout(() => {}, i); 1`);
      await until(
        async () => (await warningsIn(world)).filter(([limit]) => limit === 'background').length === round,
      );
    }
    assert.equal((await world.client.replay('s')).verified, true);
  });
});
