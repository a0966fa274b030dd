import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type KernelHostOptions, makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { KernelSession } from '../kit/kernel-session.ts';
import { until } from '../kit/until.ts';

async function withHost(options: KernelHostOptions, use: (host: KernelHost) => Promise<void>): Promise<void> {
  const host = await makeKernelHost(options);
  try {
    await use(host);
  } finally {
    await host.close();
  }
}

test('more sessions than instances swap without mixing', () =>
  withHost({ threads: 1, maxThreads: 1, instances: 4 }, async (host) => {
    const sessions: KernelSession[] = [];
    for (let i = 0; i < 30; i++) {
      sessions.push(await KernelSession.open(host, `s${i}`, String(i)));
      await sessions[i]!.run(`let id = ${i}; let list = Array.from({length: ${i * 50}}, (_, n) => ({n}))`);
    }
    for (let round = 0; round < 3; round++) {
      await Promise.all(sessions.map((session) => session.run('id += 100; list.push({id})')));
      if (round === 1) await Promise.all(sessions.slice(0, 10).map((session) => host.park(session.name)));
    }
    for (const [i, session] of sessions.entries()) {
      assert.equal(
        await session.value('[id, list.length, list.at(-1).id].join()'),
        `'${i + 300},${i * 50 + 3},${i + 300}'`,
      );
    }
    const { instances, sessions: count, parked, parkedBytes } = host.stats();
    assert.equal(count, 30);
    assert.ok(instances <= 4, `${instances} instances`);
    assert.ok(parked > 0 && parkedBytes > 0);
  }));

test('a swapped session has the heap of one that never moved', () =>
  withHost({ threads: 1, maxThreads: 1, instances: 4 }, async (host) => {
    const steady = await KernelSession.open(host, 'steady');
    const cells = Array.from({ length: 12 }, (_, i) => `var v${i} = {i: ${i}, f: () => ${i}}; v${i}.f()`);
    for (const code of cells) await steady.run(code);
    const moved = await KernelSession.open(host, 'moved');
    for (const [i, code] of cells.entries()) {
      await moved.run(code);
      if (i % 3 === 0) await host.park('moved');
      for (let other = 0; other < 5; other++) await (await KernelSession.open(host, `o${other}`)).run('1');
    }
    assert.equal(await moved.stateId(), await steady.stateId());
  }));

test('instances that parked sessions leave are let go, but for a few', () =>
  withHost({ threads: 1, maxThreads: 1, instances: 24 }, async (host) => {
    const sessions: KernelSession[] = [];
    for (let i = 0; i < 20; i++) {
      sessions.push(await KernelSession.open(host, `s${i}`, String(i)));
      await sessions[i]!.run(`let id = ${i}`);
    }
    for (const { name } of sessions) await host.park(name);
    assert.equal(host.stats().parked, 20);
    assert.ok(host.stats().instances <= 8, `${host.stats().instances} instances`);
    for (const [i, session] of sessions.entries()) assert.equal(await session.value('id'), String(i));
  }));

test('looking changes nothing, in an instance or parked', () =>
  withHost({ threads: 1, maxThreads: 2 }, async (host) => {
    const session = await KernelSession.open(host, 's');
    await session.run(
      'let reads = 0; const o = { get x() { return ++reads } }; class K {}; var m = new Map([[1, 2]])',
    );
    const before = await session.stateId();
    for (let i = 0; i < 2; i++) {
      const report = await host.inspect('s');
      assert.equal(report.stateId, before);
      assert.equal(report.cells, 1);
      assert.deepEqual(report.variables.map(({ name }) => name).sort(), ['K', 'm', 'o', 'reads']);
      assert.ok(report.heapBytes > 0);
      assert.deepEqual(await host.complete('s', 'm.forE', 6), { completions: ['forEach'], from: 2 });
      assert.equal(await session.stateId(), before);
      await host.park('s');
    }
    assert.equal(await session.value('reads'), '0');
  }));

