/** Appends to logs that are not what they were: nothing is put behind what cannot be believed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '../../bus/codec.ts';
import { hasCode } from '../../bus/errors.ts';
import type { Commit } from '../../bus/types.ts';
import { Appends } from '../../storage/appends.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { SessionWriter } from '../kit/commits.ts';

const noPartials = { note: async () => assert.fail('nothing is written in parts here') };
const noForks = { hold: async () => assert.fail('no fork is begun here') };

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
    const appends = new Appends({ log, forks: noForks, partials: noPartials }, () => 1e6, Date.now);
    const work = appends.append({ commit: by.next(), expected: by.position });
    await assert.rejects(work, (error) => hasCode(error, 'CORRUPT') && error.at?.position === by.position);
    assert.equal(await log.count(by.token), 3);
  });
}

test('a first commit looks no second time whether there is anything, for a second, and for that session', async () => {
  const log = new MemoryLog();
  const looked: string[] = [];
  const { holds } = log;
  log.holds = (token) => {
    looked.push(token);
    return holds.call(log, token);
  };
  let nowMs = 0;
  const appends = new Appends(
    { log, forks: noForks, partials: noPartials },
    () => 1e6,
    () => nowMs,
  );
  const begin = (name: string) => {
    const by = new SessionWriter(name);
    return appends.append({ commit: by.next(), expected: 0 });
  };
  for (const name of ['quick', 'slow', 'taken', 'gone']) appends.mayBegin(name);
  await begin('quick');
  await begin('another');
  appends.forget('gone');
  await begin('gone');
  // What somebody began meanwhile is found by the compare-and-set.
  const other = new SessionWriter('taken');
  await log.append(other.next(undefined, { commit: 'another' }), 0);
  await assert.rejects(begin('taken'), (error) => hasCode(error, 'FENCED'));
  nowMs = 1_000;
  await begin('slow');
  assert.deepEqual(looked, ['another', 'gone', 'slow']);
});
