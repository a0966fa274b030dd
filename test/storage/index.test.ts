/** The session index while sessions come, go and come again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../bus/port.ts';
import type { SessionEvent, SessionMetadata } from '../../bus/types.ts';
import { BlobParts } from '../../storage/blob-parts.ts';
import { Forks } from '../../storage/forks.ts';
import { History } from '../../storage/history.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { Partials } from '../../storage/partial.ts';
import { Removals } from '../../storage/removals.ts';
import { SessionIndex } from '../../storage/session-index.ts';
import { type Draft, iso, SessionWriter } from '../kit/commits.ts';
import { silent } from './world.ts';

const unreadable = () => assert.fail('every session is readable');

async function write(log: MemoryLog, by: SessionWriter, drafts?: Draft[], atMs = 0): Promise<void> {
  const commit = by.next(drafts, { head: { at: iso(atMs) } });
  by.wrote(commit, await log.append(commit, by.position));
}

describe('the session index', () => {
  it('has no memory of a session that was deleted and made again while somebody was listing', async () => {
    let open = Promise.resolve();
    class SlowLog extends MemoryLog {
      override async last(token: string) {
        await open;
        return super.last(token);
      }
    }
    const log = new SlowLog();
    const index = new SessionIndex(log, unreadable);
    const name = 'z-last';
    for (let i = 0; i < 64; i++) await write(log, new SessionWriter(`s${i}`));
    const old = new SessionWriter(name);
    await write(log, old);
    await write(log, old);
    let release = () => {};
    open = new Promise((resolve) => {
      release = resolve;
    });
    const early = index.list({});
    await new Promise(setImmediate); // it has its counts, and waits for the first 64 sessions
    await log.remove(name);
    const again = new SessionWriter(name);
    await write(log, again);
    open = Promise.resolve();
    await index.list({});
    release();
    await early;
    await write(log, again);
    const { sessions } = await index.list({});
    assert.equal(sessions.find((session) => session.name === name)?.eventCount, again.seq);
  });

  it('tells what a count over the whole log tells, after any history', async () => {
    const step = fc.record({
      session: fc.nat(4),
      what: fc.constantFrom('cell', 'cell', 'cell', 'output', 'checkpoint', 'close', 'delete', 'list'),
      size: fc.nat(300),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const log = new MemoryLog();
        const history = new History(log);
        const indexes = [new SessionIndex(log, unreadable), new SessionIndex(log, unreadable)];
        const writers = new Map<string, SessionWriter>();
        const closed = new Set<string>();
        for (const [index, { session, what, size }] of steps.entries()) {
          const name = `s${session}`;
          if (what === 'list') {
            await indexes[size % 2]!.list({});
            continue;
          }
          if (what === 'delete') {
            const blobs = new MemoryBlobs();
            const parts = new BlobParts(blobs);
            const ports = {
              log,
              blobs,
              parts,
              index: indexes[size % 2]!,
              forks: new Forks({ log, blobs, clock: systemClock }),
              partials: new Partials(log, blobs, systemClock),
              clock: systemClock,
              logger: silent,
            };
            assert.equal(await new Removals(ports).begin(name), writers.has(name));
            history.forget(name);
            writers.delete(name);
            closed.delete(name);
            continue;
          }
          if (closed.has(name)) continue;
          const by = writers.get(name) ?? new SessionWriter(name);
          writers.set(name, by);
          const timestamp = iso(index);
          const event: Record<string, Draft[]> = {
            cell: by.counter('x'.repeat(size)),
            output: [{ type: 'output', value: 'y'.repeat(size), timestamp }],
            checkpoint: [{ type: 'checkpoint', reason: 'r', stateId: `${size}`, sizeBytes: size }],
            close: [{ type: 'closed', reason: 'r', timestamp }],
          };
          const begins = by.seq === 0 && what !== 'cell';
          await write(log, by, begins ? [by.begin(), ...event[what]!] : event[what], index);
          if (what === 'close') closed.add(name);
        }
        for (const sessions of [
          (await indexes[0]!.list({})).sessions,
          (await indexes[1]!.list({})).sessions,
        ]) {
          assert.deepEqual(sessions.map(({ name }) => name).sort(), [...writers.keys()].sort());
          for (const found of sessions) assert.deepEqual(found, await counted(log, history, found.name));
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** The contract's numbers, the slow way. */
async function counted(log: MemoryLog, history: History, name: string): Promise<SessionMetadata> {
  const events: SessionEvent[] = [];
  let size = 0;
  let lastAccessed = new Date(0);
  for await (const batch of history.backwards((await log.last(name))!)) {
    for (const { commit, sizeBytes } of batch) {
      events.push(...commit.events);
      size += sizeBytes;
      const at = new Date(commit.head.at);
      if (at > lastAccessed) lastAccessed = at;
    }
  }
  const checkpoints = events.filter((event) => event.type === 'checkpoint');
  const begin = events.find((event) => event.type === 'session')!;
  return {
    id: begin.id,
    name,
    created: new Date(begin.created),
    lastAccessed,
    eventCount: events.length,
    checkpointCount: checkpoints.length,
    size: size + checkpoints.reduce((sum, event) => sum + (event.sizeBytes ?? 0), 0),
  };
}
