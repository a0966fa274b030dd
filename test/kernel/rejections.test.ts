/** Whoever rejects a promise that nobody waits for is heard, once; whoever is waited for is not. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost, Turn } from '../../actors/kernel/port.ts';
import { CREATED_MS, facts, KernelSession } from '../kit/kernel-session.ts';

/** Ways to make a promise that rejects with `reason`, an expression each. */
const REJECTIONS: Record<string, (reason: string) => string> = {
  'an async arrow': (reason) => `(async () => { throw ${reason} })()`,
  'an async arrow without braces': (reason) => `(async (fail) => fail())(() => { throw ${reason} })`,
  'an async function': (reason) => `(async function f() { "use strict"; throw ${reason} })()`,
  'an async function that waits first': (reason) =>
    `(async () => { await 1; await null; throw ${reason} })()`,
  'an async method': (reason) => `({ async m() { throw ${reason} } }).m()`,
  'a private method': (reason) =>
    `new (class { async #m() { throw ${reason} } go() { return this.#m() } })().go()`,
  'an async function of a function': (reason) =>
    `(() => { const f = async () => { throw ${reason} }; return f() })()`,
  'an async generator': (reason) =>
    `(async function* () { yield; throw ${reason} })().return().then(() => { throw ${reason} })`,
  'a step of an async generator': (reason) => `(async function* () { throw ${reason} })().next()`,
  'an executor that rejects': (reason) => `new Promise((_, reject) => reject(${reason}))`,
  'an executor that throws': (reason) => `new Promise(function () { throw ${reason} })`,
  'an executor of a subclass': (reason) => `new (class extends Promise {})((_, reject) => reject(${reason}))`,
  'Promise.reject': (reason) => `Promise.reject(${reason})`,
  'Promise.withResolvers': (reason) =>
    `(() => { const w = Promise.withResolvers(); w.reject(${reason}); return w.promise })()`,
  'Promise.all': (reason) => `Promise.all([1, Promise.reject(${reason})])`,
  'Promise.race': (reason) => `Promise.race([Promise.reject(${reason})])`,
  'a thenable': (reason) => `Promise.resolve({ then(_, reject) { reject(${reason}) } })`,
  'a callback of then': (reason) => `Promise.resolve(1).then(() => { throw ${reason} })`,
  'a chain without catch': (reason) => `Promise.reject(${reason}).then(() => 1).finally(() => 2)`,
};

/** What may become of it: a cell, and whether the rejection is to be reported. */
const FATES: Record<string, { cell: (rejected: string) => string; reported: boolean }> = {
  dropped: { cell: (rejected) => `${rejected}; 6`, reported: true },
  kept: { cell: (rejected) => `var kept = ${rejected}; 6`, reported: true },
  'in a list': { cell: (rejected) => `[1].map(() => ${rejected}); 6`, reported: true },
  'dropped by forEach': { cell: (rejected) => `[1].forEach(() => ${rejected}); 6`, reported: true },
  'dropped while the cell goes on': { cell: (rejected) => `${rejected}; await 1; 6`, reported: true },
  'caught by catch': { cell: (rejected) => `${rejected}.catch(() => 0); 6`, reported: false },
  'caught around await': { cell: (rejected) => `try { await ${rejected} } catch {} 6`, reported: false },
  'caught in an async function': {
    cell: (rejected) => `(async () => { try { await ${rejected} } catch {} })(); 6`,
    reported: false,
  },
  'caught before the jobs are done': {
    cell: (rejected) => `var late = ${rejected}; await 1; await 1; late.catch(() => 0); 6`,
    reported: false,
  },
  settled: { cell: (rejected) => `await Promise.allSettled([${rejected}]); 6`, reported: false },
};

const reports = (turn: Turn): string[] =>
  turn.outputs
    .flatMap(({ stream, text }) => (stream === 'stderr' ? text.split('\n') : []))
    .filter((line) => line.startsWith('Uncaught'));

