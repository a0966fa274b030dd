/** What may happen to a session at the wrong moment: each of these was a bug. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RepriseError } from '../../bus/errors.ts';
import { SessionWorld } from './session-world.ts';

describe('a session that is interrupted', () => {
  it('ends a cell whose first turn is over and being committed', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    const release = world.hold();
    const reply = world.submit('b', [['sleep', 60_000]]);
    await world.clock.advance(1);
    assert.equal(world.session.state, 'committing');
    const interrupted = world.session.interrupt('b');
    release();
    assert.equal((await world.settled(reply, 1_000)).error?.name, 'InterruptedError');
    await world.settled(interrupted);
  });

  it('strikes a cell that has been taken and has not begun', async () => {
    const world = new SessionWorld();
    world.hopMs = 10;
    const reply = world.submit('a', [['compute', 30_000]]);
    await world.clock.advance(5);
    assert.equal(world.session.state, 'running', 'its kernel is being opened');
    const interrupted = world.session.interrupt('a');
    assert.equal((await world.settled(reply, 1_000)).error?.name, 'InterruptedError');
    await world.settled(interrupted);
    assert.equal((await world.run('b', [['inc']])).error, null, 'the next cell is not struck');
  });

  it('gives the cell up although the kernel is lost while it does', async () => {
    const world = new SessionWorld();
    const reply = world.submit('a', [['sleep', 60_000]]);
    await world.clock.advance(10);
    world.hopMs = 10;
    const interrupted = world.session.interrupt('a');
    await world.clock.advance(5);
    world.kernel.crash();
    assert.equal((await world.settled(reply, 5_000)).error?.name, 'InterruptedError');
    await world.settled(interrupted);
  });
});

describe('a command that waits for another one', () => {
  it('is taken back when it is interrupted: it is answered at once, and never runs', async () => {
    for (const before of [
      ['compute', 60_000],
      ['sleep', 60_000],
    ] as const) {
      const world = new SessionWorld();
      await world.run('a', [['inc']]);
      world.submit('b', [[...before]]);
      await world.clock.advance(100);
      const waiting = world.submit('c', [['inc']]);
      const other = world.submit('d', [['inc']]);
      await world.clock.advance(10);
      const interrupted = await world.settled(world.session.interrupt('c'), 100);
      assert.equal(interrupted.interrupted, 'queued');
      const { error } = await world.settled(waiting, 100);
      assert.equal(error?.name, 'InterruptedError');
      assert.match(error.message, /Another cell runs before it: `reprise interrupt <session>`/);
      assert.equal((await world.settled(world.session.interrupt('b'), 1_000)).interrupted, 'cell');
      assert.equal((await world.settled(other, 1_000)).output, '2', 'only one of the two has run');
      assert.ok(!(await world.events()).some((event) => event.type === 'input' && event.commandId === 'c'));
    }
  });
});

describe('looking at a session', () => {
  it('waits for a commit that is under way, and never shows what it may not say yet', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    const release = world.hold();
    const reply = world.submit('b', [['inc']]);
    await world.clock.advance(1);
    let seen: string | undefined;
    const look = world.session
      .quietly((kernel) => kernel.look())
      .then((report) => {
        seen = report?.variables[0]?.preview;
      });
    await world.clock.advance(100);
    assert.equal(seen, undefined);
    release();
    await world.settled(Promise.all([look, reply]));
    assert.equal(seen, '2');
  });

  it('waits for the answer to a command that was sent twice: nothing computes', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    const release = world.holdFind();
    const repeated = world.submit('a', [['inc']]);
    await world.clock.advance(1);
    assert.equal(world.session.state, 'running');
    const look = world.session.quietly((kernel) => kernel.look());
    await world.clock.advance(100);
    release();
    assert.equal((await world.settled(look))?.variables[0]?.preview, '1');
    assert.equal((await world.settled(repeated)).repeated, true);
  });

  it('shows nothing of a commit that was fenced', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    world.onAppend = async () => {
      await new Promise<void>((resolve) => world.clock.setTimer(resolve, 20));
      throw new RepriseError('FENCED', 'somebody else');
    };
    const reply = world.submit('b', [['inc']]);
    await world.clock.advance(1);
    const look = world.session.quietly((kernel) => kernel.look());
    await assert.rejects(world.settled(reply), { code: 'FENCED' });
    assert.equal(await look, null);
  });
});

describe('a checkpoint', () => {
  it('is not starved by a queue of commands that never empties', async () => {
    const world = new SessionWorld();
    world.settings.hardReplayMs = 40;
    const replies = Array.from({ length: 30 }, (_, index) => world.submit(`c${index}`, [['compute', 10]]));
    await world.settled(replies[15]!);
    assert.ok(
      (await world.events()).some(({ type }) => type === 'checkpoint'),
      'when replay has become dear',
    );
    world.settings.hardReplayMs = 1e9;
    await world.settled(world.session.checkpoint('asked'));
    assert.ok(world.session.busy, 'when somebody asks, although commands still wait');
    await world.settled(Promise.all(replies));
  });

  it('that storage refuses costs the session nothing', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    world.onAppend = (commit) => {
      if (commit.fold) throw new RepriseError('TOO_LARGE', 'too large');
    };
    world.settings.hardReplayMs = 1;
    await assert.rejects(world.settled(world.session.checkpoint('asked')), { code: 'TOO_LARGE' });
    assert.equal((await world.run('b', [['compute', 20], ['inc']])).output, '2');
    assert.equal((await world.run('c', [['inc']])).output, '3');
    assert.equal(world.ended, null);
  });
});

describe('a refused commit', () => {
  it('is the outcome of its own command alone, also when it was to be early', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    world.onAppend = (commit) => {
      const [first] = commit.events;
      if (first?.type === 'input' && first.commandId === 'b')
        throw new RepriseError('TOO_LARGE', 'too large');
    };
    const refused = world.submit('b', [['compute', 200]]);
    const next = world.submit('c', [['inc']]);
    await assert.rejects(world.settled(refused), { code: 'TOO_LARGE' });
    assert.equal((await world.settled(next)).output, '2');
  });

  it('of an outcome that no log can hold undoes the turn whose input is durable', async () => {
    const world = new SessionWorld();
    world.onAppend = (commit) => {
      if (commit.events.some(({ type }) => type === 'llm_req'))
        throw new RepriseError('BAD_FORMAT', 'too deep');
    };
    const { error } = await world.run('a', [['compute', 100], ['inc'], ['llm', 'deep', 1]]);
    assert.match(error!.message, /cannot be stored/);
    assert.equal((await world.run('b', [['inc']])).output, '1');
  });
});

describe('a command', () => {
  it('has the same reply when it is repeated, exit() included', async () => {
    const world = new SessionWorld();
    const first = await world.run('a', [['print', 'x'], ['exit']]);
    const again = await world.run('a', [['print', 'x'], ['exit']]);
    world.activate();
    const later = await world.run('a', [['print', 'x'], ['exit']]);
    assert.deepEqual(
      [again, later],
      [
        { ...first, repeated: true },
        { ...first, repeated: true },
      ],
    );
  });

  it('is refused when its id has been used for another cell', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    await assert.rejects(world.run('a', [['print', 'other']]), { code: 'BAD_REQUEST' });
    world.activate();
    await assert.rejects(world.run('a', [['print', 'other']]), { code: 'BAD_REQUEST' });
    assert.equal((await world.run('a', [['inc']])).output, '1');
    assert.equal((await world.run('b', [['inc']])).output, '2');
  });
});

describe('an owner', () => {
  it('that hands a session back while it commits starts no effect of it', async () => {
    const world = new SessionWorld();
    const release = world.hold();
    const reply = world.submit('a', [['sleep', 10]]);
    await world.clock.advance(1);
    world.session.retire();
    release();
    await assert.rejects(world.settled(reply), { code: 'FENCED' });
    await world.clock.advance(10);
    assert.deepEqual(world.started, []);
    assert.equal((await world.events()).at(-1)?.type, 'effect_req', 'the commit itself was under way');
  });

  it('that died over a turn which hangs leaves a session that can be used', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    world.submit('b', [['hang']]);
    await world.clock.advance(100);
    assert.equal((await world.events()).at(-1)?.type, 'input', 'its input is durable');
    world.session.retire();
    world.activate();
    assert.equal((await world.run('b', [['hang']])).error?.name, 'WatchdogError');
    assert.equal((await world.run('c', [['inc']])).output, '2');
  });
});

describe('a cell that computes on after its owner died', () => {
  /** Its next owner has taken it over and computes. */
  const takenOver = async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    world.submit('b', [['compute', 60_000]]);
    await world.clock.advance(100);
    world.session.retire();
    world.activate();
    await world.clock.advance(100);
    assert.equal(world.session.state, 'running');
    return world;
  };

  it('is interrupted at once, and its command told so', async () => {
    const world = await takenOver();
    const again = world.submit('b', [['compute', 60_000]]);
    assert.equal((await world.settled(world.session.interrupt('b'), 1_000)).interrupted, 'cell');
    assert.equal((await world.settled(again, 1_000)).error?.name, 'InterruptedError');
    assert.equal((await world.run('c', [['inc']])).output, '2');
  });

  it('is ended by a close in a few seconds', async () => {
    const world = await takenOver();
    await world.settled(world.session.closeSession('done'), 7_000);
    assert.equal(world.session.fold.closed, true);
  });

  it('keeps nobody from looking', async () => {
    const world = await takenOver();
    await world.settled(world.session.restored(), 100);
    assert.equal(await world.session.quietly((kernel) => kernel.look()), null);
  });
});

describe('a session that its kernel has let go', () => {
  const look = (world: SessionWorld) => world.session.quietly((kernel) => kernel.park());

  it('is handed back when somebody looks and nothing waits for it: its next need rebuilds it', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    await world.clock.advance(1_000);
    world.kernel.crash();
    await assert.rejects(world.settled(look(world)), { code: 'UNAVAILABLE', retryable: true });
    assert.equal(world.ended?.why, 'retired');
  });

  it('is rebuilt at once when a cell or a timer waits in it', async () => {
    for (const waits of ['sleep', 'later'] as const) {
      const world = new SessionWorld();
      world.submit('a', [[waits, 5_000]]);
      await world.clock.advance(1_000);
      world.kernel.crash();
      await assert.rejects(world.settled(look(world)), { code: 'UNAVAILABLE' });
      await world.clock.advance(100);
      assert.equal(world.ended, null);
      await world.settled(look(world));
    }
  });
});
