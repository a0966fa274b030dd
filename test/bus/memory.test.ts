import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type MemoryBus, makeMemoryBus } from '../../bus/memory.ts';
import { matches } from '../../bus/memory-hub.ts';
import { makeVirtualClock } from '../kit/virtual-clock.ts';
import { describeBus } from './conformance.ts';

describeBus('a bus in memory', async () => {
  const hub = makeMemoryBus();
  const buses: MemoryBus[] = [];
  return {
    async connect(name, onError) {
      const bus = hub.connect(name, { onError });
      buses.push(bus);
      return bus;
    },
    cut: async () => buses.forEach((bus) => void bus.disconnect()),
    mend: async () => buses.forEach((bus) => void bus.reconnect()),
    stop: async () => {},
  };
});

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

describe('faults and time of the bus in memory', () => {
  it('holds everything for a frozen bus and works it off when it thaws', async () => {
    const hub = makeMemoryBus();
    const [a, b] = [hub.connect('a'), hub.connect('b')];
    const got: string[] = [];
    b.subscribe('s', (message) => void got.push(text(message.data)));
    b.freeze();
    a.publish('s', bytes('1'));
    a.publish('s', bytes('2'));
    await assert.rejects(a.request('s', bytes('3'), { timeoutMs: 5 }), { code: 'TIMEOUT' });
    assert.deepEqual(got, []);
    b.thaw();
    assert.deepEqual(got, ['1', '2', '3']);
  });

  it('takes time from its clock: latency and time-outs cost nothing real', async () => {
    const clock = makeVirtualClock();
    const hub = makeMemoryBus({ clock, latency: () => 1_000 });
    const [a, b] = [hub.connect('a'), hub.connect('b')];
    const at: number[] = [];
    b.subscribe('s', (message) => {
      at.push(clock.now());
      message.respond(message.data);
    });
    b.subscribe('silent', () => {});
    const start = clock.now();
    const answer = a.request('s', bytes('x'), { timeoutMs: 10_000 });
    const silence = assert.rejects(a.request('silent', bytes('x'), { timeoutMs: 60_000 }), {
      code: 'TIMEOUT',
    });
    await clock.advance(60_000);
    assert.equal(text(await answer), 'x');
    await silence;
    assert.deepEqual(at, [start + 1_000]);
  });

  it('never lets a message overtake another on the same way, whatever the latency', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(100), { minLength: 1, maxLength: 30 }), async (latencies) => {
        const clock = makeVirtualClock();
        let next = 0;
        const hub = makeMemoryBus({ clock, latency: () => latencies[next++ % latencies.length]! });
        const [a, b] = [hub.connect('a'), hub.connect('b')];
        const got: number[] = [];
        b.subscribe('s', (message) => void got.push(message.data[0]!));
        for (let i = 0; i < latencies.length; i++) a.publish('s', Uint8Array.of(i));
        await clock.advance(101);
        assert.deepEqual(
          got,
          latencies.map((_, i) => i),
        );
      }),
    );
  });

  it('picks the same queue members from the same random numbers', async () => {
    const run = async () => {
      let state = 7;
      const random = () => {
        state = (state * 48_271) % 2_147_483_647;
        return state / 2_147_483_647;
      };
      const hub = makeMemoryBus({ random });
      const a = hub.connect('a');
      const picks: string[] = [];
      for (const name of ['x', 'y', 'z']) {
        hub.connect(name).subscribe('s', () => void picks.push(name), { queue: 'q' });
      }
      for (let i = 0; i < 30; i++) a.publish('s', bytes(''));
      await new Promise(setImmediate);
      return picks.join('');
    };
    const first = await run();
    assert.equal(first, await run());
    assert.equal(new Set(first).size, 3);
  });

  it('denies what a connection may not publish', async () => {
    const hub = makeMemoryBus();
    const errors: string[] = [];
    const a = hub.connect('a', {
      denied: (subject) => subject.startsWith('log.'),
      onError: (error) => errors.push(error.code),
    });
    hub.connect('b').subscribe('log.x', () => assert.fail('it arrived'));
    await assert.rejects(a.request('log.x', bytes(''), { timeoutMs: 60_000 }), { code: 'DENIED' });
    a.publish('log.x', bytes(''));
    await new Promise(setImmediate);
    assert.deepEqual(errors, ['DENIED']);
  });

  it('matches subjects as a regular expression would', () => {
    const token = fc.constantFrom('a', 'b');
    const subject = fc.array(token, { minLength: 1, maxLength: 4 });
    const pattern = fc
      .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([tokens, open]) => (open ? [...tokens, '>'] : tokens));
    fc.assert(
      fc.property(pattern, subject, (wanted, got) => {
        const source = wanted.map((each) => ({ '*': '[^.]+', '>': '.+' })[each] ?? each).join('\\.');
        assert.equal(matches(wanted, got), new RegExp(`^${source}$`).test(got.join('.')));
      }),
    );
  });
});
