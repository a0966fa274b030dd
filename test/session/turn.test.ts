import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { promptOf, receiptKeyOf } from '../../actors/effects/llm.ts';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import { Batch } from '../../actors/session/batch.ts';
import { checkpointDue } from '../../actors/session/checkpoints.ts';
import { outcomeEvents } from '../../actors/session/entry.ts';
import { DEFAULT_SETTINGS } from '../../actors/session/ports.ts';
import { replyFromEvents } from '../../actors/session/reply.ts';
import { applyEvents, emptyFold } from '../../actors/timeline/fold.ts';
import { compareEvents, eventsOfTurn } from '../../actors/timeline/turn.ts';
import { decode, encode } from '../../bus/codec.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { at, input, result, session, turn } from './samples.ts';

const running = { cell: 1, seq: 1, commandId: 'c1', turnAt: 1 };
const facts = {
  first: 2,
  timestamp: at(2),
  sessionId: 'id-1',
  version: BEHAVIOUR_VERSION,
  running,
  durationMs: 3,
};
const fold = applyEvents(emptyFold('sample'), [session, input(1, 'x')]);

describe('the events of a turn', () => {
  it('are numbered on, outputs first, the end of the cell last', () => {
    const events = eventsOfTurn(
      turn({
        outputs: [{ stream: 'stdout', level: 'log', text: 'a' }],
        requests: [{ effect: 1, kind: 'llm', payload: { prompt: 'p' } }],
        result: { text: '42' },
      }),
      facts,
    );
    assert.deepEqual(
      events.map((event) => [event.type, event.seq]),
      [
        ['output', 2],
        ['llm_req', 3],
        ['output', 4],
      ],
    );
    assert.deepEqual(events.at(-1), {
      type: 'output',
      seq: 4,
      value: '42',
      timestamp: at(2),
      stream: 'result',
      cell: 1,
      durationMs: 3,
    });
  });

  it('are what the log gives back, whatever text a guest prints, asks or throws', () => {
    for (const half of ['\ud83d', `${'x'.repeat(100)}\ude00`]) {
      const payload = JSON.parse(`{"prompt": ${JSON.stringify(half)}, "extra": {"__proto__": 1, "a": 2}}`);
      const made = eventsOfTurn(
        turn({
          outputs: [{ stream: 'stdout', level: 'log', text: half }],
          requests: [
            { effect: 1, kind: 'llm', payload },
            {
              effect: 2,
              kind: 'llm',
              payload: { messages: [{ role: 'user', content: `${'x'.repeat(1_999)}\u{1f600}` }] },
            },
          ],
          error: { name: half, message: half, stack: half },
        }),
        facts,
      );
      const logged = decode(encode(made)) as SessionEvent[];
      assert.deepEqual(made, logged);
      for (const [index, event] of logged.entries()) assert.equal(compareEvents(event, made[index]), null);
    }
  });

  it('do not tell of a request that was given up in the same turn', () => {
    const waiting = turn({
      status: 'waiting',
      requests: [
        { effect: 1, kind: 'timer', payload: {} },
        { effect: 2, kind: 'timer', payload: {} },
      ],
      cancelled: [1, 9],
    });
    assert.deepEqual(
      eventsOfTurn(waiting, facts).map((event) => [event.type, (event as { effect: number }).effect]),
      [
        ['effect_req', 2],
        ['effect_cancel', 9],
      ],
    );
  });

  it('of an undone turn are what it printed and its failure, never its requests', () => {
    const undone = turn({
      status: 'waiting',
      poisoned: true,
      outputs: [{ stream: 'stdout', level: 'log', text: 'before' }],
      requests: [{ effect: 1, kind: 'llm', payload: { prompt: 'p' } }],
      error: { name: 'MemoryLimitError', message: 'too much', stack: '' },
    });
    const events = outcomeEvents(undone, { fold, turnAt: 1, timestamp: at(2), durationMs: 1 });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['output', 'error'],
    );
    assert.equal((events[1] as { rolledBack?: boolean }).rolledBack, true);
  });

  it('of a struck turn begin with the strike, and of one that exits end with closed', () => {
    const events = outcomeEvents(
      turn({
        struck: { reason: 'user', fuel: 5 },
        error: { name: 'InterruptedError', message: 'm', stack: '' },
        exit: true,
      }),
      { fold, turnAt: 1, timestamp: at(2), durationMs: 1 },
    );
    assert.deepEqual(
      events.map((event) => [event.type, event.type === 'session' ? 0 : event.seq]),
      [
        ['interrupt', 2],
        ['error', 3],
        ['closed', 4],
      ],
    );
  });

  it('give the same receipt key for the same call, and another for any other', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (request, effect) => {
        const key = receiptKeyOf('s', effect, request as never);
        assert.equal(key, receiptKeyOf('s', effect, structuredClone(request) as never));
        assert.notEqual(key, receiptKeyOf('s', effect + 1, request as never));
        assert.notEqual(key, receiptKeyOf('t', effect, request as never));
      }),
    );
    assert.equal(
      receiptKeyOf('s', 1, { a: 1, b: 2 }),
      receiptKeyOf('s', 1, { b: 2, a: 1 }),
      'key order does not matter',
    );
  });

  it('show the prompt, or the last message, of a model request', () => {
    assert.equal(promptOf({ prompt: 'p' }), 'p');
    assert.equal(
      promptOf({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'user', content: 'b' },
        ],
      }),
      'b',
    );
    assert.equal(
      promptOf({ messages: [{ role: 'user', content: [{ type: 'text' }] }] }),
      '[{"type":"text"}]',
    );
    assert.equal(promptOf([]), '');
  });
});

