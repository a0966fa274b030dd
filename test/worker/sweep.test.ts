/** Unfinished sessions that nobody owns: any worker finds them, one looks at a time, and none is woken for it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Sweeper } from '../../actors/worker/sweep.ts';
import { encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { makeMemoryBus } from '../../bus/memory.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { until } from '../kit/until.ts';
import { makeVirtualClock } from '../kit/virtual-clock.ts';
import { startWorld } from './world.ts';

const subjects = makeSubjects('t');
const log = { debug() {}, info() {}, warn() {}, error() {} };
const metadata = (name: string) => ({
  id: name,
  name,
  created: new Date(0),
  lastAccessed: new Date(0),
  eventCount: 2,
  checkpointCount: 0,
  size: 100,
});

/** Storage with two unfinished sessions that nobody owns, and workers that answer activations. */
function world(answer: (session: string) => object) {
  const clock = makeVirtualClock();
  const hub = makeMemoryBus({ clock });
  const asked: string[] = [];
  let lists = 0;
  hub.connect('storage').subscribe(subjects.store('list'), (message) => {
    lists += 1;
    message.respond(encode({ ok: true, sessions: ['lost', 'broken'].map(metadata), next: null }));
  });
  hub.connect('worker').subscribe(subjects.activate, (message) => {
    const session = ['lost', 'broken'].find((name) => Buffer.from(message.data).includes(name))!;
    asked.push(session);
    message.respond(encode(answer(session)));
  });
  let made = 0;
  const sweeper = () => {
    made += 1;
    const bus = hub.connect(`w${made}`, { clock });
    const share = (made % 7) / 7;
    return new Sweeper({ bus, subjects, clock, log, isOurs: () => false, random: () => share });
  };
  const within = async <T>(work: Promise<T>): Promise<T> => {
    let settled = false;
    work.finally(() => {
      settled = true;
    });
    while (!settled) await clock.advance(1);
    return work;
  };
  return { clock, asked, sweeper, within, lists: () => lists };
}

describe('a sweep', () => {
  it('does not try a session that cannot be restored again every round, but others', async () => {
    const { asked, sweeper, within, clock } = world((session) =>
      session === 'lost'
        ? { ok: true }
        : { ok: false, ...new RepriseError('DIVERGED', 'it diverges').toWire() },
    );
    const one = sweeper();
    assert.equal(await within(one.sweep()), 1);
    await clock.advance(3_000);
    assert.equal(await within(one.sweep()), 1);
    assert.deepEqual(asked.toSorted(), ['broken', 'lost', 'lost']);
    await clock.advance(600_000);
    await within(one.sweep());
    assert.deepEqual(asked.slice(3).toSorted(), ['broken', 'lost']);
  });

  it('has handed over what a worker has accepted and still restores', async () => {
    const { sweeper, within } = world(() => ({ ok: 'accepted', process: 'w' }));
    assert.equal(await within(sweeper().sweep()), 2);
  });

  it('is one for a whole fleet, and goes on when whoever made it is gone', async () => {
    const { sweeper, clock, lists } = world(() => ({ ok: true }));
    const fleet = Array.from({ length: 6 }, sweeper);
    for (const each of fleet) each.start();
    await clock.advance(60_000);
    // A fleet sweeps as often as the most eager one alone would: every 2 s and more.
    assert.ok(lists() > 15 && lists() <= 30, String(lists()));
    for (const each of fleet.slice(0, 5)) each.stop();
    const before = lists();
    await clock.advance(60_000);
    assert.ok(lists() - before > 15, String(lists() - before));
    fleet[5]!.stop();
    assert.equal(clock.pending, 0);
  });
});

describe('a fleet of bare workers', () => {
  it('fires a timer whose owner died, though nobody asks for the session', async () => {
    await using world = await startWorld();
    await world.client.execute('s', 'setTimeout(() => console.log("rang"), 200)');
    await world.kill(world.workers[0]!.worker);
    await world.addWorker();
    await until(async () =>
      (await world.events('s')).some((event) => event.type === 'output' && event.value === 'rang'),
    );
  });

  it('fires overdue timers, in the order of their time, before the next command of the session', async () => {
    await using world = await startWorld();
    const timers = 'const rang = []; for (const ms of [60, 30, 45]) setTimeout(() => rang.push(ms), ms)';
    await world.client.execute('s', timers);
    await world.kill(world.workers[0]!.worker);
    await new Promise((resolve) => setTimeout(resolve, 80));
    await world.addWorker();
    assert.equal((await world.client.execute('s', 'rang.join()')).output, "'30,45,60'");
    assert.equal((await world.client.replay('s')).verified, true);
  });

  it('is asked who has a session without waking it', async () => {
    await using world = await startWorld();
    await world.client.execute('s', '1');
    const { worker } = world.workers[0]!;
    const instance = worker.sessions.pool.get('s')!;
    await instance.save('park');
    await instance.park();
    const bus = world.hub.connect('asker');
    const owner = encode({ op: 'owner', session: 's' });
    const answer = await bus.request('reprise.cmd.s', owner, { timeoutMs: 5_000 });
    assert.ok(Buffer.from(answer).includes(worker.presence().process));
    assert.equal(instance.parked, true);
  });
});
