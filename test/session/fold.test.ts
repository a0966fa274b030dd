import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  addCommand,
  COMMANDS_REMEMBERED,
  type CommandIndex,
  emptyCommandIndex,
  lookUpCommand,
  packCommands,
  unpackCommands,
} from '../../actors/timeline/command-index.ts';
import { applyCommit, applyEvents, emptyFold, wakeAt } from '../../actors/timeline/fold.ts';
import { decodeFold, encodeFold } from '../../actors/timeline/fold-codec.ts';
import { decode, encode } from '../../bus/codec.ts';
import { commandIdAt } from '../../bus/command-ids.ts';
import { fnv1a } from '../../bus/subjects.ts';
import { type SessionEvent, TAIL_LENGTH } from '../../bus/types.ts';
import { at, input, result, session, store, T0 } from './samples.ts';

const llmRequest: SessionEvent = {
  type: 'llm_req',
  seq: 2,
  prompt: 'hi',
  receiptKey: 'key',
  timestamp: at(2),
  cell: 1,
  effect: 7,
  request: { prompt: 'hi' },
};
const timerRequest: SessionEvent = {
  type: 'effect_req',
  seq: 3,
  kind: 'timer',
  effect: 8,
  timestamp: at(3),
  cell: 1,
  payload: { delayMs: 5, dueMs: T0 + 500 },
};

describe('the fold of a session', () => {
  it('takes its identity from the first event', () => {
    const fold = applyEvents(emptyFold('sample'), [session]);
    assert.deepEqual([fold.id, fold.seed, fold.seq, fold.timeMs], ['id-1', 'seed-1', 0, T0]);
  });

  it('has a running cell from its input to the output that ends it', () => {
    const begun = applyEvents(emptyFold('sample'), [session, input(1, '1+1')]);
    assert.equal(begun.running?.commandId, 'c1');
    const printed = applyEvents(begun, [
      { type: 'output', seq: 2, value: 'x', timestamp: at(2), stream: 'stdout', cell: 1 },
    ]);
    assert.equal(printed.running?.cell, 1);
    assert.equal(applyEvents(printed, [result(3, '2')]).running, null);
  });

  it('takes an output without a stream, as the contract writes it, for the result', () => {
    const fold = applyEvents(emptyFold('sample'), [
      session,
      input(1, '1'),
      { type: 'output', seq: 2, value: '1', timestamp: at(2) },
    ]);
    assert.equal(fold.running, null);
  });

  it('keeps effects open until they are answered or given up', () => {
    const open = applyEvents(emptyFold('sample'), [session, input(1, 'x'), llmRequest, timerRequest]);
    assert.deepEqual(
      Array.from(open.effects, ({ effect }) => effect),
      [7, 8],
    );
    assert.equal(wakeAt(open), T0 + 500);
    const answered = applyEvents(open, [
      { type: 'llm_resp', seq: 4, response: 'yes', receiptKey: 'key', timestamp: at(4), effect: 7 },
    ]);
    assert.deepEqual(
      Array.from(answered.effects, ({ effect }) => effect),
      [8],
    );
    assert.equal(answered.running?.turnAt, 4);
    const cancelled = applyEvents(answered, [{ type: 'effect_cancel', seq: 5, effect: 8, timestamp: at(5) }]);
    assert.deepEqual([cancelled.effects.size, wakeAt(cancelled)], [0, undefined]);
  });

  it('finds the effect of an answer that names only its receipt key', () => {
    const open = applyEvents(emptyFold('sample'), [session, input(1, 'x'), llmRequest]);
    const answered = applyEvents(open, [{ type: 'llm_resp', seq: 3, response: 'yes', receiptKey: 'key' }]);
    assert.deepEqual([...answered.effects], []);
  });

  it('waits for nothing once it is closed', () => {
    const fold = applyEvents(emptyFold('sample'), [
      session,
      input(1, 'x'),
      llmRequest,
      { type: 'closed', seq: 3, reason: 'exit', timestamp: at(3) },
    ]);
    assert.deepEqual([fold.closed, fold.running, fold.effects.size], [true, null, 0]);
  });

  it('never lets time run backwards', () => {
    const late = { ...input(1, 'x'), timestamp: at(-1000) } as SessionEvent;
    assert.equal(applyEvents(emptyFold('sample'), [session, late]).timeMs, T0);
  });

  it('starts the replay budget anew at a checkpoint', () => {
    const busy = applyEvents(emptyFold('sample'), [session, input(1, 'x'), result(2, '1')]);
    assert.ok(busy.replayCostMs > 1);
    const saved = applyEvents(busy, [{ type: 'checkpoint', seq: 3, reason: 'park', stateId: 's' }]);
    assert.deepEqual(
      [saved.replayCostMs, saved.checkpointCount, saved.checkpoint],
      [0, 1, { seq: 3, stateId: 's' }],
    );
  });

  it('knows where its checkpoint is in the log once the commit is stored', () => {
    const { fold, commits } = store([
      [session, input(1, 'x'), result(2, '1')],
      [{ type: 'checkpoint', seq: 3, reason: 'park', stateId: 's', timestamp: at(3), sizeBytes: 50 }],
    ]);
    assert.equal(fold.checkpoint?.position, 20);
    assert.equal(fold.log.sizeBytes, 250, 'two commits of 100 bytes and an image of 50');
    assert.deepEqual(
      commits.reduce(applyCommit, emptyFold('sample')),
      fold,
      'folding the stored commits gives the same',
    );
  });

  it('names at most 32 commits before the newest', () => {
    const groups: SessionEvent[][] = [[session]];
    for (let seq = 1; seq < 41; seq++) groups.push([{ type: 'checkpoint', seq, reason: 'r', stateId: 's' }]);
    const { fold, commits } = store(groups);
    assert.equal(fold.log.tail.length, TAIL_LENGTH);
    assert.equal(fold.log.tail.at(-1), 410);
    assert.equal(commits.at(-1)?.commit.head.tail.at(-1), 400);
  });

  it('survives being stored and read back', () => {
    const { fold } = store([[session, input(1, 'x'), llmRequest, timerRequest]]);
    const back = decodeFold(encodeFold(fold));
    const plain = ({ log: _, commands, ...rest }: typeof fold) => ({
      ...rest,
      commands: packCommands(commands),
    });
    assert.deepEqual(decode(encode(plain(back))), decode(encode(plain(fold))));
  });

  it('refuses bytes that are no fold', () => {
    assert.throws(() => decodeFold(encode({ v: 99 })), { code: 'CORRUPT' });
    assert.throws(() => decodeFold(encode(null)), { code: 'CORRUPT' });
  });
});

