/** Appends to logs that are not what they were: nothing is put behind what cannot be believed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '../../bus/codec.ts';
import { hasCode } from '../../bus/errors.ts';
import type { Commit } from '../../bus/types.ts';
import { Appends } from '../../storage/appends.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { SessionWriter } from '../kit/commits.ts';

const DAMAGE: Record<string, (commit: Commit) => Commit> = {
  'its checkpoint': (commit) => ({
    ...commit,
    head: { ...commit.head, checkpoint: { seq: 1, stateId: 'another' } },
  }),
  'its name': (commit) => ({ ...commit, head: { ...commit.head, name: 'Another' } }),
  'its id': (commit) => ({ ...commit, head: { ...commit.head, id: 'another' } }),
  'its size': (commit) => ({ ...commit, head: { ...commit.head, sizeBefore: 1 } }),
  'its events': (commit) => ({ ...commit, events: commit.events.slice(1) }),
  'its hash': (commit) => ({ ...commit, hash: 'f'.repeat(64) }),
};

for (const [what, change] of Object.entries(DAMAGE)) {
  test(`a good commit is neither refused as a bad one nor written behind one whose content changed: ${what}`, async () => {
    const log = new MemoryLog();
    const by = new SessionWriter('s');
    for (let i = 0; i < 3; i++) {
      const commit = by.next();
      by.wrote(commit, await log.append(commit, by.position));
    }
    log.tamper(by.token, (kept) => {
      const newest = kept.at(-1)!;
      const bytes = encode(change(decode(newest.bytes!) as Commit));
      return [...kept.slice(0, -1), { ...newest, bytes }];
    });
    const appends = new Appends(log, () => 1e6);
    const work = appends.append({ commit: by.next(), expected: by.position });
    await assert.rejects(work, (error) => hasCode(error, 'CORRUPT') && error.at?.position === by.position);
    assert.equal(await log.count(by.token), 3);
  });
}