describe('comparing a derived event with the log', () => {
  it('ignores times and durations', () => {
    assert.equal(
      compareEvents(result(2, 'x'), { ...result(2, 'x'), timestamp: at(99), durationMs: 77 } as SessionEvent),
      null,
    );
  });

  it('compares stacks with those of the same kernel version only', () => {
    const thrown = (stack: string, message = 'm') =>
      ({ type: 'error', seq: 2, name: 'E', message, stack, timestamp: at(1) }) as SessionEvent;
    assert.equal(compareEvents(thrown('at 1:1'), thrown('at 1:6'))?.kind, 'output');
    assert.equal(compareEvents(thrown('at 1:1'), thrown('at 1:6'), { stacks: false }), null);
    assert.equal(
      compareEvents(thrown('at 1:1'), thrown('at 1:6', 'other'), { stacks: false })?.kind,
      'output',
    );
  });

  it('tells both sides of a difference', () => {
    const difference = compareEvents(result(2, 'x'), result(2, 'y'));
    assert.equal(difference?.seq, 2);
    assert.match(difference!.expected, /"x"/);
    assert.match(difference!.actual, /"y"/);
  });

  it('says when the log has more than re-execution gives', () => {
    assert.equal(compareEvents(result(2, 'x'), undefined)?.kind, 'extra');
  });

  it('compares nested payloads by value', () => {
    const request = (payload: object): SessionEvent => ({
      type: 'effect_req',
      seq: 2,
      kind: 'k',
      effect: 1,
      timestamp: at(2),
      payload: payload as never,
    });
    assert.equal(compareEvents(request({ a: [1, { b: 2 }] }), request({ a: [1, { b: 2 }] })), null);
    assert.equal(compareEvents(request({ a: [1, { b: 2 }] }), request({ a: [1, { b: 3 }] }))?.kind, 'effect');
  });
});

describe('a reply', () => {
  it('is put together from the command alone', () => {
    const events: SessionEvent[] = [
      input(4, 'x'),
      { type: 'output', seq: 5, value: 'line', timestamp: at(5), stream: 'stdout', level: 'log' },
      { type: 'output', seq: 6, value: 'oops', timestamp: at(6), stream: 'stderr', level: 'error' },
      {
        type: 'error',
        seq: 7,
        message: 'bad',
        name: 'TypeError',
        stack: 'TypeError: bad\n    at <cell 1>:1:1',
        timestamp: at(7),
        durationMs: 9,
      },
    ];
    const reply = replyFromEvents(events, { session: 's', commandId: 'c', worker: 'w', repeated: true });
    assert.deepEqual(reply, {
      session: 's',
      commandId: 'c',
      worker: 'w',
      repeated: true,
      seq: [4, 7],
      output: '',
      shouldExit: false,
      stdout: 'line\n',
      stderr: 'oops\n',
      durationMs: 9,
      error: { name: 'TypeError', message: 'bad', stack: 'TypeError: bad\n    at <cell 1>:1:1' },
    });
  });

  it('is refused for a cell that has not ended', () => {
    assert.throws(
      () => replyFromEvents([input(1, 'x')], { session: 's', commandId: 'c', worker: 'w', repeated: false }),
      { code: 'INTERNAL' },
    );
  });
});

describe('a batch', () => {
  it('gives out large turns in several commits and loses nothing', () => {
    const big = (seq: number): SessionEvent => ({
      type: 'output',
      seq,
      value: 'x'.repeat(900_000),
      timestamp: at(seq),
      stream: 'stdout',
    });
    const events = [2, 3, 4, 5, 6].map(big);
    const batch = new Batch(fold, events);
    const commits: SessionEvent[][] = [];
    let durable = fold;
    while (batch.events.length > 0) {
      const head = batch.head({ batchBytes: 2_000_000, inlineBytes: 1_000_000 });
      commits.push(head);
      durable = applyEvents(durable, head);
      batch.committed(head.length, durable);
    }
    assert.deepEqual(
      commits.map((commit) => commit.length),
      [2, 2, 1],
    );
    assert.deepEqual(commits.flat(), events);
    assert.deepEqual(batch.fold, applyEvents(fold, events));
  });

  it('weighs encoded bytes, never fewer than a commit takes', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '漢'.repeat(50), '\ud83d', '\u{1f600}'),
    );
    const event = (value: string, seq: number): SessionEvent => ({
      type: 'output',
      seq,
      value,
      timestamp: at(seq % 1_000),
      stream: 'stdout',
      level: 'log',
      cell: 1,
    });
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4_000 }),
        (texts, bytesMax) => {
          const events = texts.map((value, index) => event(value, index + 2));
          const batch = new Batch(fold, events);
          while (batch.events.length > 0) {
            const head = batch.head({ batchBytes: bytesMax, inlineBytes: 100_000 });
            assert.ok(head.length === 1 || encode(head).byteLength - 5 <= bytesMax);
            batch.committed(head.length, batch.fold);
          }
        },
      ),
    );
  });
});

describe('a checkpoint', () => {
  it('is due when replay has become dear, and later for a heap that is dear to save', () => {
    const cost = (replayCostMs: number, lastCostMs: number) =>
      checkpointDue({ ...fold, replayCostMs }, lastCostMs, DEFAULT_SETTINGS);
    assert.equal(cost(1, 0), 'no');
    assert.equal(cost(11, 0), 'when idle');
    assert.equal(cost(41, 0), 'now');
    assert.equal(cost(41, 100), 'no');
    assert.equal(cost(101, 100), 'when idle');
  });

  it('is never due for a closed session, which would take none and ask for ever', () => {
    assert.equal(checkpointDue({ ...fold, closed: true, replayCostMs: 1e6 }, 0, DEFAULT_SETTINGS), 'no');
  });
});
