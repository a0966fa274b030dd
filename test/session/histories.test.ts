/** Histories written by every released version must replay for ever. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { emptyFold } from '../../actors/timeline/fold.ts';
import { replayEvents } from '../../actors/timeline/replay.ts';
import { KernelSeat } from '../../actors/timeline/seat.ts';
import { sessionEventSchema } from '../../bus/event-schemas.ts';
import { parse } from '../../bus/schema.ts';
import type { SessionEvent } from '../../bus/types.ts';

const folder = new URL('../histories/', import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith('.jsonl'));

function read(file: string): SessionEvent[] {
  const lines = readFileSync(new URL(file, folder), 'utf8').trimEnd().split('\n');
  return lines.map((line) => parse(sessionEventSchema, JSON.parse(line)));
}

describe('golden histories', () => {
  let kernel: KernelHost;
  before(async () => {
    kernel = await makeKernelHost({ threads: 1 });
  });
  after(() => kernel.close());

  it('exist', () => assert.ok(files.length > 0));

  for (const file of files) {
    it(`${file} replays: every output and effect comes out as recorded`, async () => {
      const events = read(file);
      const [first] = events;
      // Heap bytes are comparable within one kernel version only.
      const states = first?.type === 'session' && first.kernel === kernel.version;
      const result = await replayEvents(new KernelSeat(kernel, file), emptyFold('golden'), events, {
        states,
        stacks: states,
      });
      assert.deepEqual([result.divergence, result.leftover], [null, []]);
      assert.equal(result.fold.seq, events.length - 1);
    });

    it(`${file} does not replay when one recorded output is changed`, async () => {
      const events = read(file);
      const index = events.findLastIndex((event) => event.type === 'output' && event.value !== '');
      const changed = events.with(index, { ...events[index]!, value: 'something else' } as SessionEvent);
      const result = await replayEvents(new KernelSeat(kernel, `${file}?`), emptyFold('golden'), changed, {
        states: false,
        stacks: false,
      });
      assert.deepEqual([result.divergence?.seq, result.divergence?.kind], [index, 'output']);
    });
  }
});
