/** A command runs once, however long ago that was: the newest are remembered, older ones are sought in the log. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { RecordedReplies } from '../../actors/session/recorded-replies.ts';
import { COMMANDS_REMEMBERED } from '../../actors/timeline/command-index.ts';
import { applyCommit, emptyFold } from '../../actors/timeline/fold.ts';
import type { SessionFold } from '../../actors/timeline/fold-shape.ts';
import { commandIdAt } from '../../bus/command-ids.ts';
import { limitsOf, PAYLOAD_BYTES_OURS } from '../../bus/limits.ts';
import { History } from '../../storage/history.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { SessionWriter } from '../kit/commits.ts';

const COMMANDS = 5 * COMMANDS_REMEMBERED;
const timestamp = new Date(0).toISOString();
const idOf = (index: number) =>
  commandIdAt(Date.UTC(2026, 0, 1) + index, Buffer.from(`bytes ${index}`.padEnd(10)));

describe('a session of 10,240 commands', () => {
  const log = new MemoryLog();
  let fold: SessionFold = emptyFold('s');
  let sought = 0;
  const history = new History(log);
  const replies = new RecordedReplies(
    {
      limits: limitsOf(PAYLOAD_BYTES_OURS),
      get: async () => null,
      find: async (session, commandId, within) => {
        sought += 1;
        return history.find(session, commandId, within);
      },
    },
    'worker',
  );
  before(async () => {
    const by = new SessionWriter('s');
    for (let i = 0; i < COMMANDS; i++) {
      const cell = [
        { type: 'input', code: `cell ${i}`, timestamp, commandId: idOf(i) },
        { type: 'output', value: `${i}`, timestamp },
      ] as const;
      const commit = by.next(i === 0 ? [by.begin(), ...cell] : [...cell]);
      const reply = await log.append(commit, by.position);
      by.wrote(commit, reply);
      fold = applyCommit(fold, { commit, ...reply });
    }
  });

  it('answers a repeated command as the first time, remembered or found in the log', async () => {
    for (const index of [COMMANDS - 1, COMMANDS - 2_000, COMMANDS - 3_000, COMMANDS - 6_000]) {
      const recorded = await replies.find(fold, idOf(index));
      assert.deepEqual([recorded?.command, recorded?.reply.output], [`cell ${index}`, `${index}`]);
    }
  });

  it('never asks the log about a new command', async () => {
    sought = 0;
    for (const id of [idOf(COMMANDS + 1), 'order-17']) assert.equal(await replies.find(fold, id), null);
    assert.equal(sought, 0);
  });

  it('refuses one that is too old to be sought for, instead of running it again', async () => {
    await assert.rejects(replies.find(fold, idOf(3)), { code: 'BAD_REQUEST', retryable: false });
  });
});