describe('a rejection that nobody hears of', () => {
  let host: KernelHost;
  let count = 0;
  before(async () => {
    host = await makeKernelHost({ threads: 1, maxThreads: 1 });
  });
  after(() => host.close());
  const open = () => KernelSession.open(host, `s${++count}`);

  it('is a line on stderr', async () => {
    const turn = await (await open()).run("(async () => { throw new Error('x') })(); 6");
    assert.equal(turn.result?.text, '6');
    assert.equal(turn.error, undefined);
    const text = 'Uncaught (in promise) Error: x\n    at <cell 1>:1:22\n    at <cell 1>:1:39';
    assert.deepEqual(turn.outputs, [{ stream: 'stderr', level: 'error', text }]);
  });

  for (const [fate, { cell, reported }] of Object.entries(FATES)) {
    it(`is ${reported ? 'reported once' : 'not reported'} when it is ${fate}, whatever made it`, async () => {
      const session = await open();
      for (const [maker, rejecting] of Object.entries(REJECTIONS)) {
        // A promise that passes a rejection on counts, not the one that it comes from.
        const turn = await session.run(cell(rejecting('"why"')));
        assert.equal(turn.result?.text, '6', maker);
        assert.deepEqual(reports(turn), reported ? ["Uncaught (in promise) 'why'"] : [], maker);
      }
      assert.deepEqual(reports(await session.run('await 1')), []);
    });
  }

  it('is reported in the turn in which it rejects', async () => {
    const session = await open();
    const code = '(async () => { await new Promise((r) => setTimeout(r, 10)); throw "later" })(); 1';
    assert.deepEqual(reports(await session.run(code)), []);
    assert.deepEqual(reports(await session.run('2')), []);
    assert.deepEqual(reports(await session.answer(1, null)), ["Uncaught (in promise) 'later'"]);
    assert.deepEqual(reports(await session.run('3')), []);
  });

  it('is reported when showing another one rejects it', async () => {
    const shown =
      '{ [Symbol.for("nodejs.util.inspect.custom")]() { Promise.reject("inner"); return "outer" } }';
    const turn = await (await open()).run(`Promise.reject(${shown}); 1`);
    assert.deepEqual(reports(turn), ['Uncaught (in promise) outer', "Uncaught (in promise) 'inner'"]);
  });

  it('is not what a strike breaks off, nor what exit() throws', async () => {
    const session = await open();
    const struck = await session.run('(async () => { for (;;); })(); 1', {
      strike: { reason: 'user', fuel: 3 },
    });
    assert.equal(struck.error?.name, 'InterruptedError');
    assert.deepEqual(reports(await session.run('1')), []);
    assert.deepEqual(reports(await session.run('(async () => { exit() })(); 1')), []);
  });

  it('costs no memory: promises that settle are let go within the turn', async () => {
    const turn = await (await open()).run(
      'const f = async () => 1; for (let i = 0; i < 200_000; i++) f(); 6',
    );
    assert.equal(turn.result?.text, '6');
    assert.ok(turn.heapBytes < 8_000_000, `${turn.heapBytes} bytes`);
  });

  it('is reported in a replay as it was', async () => {
    const live = await open();
    const turns = [
      await live.run(
        'const slow = async () => { await new Promise((r) => setTimeout(r, 5)); throw 1 }; slow(); 1',
      ),
      await live.answer(1, null),
    ];
    const again = await open();
    const replayed = await host.applyAll(again.name, live.steps);
    assert.deepEqual(replayed.map(facts), turns.map(facts));
    assert.equal(await again.stateId(), await live.stateId());
  });

  it('does not show in the text of functions', async () => {
    const session = await open();
    const source = 'async () => ({ a: 1 })';
    assert.equal(await session.value(`(${source}).toString() === ${JSON.stringify(source)}`), 'true');
    const block = 'async function f(a) { "use strict"; return a }';
    assert.equal(await session.value(`(${block}).toString() === ${JSON.stringify(block)}`), 'true');
  });

  it('is left alone in sessions born before', async () => {
    const name = `s${++count}`;
    await host.open(name, { boot: { sessionId: 'same', createdMs: CREATED_MS, seed: 'seed', version: 1 } });
    const turn = await new KernelSession(host, name).run('Promise.reject(1); 6');
    assert.deepEqual(turn.outputs, []);
  });
});