test('endless loops in some sessions delay no other, and those that lived beside them move', () =>
  withHost({ threads: 1, maxThreads: 5 }, async (host) => {
    const sessions: KernelSession[] = [];
    for (let i = 0; i < 6; i++) {
      sessions.push(await KernelSession.open(host, `s${i}`));
      await sessions[i]!.run(`let id = ${i}`);
    }
    let ended = 0;
    const loops = sessions.slice(0, 3).map((session) =>
      session.run('for (;;);', { timeoutMs: 600_000 }).then((turn) => {
        ended++;
        return turn;
      }),
    );
    for (let round = 0; round < 5; round++) {
      for (const [i, session] of sessions.slice(3).entries())
        assert.equal(await session.value('id'), `${i + 3}`);
    }
    const late = await KernelSession.open(host, 'late');
    assert.equal(await late.value('1 + 1'), '2');
    assert.equal(ended, 0);
    for (const session of sessions.slice(0, 3)) host.interrupt(session.name);
    for (const turn of await Promise.all(loops)) assert.equal(turn.error?.name, 'InterruptedError');
    for (const [i, session] of sessions.entries()) assert.equal(await session.value('id'), `${i}`);
  }));

test('when all threads run long turns, others wait and are then served', () =>
  withHost({ threads: 1, maxThreads: 1 }, async (host) => {
    const [busy, other] = [await KernelSession.open(host, 'busy'), await KernelSession.open(host, 'other')];
    await other.run('let id = 7');
    const loop = busy.run('for (;;);', { timeoutMs: 150 });
    const asked = other.value('id');
    assert.equal((await loop).error?.name, 'TimeoutError');
    assert.equal(await asked, '7');
  }));

test('a turn stuck in a built-in is ended from outside; its neighbours can be opened again', async () => {
  const killed: { culprit: string; sessions: string[] }[] = [];
  await withHost(
    { threads: 1, maxThreads: 2, graceMs: 400, onKilled: (lost) => killed.push(lost) },
    async (host) => {
      const stuck = await KernelSession.open(host, 'stuck');
      const beside = await KernelSession.open(host, 'beside');
      await beside.run('let id = 5');
      const image = await host.capture('beside');
      const hung = assert.rejects(
        stuck.run('Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)', { timeoutMs: 300 }),
        { code: 'UNAVAILABLE', retryable: false },
      );
      // Lost with the thread, or moved away in time.
      await beside.value('id').catch((error) => assert.equal(error.code, 'UNAVAILABLE'));
      await hung;
      assert.equal(killed[0]?.culprit, 'stuck');
      await host.open('beside', { image: image.bytes, stateId: image.stateId });
      assert.equal(await beside.value('id'), '5');
      const again = await KernelSession.open(host, 'stuck');
      const failed = await again.run('whatever', {
        failed: { name: 'TimeoutError', message: 'hung', stack: '' },
      });
      assert.equal(failed.error?.name, 'TimeoutError');
      assert.equal(await again.value('1'), '1');
    },
  );
});

test('an interrupt ends a turn that is stuck in a built-in before its budget', () =>
  withHost({ threads: 1, maxThreads: 2, graceMs: 400 }, async (host) => {
    const stuck = await KernelSession.open(host, 'stuck');
    const hung = stuck.run('Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)', {
      timeoutMs: 600_000,
    });
    host.interrupt('stuck');
    await assert.rejects(hung, { code: 'UNAVAILABLE' });
  }));

