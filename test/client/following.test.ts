/** Who follows a session sees it, whenever it begins and whatever storage says meanwhile. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Following } from '../../bus/client/following.ts';
import { type ErrorCode, RepriseError } from '../../bus/errors.ts';
import { makeMemoryBus } from '../../bus/memory.ts';
import { systemClock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { until } from '../kit/until.ts';

const timestamp = '2026-01-01T00:00:00.000Z';
const LOG: SessionEvent[] = [
  { type: 'session', version: 2, seq: 0, id: 'id', created: timestamp },
  { type: 'input', seq: 1, code: 'x', timestamp, commandId: 'c', cell: 1 },
  { type: 'output', seq: 2, value: 'printed', timestamp, stream: 'stdout', level: 'log', cell: 1 },
];

for (const code of ['NOT_FOUND', 'TIMEOUT', 'UNAVAILABLE', 'DISCONNECTED'] as const satisfies ErrorCode[]) {
  it(`a session is followed although storage says ${code} at first`, async () => {
    let reads = 0;
    async function* events(): AsyncGenerator<SessionEvent, void> {
      if (++reads <= 2) throw new RepriseError(code, 'not now');
      yield* LOG;
    }
    const bus = makeMemoryBus({ clock: systemClock }).connect('c');
    const seen: string[] = [];
    const ports = { bus, subjects: makeSubjects('reprise'), clock: systemClock, storage: { events } };
    const following = new Following(ports, 's', 0, (shown) => {
      if (shown.kind === 'printed') seen.push(shown.text);
    });
    await until(() => seen.length > 0);
    following.stop();
    assert.deepEqual(seen, ['printed\n']);
    await bus.close();
  });
}
