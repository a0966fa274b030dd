/** Reads of a long log cost what they read, not what came before it. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { History } from '../../storage/history.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { KERNEL, SessionWriter } from '../kit/commits.ts';

const COMMITS = 3_000;

describe('a log of 3,000 commits', () => {
  const log = new MemoryLog();
  const by = new SessionWriter('s');
  let fetched = 0;
  before(async () => {
    for (let i = 0; i < COMMITS; i++) {
      const commit = by.next();
      by.wrote(commit, await log.append(commit, by.position));
    }
    const at = log.at.bind(log);
    log.at = (token, positions) => {
      fetched += positions.length;
      return at(token, positions);
    };
  });
  /** Commits that `work` fetches of a process that remembers nothing. */
  const costOf = async (work: (history: History) => Promise<unknown>) => {
    fetched = 0;
    await work(new History(log));
    return fetched;
  };

  it('is read near its end without walking through it', async () => {
    const cost = await costOf(async (history) => {
      const { commits } = await history.read('s', by.seq - 5);
      assert.equal(commits.at(-1)?.position, by.position);
    });
    assert.ok(cost <= 40, `${cost} commits`);
  });

  it('finds a recent command near its end, and says of an old one that it looked no further than it was told', async () => {
    for (const [back, most] of [
      [3, 70],
      [200, 300],
      [2_000, 2_200],
    ] as const) {
      const commandId = `cmd-${2 * (COMMITS - back) + 1}`;
      const cost = await costOf(async (history) => {
        const { events, more } = await history.find('s', commandId, {});
        assert.equal(events.length, 2, commandId);
        assert.equal(more, undefined);
      });
      assert.ok(cost <= most, `${back} back: ${cost} commits`);
    }
    const cost = await costOf(async (history) => {
      assert.deepEqual(await history.find('s', 'never ran', { cellsMax: 100 }), { events: [] });
    });
    assert.ok(cost <= 200, `${cost} commits`);
  });

  it('goes through all of it backwards, each commit once and in order', async () => {
    const last = (await log.last('s'))!;
    const seqs: number[] = [];
    for await (const batch of new History(log).backwards(last)) {
      seqs.unshift(...batch.map(({ commit }) => commit.first));
    }
    assert.equal(seqs.length, COMMITS);
    assert.ok(seqs.every((seq, index) => index === 0 || seq > seqs[index - 1]!));
    assert.equal((await new History(log).load('s', KERNEL, 1e9)).tail[0]?.commit.first, 0);
  });
});

describe('a log of 3,000 commits with a checkpoint after every 20', () => {
  const log = new MemoryLog();
  const by = new SessionWriter('s');
  let fetched = 0;
  before(async () => {
    for (let i = 0; i < COMMITS; i++) {
      const commit =
        i % 20 === 19
          ? by.next([{ type: 'checkpoint', reason: 'idle', stateId: `state-${i}`, timestamp: by.created }], {
              fold: Uint8Array.of(1),
            })
          : by.next();
      by.wrote(commit, await log.append(commit, by.position));
    }
    const at = log.at.bind(log);
    log.at = (token, positions) => {
      fetched += positions.length;
      return at(token, positions);
    };
  });

  it('is entered at any event for a logarithmic number of reads and the commits from a checkpoint on', async () => {
    for (let seq = 0; seq < by.seq; seq += 97) {
      fetched = 0;
      const { checkpoint, tail } = await new History(log).load('s', KERNEL, 1e9, { at: seq });
      assert.ok((checkpoint?.commit.first ?? 0) <= seq);
      assert.ok(tail.length <= 24, `${tail.length} commits`);
      assert.ok(fetched <= 45, `${fetched} commits for seq ${seq}`);
    }
  });

  it('is read page by page from anywhere, nothing twice and nothing missing', async () => {
    for (const from of [3, 1_000, 2_999, 5_000]) {
      const history = new History(log);
      const seqs: number[] = [];
      for (let next: number | null = from; next !== null; ) {
        const page: Awaited<ReturnType<History['read']>> = await history.read('s', next);
        for (const { commit } of page.commits) {
          seqs.push(...commit.events.map((_, index) => commit.first + index));
        }
        next = page.next;
      }
      assert.ok(seqs[0]! <= from);
      assert.deepEqual(
        seqs,
        seqs.map((_, index) => seqs[0]! + index),
      );
      assert.equal(seqs.at(-1), by.seq - 1);
    }
  });
});
