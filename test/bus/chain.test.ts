/** The chain of commits: whatever is changed about one of them, the first fault is told at its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChainReader, placeAfter, placedFault } from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { Commit, StoredCommit } from '../../bus/types.ts';
import { SessionWriter, sealCommit } from '../kit/commits.ts';

/** A session's commits at positions with gaps. */
function chain(length: number): StoredCommit[] {
  const by = new SessionWriter('s');
  return Array.from({ length }, (_, index) => {
    const commit = by.next();
    const stored = { commit, position: 3 * index + 2, sizeBytes: 100 };
    by.wrote(commit, stored);
    return stored;
  });
}

const reseal = (commit: Commit, change: Partial<Commit>): Commit => {
  const { hash: _, ...content } = { ...commit, ...change };
  return sealCommit(content);
};
const withTail = (commit: Commit, tail: number[]) => reseal(commit, { head: { ...commit.head, tail } });

/** Changes to one commit; those after it are left as they are. */
const CHANGES: Record<string, (stored: StoredCommit, before: StoredCommit) => StoredCommit> = {
  'stands before the commit that it follows': (stored, before) => ({ ...stored, position: before.position }),
  'begins at another seq': (stored) => ({
    ...stored,
    commit: reseal(stored.commit, { first: stored.commit.first + 1 }),
  }),
  'has an event of another seq': (stored) => ({
    ...stored,
    commit: reseal(stored.commit, {
      events: stored.commit.events.map((event, index) => (index === 1 ? { ...event, seq: 7_000 } : event)),
    }),
  }),
  'names another commit before it': (stored) => ({
    ...stored,
    commit: reseal(stored.commit, { prev: 'f'.repeat(64) }),
  }),
  'names no commits before it': (stored) => ({ ...stored, commit: withTail(stored.commit, []) }),
  'names one commit too few': (stored) => ({
    ...stored,
    commit: withTail(stored.commit, stored.commit.head.tail.slice(0, -1)),
  }),
  'names another position': (stored) => ({
    ...stored,
    commit: withTail(stored.commit, [...stored.commit.head.tail.slice(0, -1), 1]),
  }),
  'says what it did not when it was sealed': (stored) => ({
    ...stored,
    commit: { ...stored.commit, kernel: 'another' },
  }),
  'is the one before once more': (stored, before) => ({ ...before, position: stored.position }),
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`a chain breaks where a commit ${what}`, () => {
    for (const length of [2, 3, 40, 70]) {
      for (const at of [1, Math.floor(length / 2), length - 1]) {
        if (at === 0) continue;
        const commits = chain(length);
        commits[at] = change(commits[at]!, commits[at - 1]!);
        const reader = new ChainReader();
        const broken = commits.findIndex((stored) => {
          try {
            reader.check(stored);
            return false;
          } catch (thrown) {
            assert.ok(hasCode(thrown, 'CHAIN_BROKEN'));
            assert.equal(thrown.at?.position, stored.position);
            assert.ok((thrown.at?.seq ?? -1) >= stored.commit.first);
            return true;
          }
        });
        assert.equal(broken, at, `${length} commits, change at ${at}`);
      }
    }
  });
}

test('a whole chain is read from its first commit, from any place, and from the middle without one', () => {
  const commits = chain(70);
  for (const from of [0, 1, 31, 32, 33, 69]) {
    for (const reader of [
      new ChainReader(from === 0 ? undefined : placeAfter(commits[from - 1]!)),
      new ChainReader(null),
    ]) {
      for (const stored of commits.slice(from)) reader.check(stored);
      assert.equal(reader.next, commits.at(-1)!.commit.first + 2);
    }
  }
});

test('a commit was appended as one when its writer expected the commit that it names', () => {
  const [first, second, third] = chain(3) as [StoredCommit, StoredCommit, StoredCommit];
  assert.equal(placedFault(first, 0), null);
  assert.equal(placedFault(third, second.position), null);
  for (const expected of [null, 0, first.position, third.position]) {
    assert.equal(placedFault(third, expected)?.kind, 'placed');
  }
});

test('where a log breaks survives the way over the bus', () => {
  const at = { position: 7, seq: 3 };
  const { message, hint } = new RepriseError('CORRUPT', 'broken', { at, hint: 'h' });
  const back = RepriseError.fromWire(new RepriseError('CORRUPT', message, { at, hint }).toWire());
  assert.deepEqual(back.at, at);
});