test('images that were tampered with are refused', () =>
  withHost({ threads: 1, maxThreads: 2 }, async (host) => {
    const session = await KernelSession.open(host, 's');
    await session.run('let x = 1');
    const { bytes } = await host.capture('s');
    const headerLength = Buffer.from(bytes).readUInt32LE(4);
    const damaged: Uint8Array[] = [
      new Uint8Array(0),
      new TextEncoder().encode('RPH1'),
      bytes.slice(0, 40),
      bytes.slice(0, bytes.length - 7),
      new Uint8Array([...bytes, 1, 2, 3].slice(1)),
    ];
    for (let at = 8 + headerLength; at < bytes.length; at += 211) {
      const copy = bytes.slice();
      copy[at]! ^= 0x10;
      damaged.push(copy);
    }
    const text = Buffer.from(bytes).toString('latin1');
    damaged.push(Buffer.from(text.replace('"cells":1', '"cells":2'), 'latin1'));
    damaged.push(Buffer.from(text.replace(/"pages":\[(\d)/, '"pages":[9'), 'latin1'));
    const { stateId } = await host.capture('s');
    for (const image of damaged) {
      // A changed bit may say the same in other words (zeros copied from elsewhere): then the heap is the same.
      const code = await host.open('t', { image, stateId }).then(
        async () => ((await host.capture('t')).stateId === stateId ? 'SAME' : 'WRONG'),
        (error) => error.code,
      );
      assert.ok(code === 'CORRUPT' || code === 'SAME', code);
    }
    host.drop('t');
    await assert.rejects(host.apply('t', { type: 'abandon', seq: 1, timeMs: 1, reason: 'user' }), {
      code: 'UNAVAILABLE',
    });
    await host.open('t', { image: bytes, stateId });
    assert.equal((await host.capture('t')).stateId, (await host.capture('s')).stateId);
  }));

test('a whole image of another heap is refused, and what runs under the name goes on', () =>
  withHost({ threads: 1, maxThreads: 2 }, async (host) => {
    const session = await KernelSession.open(host, 's');
    await session.run('let x = 1');
    const earlier = await host.capture('s');
    await session.run('x = 2');
    const { stateId } = await host.capture('s');
    const other = await KernelSession.open(host, 'other');
    await other.run('let x = 1');
    const foreign = await host.capture('other');
    for (const { bytes } of [earlier, foreign]) {
      await assert.rejects(host.open('t', { image: bytes, stateId }), {
        code: 'CORRUPT',
        message: /not [0-9a-f]{64}/,
      });
    }
    assert.equal(await session.value('x'), '2');
  }));

test('an image of another kernel is refused, and other limits are another kernel', () =>
  withHost({ threads: 1, maxThreads: 2 }, (host) =>
    withHost({ threads: 1, maxThreads: 2, limits: { fuel: 77 } }, async (other) => {
      assert.notEqual(host.version, other.version);
      await KernelSession.open(host, 's');
      const { bytes, kernel, stateId } = await host.capture('s');
      assert.equal(kernel, host.version);
      await assert.rejects(other.open('s', { image: bytes, stateId }), { code: 'BAD_REQUEST' });
    }),
  ));

test('a dropped session is gone, and can be opened anew', () =>
  withHost({ threads: 1, maxThreads: 2 }, async (host) => {
    const session = await KernelSession.open(host, 's');
    await session.run('let x = 1');
    host.drop('s');
    await assert.rejects(session.run('x'), { code: 'UNAVAILABLE' });
    const again = await KernelSession.open(host, 's');
    assert.equal(await again.value('typeof x'), "'undefined'");
    assert.equal(host.stats().sessions, 1);
  }));

test('closing rejects what is under way and ends all threads', async () => {
  const host = await makeKernelHost({ threads: 2 });
  const session = await KernelSession.open(host, 's');
  const running = assert.rejects(session.run('for (;;);'), { code: 'CLOSED' });
  await host.close();
  await running;
  await assert.rejects(session.run('1'), { code: 'CLOSED' });
  assert.equal(host.stats().threads, 0);
});

test('neither a closed host nor an idle one keeps a process alive', async () => {
  const module = fileURLToPath(new URL('../../actors/kernel/host.ts', import.meta.url));
  for (const end of ['await host.close();', '']) {
    const code = `
      import { makeKernelHost } from ${JSON.stringify(module)};
      const host = await makeKernelHost();
      await host.open('s', { boot: { sessionId: 's', createdMs: 1, seed: '', version: 1 } });
      ${end}
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      stdio: 'inherit',
    });
    const [exit] = await once(child, 'exit');
    assert.equal(exit, 0);
  }
});

test('parked bytes of a small session stay small', () =>
  withHost({ threads: 1, maxThreads: 2 }, async (host) => {
    const session = await KernelSession.open(host, 's');
    await session.run('let x = 1');
    await session.run('x = x + 1');
    await host.park('s');
    await until(() => host.stats().parked === 1);
    assert.ok(host.stats().parkedBytes < 60_000, `${host.stats().parkedBytes} bytes`);
    assert.equal(await session.value('x'), '2');
  }));
