import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { outcomeEvents } from '../../actors/session/entry.ts';
import { replyFromEvents } from '../../actors/session/reply.ts';
import { Stepper } from '../../actors/session/stepper.ts';
import { applyEvents, emptyFold } from '../../actors/timeline/fold.ts';
import { type ReplayKernel, replayEvents, stepOf } from '../../actors/timeline/replay.ts';
import { KernelSeat } from '../../actors/timeline/seat.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import { makeVirtualClock } from '../kit/virtual-clock.ts';
import { at, input, result, session, turn } from './samples.ts';

const options = { states: true, stacks: true };
const strike = (seq: number, of: number): SessionEvent => ({
  type: 'interrupt',
  seq,
  reason: 'user',
  timestamp: at(seq),
  fuel: 7,
  at: of,
});

describe('a turn that was struck and then undone', () => {
  let host: KernelHost;
  before(async () => {
    host = await makeKernelHost({ threads: 1 });
  });
  after(() => host.close());

  it('is not run again by a replay, whatever it had printed', async () => {
    for (const printed of [0, 1, 3]) {
      const events: SessionEvent[] = [session, input(1, 'struck'), strike(2, 1)];
      for (let i = 0; i < printed; i++) {
        const seq = events.length;
        events.push({ type: 'output', seq, value: `${i}`, timestamp: at(seq), stream: 'stdout', cell: 1 });
      }
      const seq = events.length;
      const failure = { name: 'InternalError', message: 'undone', stack: 'InternalError: undone' };
      events.push({ type: 'error', seq, timestamp: at(seq), cell: 1, rolledBack: true, ...failure });
      events.push(input(seq + 1, '2', undefined, 2), result(seq + 2, '2', 2));
      const steps: unknown[] = [];
      const kernel: ReplayKernel = {
        boot: async () => {},
        apply: async (step) => {
          steps.push(step);
          return turn(step.seq === 1 ? {} : { result: { text: '2' } });
        },
        applyAll: (all) => Promise.all(all.map(kernel.apply)),
        stateId: async () => '',
      };
      const replay = await replayEvents(kernel, emptyFold('sample'), events, options);
      assert.equal(replay.divergence, null);
      const [struck] = steps as { failed?: unknown; strike?: unknown }[];
      assert.deepEqual([struck?.failed, struck?.strike], [failure, undefined]);
    }
  });

  it('leaves a session whose next cells run, live and replayed', async () => {
    const born = { ...session, version: BEHAVIOUR_VERSION } as Extract<SessionEvent, { type: 'session' }>;
    const events: SessionEvent[] = [born];
    const live = new KernelSeat(host, 'live');
    await live.boot(born);
    const cells = ['let x = 1', 'x = 2; while (true) setTimeout(() => {}, 1000)', 'x += 10; x'];
    for (const [index, code] of cells.entries()) {
      const fold = applyEvents(emptyFold('sample'), events);
      const entry = input(fold.seq + 1, code, undefined, index + 1) as EventOf<'input'>;
      events.push({ ...entry, timeoutMs: index === 1 ? 1_500 : 60_000 });
      const entered = applyEvents(emptyFold('sample'), events);
      const step = stepOf(events.at(-1)!, { timeMs: entered.timeMs, fold: entered })!;
      const outcome = await live.apply(step);
      const facts = { fold: entered, turnAt: entered.seq, timestamp: at(entered.seq), durationMs: 1 };
      events.push(...outcomeEvents(outcome, facts));
      if (outcome.poisoned) {
        // As an owner does: the session is rebuilt from its log.
        const rebuilt = await replayEvents(live, emptyFold('sample'), events, options);
        assert.equal(rebuilt.divergence, null);
      }
    }
    const last = events.at(-1) as { value?: string };
    assert.ok(last.value === '11' || last.value === '12', JSON.stringify(last));
    const replay = await replayEvents(new KernelSeat(host, 'again'), emptyFold('sample'), events, options);
    assert.equal(replay.divergence, null);
    assert.deepEqual(replay.leftover, []);
  });
});