describe('the index of commands', () => {
  const at = (ms: number, n = 0) =>
    commandIdAt(ms, Uint8Array.of(n >> 24, n >> 16, n >> 8, n, 1, 2, 3, 4, 5, 6));
  const many = (count: number, ms: (i: number) => number, from = emptyCommandIndex) => {
    let index = from;
    for (let i = 0; i < count; i++) index = addCommand(index, at(ms(i), i));
    return index;
  };

  it('does not take commands that are made now for old ones, whatever clock made an id before', () => {
    const future = at(Date.UTC(9000, 0));
    let index = addCommand(emptyCommandIndex, future, 1_000);
    assert.equal(lookUpCommand(index, future), 'perhaps');
    for (let i = 0; i < 4 * COMMANDS_REMEMBERED; i++) {
      const ms = 2_000 + i;
      assert.equal(lookUpCommand(index, at(ms, i)), 'never');
      index = addCommand(index, at(ms, i), ms);
    }
    assert.equal(lookUpCommand(index, at(2_000, 0)), 'forgotten');
  });

  it('never forgets one of the newest commands, whatever branches from it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string(), { maxLength: 200 }),
        fc.array(fc.string(), { maxLength: 50 }),
        fc.constantFrom(0, COMMANDS_REMEMBERED - 1, COMMANDS_REMEMBERED, 3 * COMMANDS_REMEMBERED - 20),
        (common, more, before) => {
          const adding = (ids: string[], from: CommandIndex) =>
            ids.reduce((index, id) => addCommand(index, id), from);
          const shared = adding(
            common,
            many(before, (i) => i),
          );
          const left = adding(more, shared);
          const right = adding(['other', ...more.map((id) => `${id}'`)], shared);
          for (const id of [...common, ...more]) assert.equal(lookUpCommand(left, id), 'perhaps');
          for (const id of [...common, 'other']) assert.equal(lookUpCommand(right, id), 'perhaps');
          const back = unpackCommands(packCommands(left));
          for (const id of [...common, ...more]) assert.equal(lookUpCommand(back, id), 'perhaps');
        },
      ),
      { numRuns: 30 },
    );
  });

  it('costs no more for a million commands than for a few thousand', () => {
    const few = packCommands(many(3 * COMMANDS_REMEMBERED + 5, (i) => i));
    const lots = packCommands(many(1_000_000, (i) => i));
    assert.ok(lots.commands.byteLength <= 8 * COMMANDS_REMEMBERED);
    assert.ok(few.commands.byteLength >= 4 * COMMANDS_REMEMBERED);
    const index = unpackCommands(lots);
    assert.ok(index.newer.words.length + index.older.words.length <= 2 * COMMANDS_REMEMBERED);
  });

  it('says of a command that it forgot that it may have been, and of a later one that it never was', () => {
    const index = many(5 * COMMANDS_REMEMBERED, (i) => 1_000 + i);
    for (const seen of [index, unpackCommands(packCommands(index))]) {
      for (let i = 0; i < 3 * COMMANDS_REMEMBERED; i += 97) {
        assert.equal(lookUpCommand(seen, at(1_000 + i, i)), 'forgotten', `${i}`);
      }
      assert.equal(lookUpCommand(seen, at(1_000_000, 7)), 'never');
      assert.equal(lookUpCommand(seen, 'an id without a time'), 'never');
    }
  });

  it('reads what older versions stored, for sessions of every length', () => {
    for (const count of [0, 1, COMMANDS_REMEMBERED - 1, COMMANDS_REMEMBERED, 3 * COMMANDS_REMEMBERED + 7]) {
      const ids = Array.from({ length: count }, (_, i) => `id-${i}`);
      const commands = new Uint8Array(count * 4);
      const view = new DataView(commands.buffer);
      for (const [i, id] of ids.entries()) view.setUint32(i * 4, fnv1a(id) || 1, true);
      const index = unpackCommands({ commands });
      for (const id of ids.slice(-COMMANDS_REMEMBERED)) assert.equal(lookUpCommand(index, id), 'perhaps');
      assert.equal(lookUpCommand(addCommand(index, 'one more'), 'one more'), 'perhaps');
    }
  });
});