describe('a struck turn whose owner died between two of its commits', () => {
  const failure = { name: 'KernelError', message: 'undone', stack: 'KernelError: undone' };
  const struck = turn({
    outputs: [{ stream: 'stdout', level: 'log', text: 'seen' }],
    error: failure,
    struck: { reason: 'user', fuel: 7 },
    poisoned: true,
  });
  const running = applyEvents(emptyFold('sample'), [session, input(1, 'struck')]);
  const facts = { fold: running, turnAt: 1, timestamp: at(2), durationMs: 1 };
  const whole = [session, input(1, 'struck'), ...outcomeEvents(struck, facts)];
  const stepper = new Stepper({ clock: makeVirtualClock() } as never, {} as never);

  it('is finished by its next owner with one strike, and stays undone', async () => {
    for (let kept = 3; kept < whole.length; kept++) {
      const log = whole.slice(0, kept);
      const steps: unknown[] = [];
      const kernel: ReplayKernel = {
        boot: async () => {},
        apply: async (step) => {
          steps.push(step);
          return struck;
        },
        applyAll: (all) => Promise.all(all.map(kernel.apply)),
        stateId: async () => '',
      };
      const { fold, lastTurn, leftover } = await replayEvents(kernel, emptyFold('sample'), log, options);
      const finished = [...log, ...stepper.leftover(fold, lastTurn!, leftover).events];
      assert.deepEqual(
        finished.map(({ type }) => type),
        ['session', 'input', 'interrupt', 'output', 'error'],
        `${kept} events kept`,
      );
      steps.length = 0;
      await replayEvents(kernel, emptyFold('sample'), finished, options);
      assert.deepEqual((steps as { failed?: unknown }[])[0]?.failed, failure);
    }
  });

  it('is undone also in a log that names its strike twice', async () => {
    const [, , ...outcome] = whole;
    const twice = [session, input(1, 'struck'), strike(2, 1), ...outcome].map((event, seq) => ({
      ...event,
      seq,
    }));
    const steps: unknown[] = [];
    const kernel: ReplayKernel = {
      boot: async () => {},
      apply: async () => assert.fail('one step at a time'),
      applyAll: async (all) => {
        steps.push(...all);
        return all.map(() => turn());
      },
      stateId: async () => '',
    };
    kernel.apply = async (step) => (await kernel.applyAll([step]))[0]!;
    await replayEvents(kernel, emptyFold('sample'), twice as SessionEvent[], options);
    assert.deepEqual((steps as { failed?: unknown }[])[0]?.failed, failure);
  });
});

describe('an undone turn that had called exit()', () => {
  it('tells nobody to leave, for its session goes on', () => {
    const fold = applyEvents(emptyFold('sample'), [session, input(1, 'x')]);
    const error = { name: 'MemoryLimitError', message: 'm', stack: 's' };
    const events = outcomeEvents(turn({ exit: true, poisoned: true, error }), {
      fold,
      turnAt: 1,
      timestamp: at(2),
      durationMs: 1,
    });
    const told = events.map(({ type, ...rest }) => [type, 'shouldExit' in rest]);
    assert.deepEqual(told, [['error', false]]);
  });
});

describe('exit() in a callback while its cell waits', () => {
  const running = applyEvents(emptyFold('sample'), [session, input(1, 'x')]);
  const facts = { fold: running, turnAt: 1, timestamp: at(2), durationMs: 1 };
  const exiting = turn({ status: 'waiting', exit: true });

  it('ends the cell, so that its command is answered, and a retry in the same way', () => {
    const events = outcomeEvents(exiting, facts);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['output', 'closed'],
    );
    const reply = replyFromEvents([input(1, 'x'), ...events], {
      session: 'sample',
      commandId: 'c1',
      worker: 'w',
      repeated: false,
    });
    assert.equal(reply.shouldExit, true);
    const ended = applyEvents(running, events);
    assert.deepEqual([ended.running, ended.closed], [null, true]);
  });

  it('replays logs of older versions, which did not write the end of the cell', async () => {
    const kernel: ReplayKernel = {
      boot: async () => {},
      apply: async () => exiting,
      applyAll: async (steps) => steps.map(() => exiting),
      stateId: async () => '',
    };
    const closed: SessionEvent = { type: 'closed', seq: 2, reason: 'exit', timestamp: at(2) };
    const events = [session, input(1, 'x'), closed];
    const replay = await replayEvents(kernel, emptyFold('sample'), events, options);
    assert.equal(replay.divergence, null);
    assert.deepEqual(replay.leftover, []);
  });
});
