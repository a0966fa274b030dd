/** Effects, the life of a cell, and determinism, seen from the host's side of the wall. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Guest } from '../kit/guest.ts';

let guest: Guest;
beforeEach(async () => {
  guest = await Guest.boot();
});

describe('llm', () => {
  it('asks, waits and gives the text', () => {
    const asked = guest.run('const text = await llm("hello"); text.length');
    assert.deepEqual(asked.requests, [{ effect: 1, kind: 'llm', payload: { prompt: 'hello' } }]);
    assert.equal(asked.settled, false);
    const answered = guest.answer(1, { value: 'four' });
    assert.deepEqual(answered.result, { text: '4' });
    assert.equal(answered.settled, true);
  });

  it('passes whole requests on and rejects with the error of the answer', () => {
    const asked = guest.run(
      'await llm({ messages: [{ role: "user", content: "q" }], model: "m", temperature: 0, tools: undefined })',
    );
    assert.deepEqual(asked.requests[0]?.payload, {
      messages: [{ role: 'user', content: 'q' }],
      model: 'm',
      temperature: 0,
    });
    const failed = guest.answer(1, {
      error: { name: 'ProviderError', message: 'overloaded', code: 'PROVIDER' },
    });
    assert.equal(failed.error?.name, 'ProviderError');
    assert.equal(failed.error?.message, 'overloaded');
    assert.equal(guest.show('[_error instanceof Error, _error.code]'), "[ true, 'PROVIDER' ]");
  });

  it('refuses in older sessions a request that no commit took then, with a code', async () => {
    const older = await Guest.boot({ version: 3 });
    const refused = older.run('try { await llm("x".repeat(600_001)) } catch (e) { [e.name, e.code] }');
    assert.equal(refused.result?.text, "[ 'TypeError', 'TOO_LARGE' ]");
    const asked = guest.run('await llm("x".repeat(600_001))');
    assert.equal((asked.requests[0]?.payload as { prompt: string }).prompt.length, 600_001);
  });

  it('runs many at once, settled in the order of their answers', () => {
    const asked = guest.run(
      'const order = []; await Promise.all(["a", "b", "c"].map((p) => llm(p).then((t) => order.push(t)))); order',
    );
    assert.deepEqual(
      asked.requests.map((one) => one.effect),
      [1, 2, 3],
    );
    guest.answer(3, { value: 'third' });
    guest.answer(1, { value: 'first' });
    assert.equal(guest.answer(2, { value: 'second' }).result?.text, "[ 'third', 'first', 'second' ]");
  });

  it('takes options beside a prompt, and can be mapped over prompts', () => {
    const asked = guest.run('await llm("q", { model: "m", temperature: 0 })');
    assert.deepEqual(asked.requests[0]?.payload, { model: 'm', temperature: 0, prompt: 'q' });
    guest.answer(1, { value: 'a' });
    const mapped = guest.run('await Promise.all(["x", "y"].map(llm))');
    assert.deepEqual(
      mapped.requests.map(({ payload }) => payload),
      [{ prompt: 'x' }, { prompt: 'y' }],
    );
  });

  it('refuses wrong requests and says where they are wrong', () => {
    const message = (code: string) => {
      const { error, requests } = guest.run(`await llm(${code})`);
      assert.deepEqual(requests, []);
      assert.equal(error?.name, 'TypeError', code);
      return error?.message;
    };
    assert.match(message('')!, /undefined/);
    assert.match(message('5')!, /pass a prompt/);
    assert.match(message('[]')!, /pass a prompt/);
    assert.match(message('null')!, /pass a prompt/);
    assert.match(message('{}')!, /needs a prompt or messages/);
    assert.match(message('{ prompt: 1 }')!, /request\.prompt must be a string, not number/);
    assert.match(message('{ messages: "x" }')!, /request\.messages must be an array/);
    assert.match(message('{ messages: [] }')!, /request\.messages must be an array/);
    assert.match(message('{ messages: [{ role: 1 }] }')!, /request\.messages\[0\]\.role must be a string/);
    assert.match(message('{ messages: [{ role: "user" }] }')!, /request\.messages\[0\]\.content is missing/);
    assert.match(
      message('{ prompt: "x", tools: [{ run: () => 1 }] }')!,
      /request\.tools\[0\]\.run is a function/,
    );
    assert.match(message('"x", "m"')!, /options must be an object, not string/);
    assert.match(message('"x", { prompt: "y" }')!, /cannot hold another prompt/);
    assert.match(message('{ prompt: "x" }, { model: "m" }')!, /options go into the request/);
    assert.match(message('{ prompt: "x", n: 1n }')!, /request\.n is a bigint/);
    assert.match(message('{ prompt: "x", n: NaN }')!, /request\.n is NaN/);
    assert.match(message('{ prompt: "x", when: new Date() }')!, /request\.when is an instance of a class/);
    assert.match(
      message('(() => { const a = { prompt: "x" }; a.self = a; return a })()')!,
      /request\.self refers back/,
    );
  });
});

describe('timers', () => {
  it('are effects whose answers run the callbacks', () => {
    const armed = guest.run(
      'const t = setTimeout((...args) => console.log("fired", ...args), 100, 1, 2); typeof t',
    );
    assert.deepEqual(armed.requests, [
      { effect: 1, kind: 'timer', payload: { delayMs: 100, dueMs: guest.nowMs + 100 } },
    ]);
    assert.deepEqual(guest.answer(1, {}).stdout, ['fired 1 2']);
    assert.deepEqual(guest.answer(1, {}).stdout, []);
  });

  it('let cells sleep', () => {
    assert.equal(guest.run('await new Promise((done) => setTimeout(done, 5, "slept"))').settled, false);
    assert.equal(guest.answer(1, {}).result?.text, "'slept'");
  });

  it('are cancelled by clearing', () => {
    guest.run('const t = setTimeout(() => console.log("no"), 5)');
    assert.deepEqual(
      guest.run('clearTimeout(t); clearTimeout(t); clearTimeout(undefined); clearInterval("x")').cancelled,
      [1],
    );
    assert.deepEqual(guest.answer(1, {}).stdout, []);
  });

  it('repeat with a new effect until cleared, also from inside', () => {
    guest.run('let n = 0; const i = setInterval(() => { if (++n === 3) clearInterval(i) }, 10)');
    assert.deepEqual(
      guest.answer(1, {}).requests.map((one) => one.effect),
      [2],
    );
    assert.deepEqual(
      guest.answer(2, {}).requests.map((one) => one.effect),
      [3],
    );
    assert.deepEqual(guest.answer(3, {}).requests, []);
    assert.equal(guest.show('n'), '3');
  });

  it('clamp their delays as Node does and refuse what is no function', () => {
    const delays = guest
      .run(
        'for (const d of [0, -5, NaN, undefined, "7", 1.9, 2 ** 40]) setTimeout(() => {}, d); setImmediate(() => {})',
      )
      .requests.map((one) => (one.payload as { delayMs: number }).delayMs);
    assert.deepEqual(delays, [1, 1, 1, 1, 7, 1, 2147483647, 0]);
    assert.equal(guest.run('setTimeout("code", 1)').error?.name, 'TypeError');
  });

  it('report exceptions of callbacks and harm nothing', () => {
    guest.run(
      'setTimeout(() => { throw new Error("in timer") }, 1); setTimeout(async () => { throw new Error("in async") }, 2)',
    );
    const thrown = guest.answer(1, {});
    assert.match(thrown.stderr[0]!, /^Uncaught Error: in timer\n {4}at .*<cell 1>:1/);
    assert.equal(thrown.error, undefined);
    assert.match(guest.answer(2, {}).stderr[0]!, /^Uncaught \(in promise\) Error: in async/);
    assert.equal(guest.show('1'), '1');
  });

  it('drive AbortSignal.timeout', () => {
    guest.run('const s = AbortSignal.timeout(50)');
    guest.answer(1, {});
    assert.equal(guest.show('[s.aborted, s.reason.name]'), "[ true, 'TimeoutError' ]");
  });
});

describe('the end of a cell', () => {
  it('comes once, also when it was abandoned before its promise settles', () => {
    guest.run('await llm("x")');
    const left = guest.step('abandon', {
      cell: 1,
      name: 'InterruptedError',
      message: 'Interrupted',
      stack: 'InterruptedError: Interrupted',
    });
    assert.deepEqual(
      [left.cancelled, left.error, left.result, left.settled],
      [[1], undefined, undefined, false],
    );
    assert.deepEqual(guest.answer(1, { value: 'late' }).result, undefined);
    assert.equal(guest.show('_error.name + _error.message'), "'InterruptedErrorInterrupted'");
  });

  it('leaves effects of earlier cells alone when a later one is abandoned', () => {
    guest.run('setTimeout(() => console.log("still here"), 1)');
    guest.run('await llm("x")');
    assert.deepEqual(guest.step('abandon', { cell: 2, name: 'E', message: 'm', stack: 's' }).cancelled, [2]);
    assert.deepEqual(guest.answer(1, {}).stdout, ['still here']);
  });

  it('forgets the effect whose answer failed', () => {
    guest.run('await llm("x")');
    assert.deepEqual(
      guest.step('failed', { cell: 1, effect: 1, name: 'MemoryError', message: 'm', stack: 's' }).cancelled,
      [],
    );
    assert.deepEqual(guest.answer(1, { value: 'x' }).settled, false);
    assert.equal(guest.show('2'), '2');
  });

  it('is an exit when exit() was called, whatever the cell does with the throw', () => {
    const plain = guest.run('exit(); console.log("never")');
    assert.deepEqual([plain.exit, plain.result, plain.stdout], [true, { text: '' }, []]);
    assert.deepEqual(guest.run('try { exit(3) } catch {}\n5').result, { text: '' });
    assert.equal(guest.run('await 1; exit()').exit, true);
    assert.equal(guest.show('5'), '5');
  });
});

describe('user code that overwrites builtins', () => {
  const sabotage = [
    'Array.prototype.map = Array.prototype.push = Array.prototype.join = () => { throw new Error("sabotage") }',
    'JSON.stringify = JSON.parse = () => "{}"',
    'Promise.prototype.then = () => { throw 1 }; Promise = class {}',
    'Object.prototype.toJSON = () => "forged"; String.prototype.toJSON = () => "forged"; Array.prototype.toJSON = () => "forged"',
    'Object.defineProperty(Object.prototype, "text", { set() { throw 1 }, get() { return "forged" }, configurable: true })',
    'Object.defineProperty(Array.prototype, "0", { set() { throw 1 }, configurable: true })',
    'Array.prototype[Symbol.iterator] = Map.prototype[Symbol.iterator] = function* () { yield "forged" }',
    'Map.prototype.get = Map.prototype.set = Map.prototype.has = Map.prototype.delete = () => { throw 1 }',
    'Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 1 }',
    'String.prototype.slice = String.prototype.split = String.prototype.indexOf = () => "forged"; RegExp.prototype.test = RegExp.prototype.exec = () => null',
    'Object.keys = Object.defineProperty = Object.getOwnPropertyDescriptor = Reflect.ownKeys = () => { throw 1 }',
    'Error = class {}; TypeError = undefined; Date.now = () => 0; Math.min = () => NaN; Number.isNaN = () => true',
    'Promise.prototype.constructor = function () { throw 1 }; Object.prototype.constructor = null',
    'globalThis.eval = null; Symbol = null; Object.prototype.get = () => "x"; Object.prototype.value = 5',
    'console.log = null; setTimeout = null; Object.prototype.__proto__ = null',
  ];
  for (const code of sabotage) {
    it(`does not break or fool the kernel: ${code.slice(0, 70)}`, () => {
      guest.run(
        'const log = console.log, later = setTimeout, sample = [1, { a: new Map([[1, "x"]]) }, new Set([1]), [[[[1]]]]]',
      );
      guest.run(code);
      assert.deepEqual(guest.run('"text"').result, { text: "'text'" });
      // An index setter on Array.prototype breaks any JavaScript that fills a list: rendering says so, the rest works.
      const { text } = guest.run('sample').result!;
      assert.equal(
        text,
        code.includes('"0"')
          ? '[cannot be rendered: 1]'
          : "[ 1, { a: Map(1) { 1 => 'x' } }, Set(1) { 1 }, [ [ [Array] ] ] ]",
      );
      assert.deepEqual(guest.run('log("%s and %o", "a", 5)').stdout, ['a and 5']);
      assert.match(
        guest.run('null.x').error!.stack,
        /^TypeError: cannot read property 'x' of null\n {4}at <cell \d+>:1:6$/,
      );
      const armed = guest.run('later(() => log("fired"), 20)');
      assert.deepEqual(armed.requests, [
        { effect: 1, kind: 'timer', payload: { delayMs: 20, dueMs: guest.nowMs + 20 } },
      ]);
      assert.deepEqual(guest.answer(1, {}).stdout, ['fired']);
      assert.deepEqual(guest.run('await llm({ prompt: "p", list: [1, "a"] })').requests[0], {
        effect: 2,
        kind: 'llm',
        payload: { prompt: 'p', list: [1, 'a'] },
      });
      assert.equal(guest.answer(2, { value: 'answer' }).result?.text, "'answer'");
      guest.run('let seen = 5');
      assert.deepEqual(
        guest.inspect().filter((one) => one.name === 'seen'),
        [{ name: 'seen', type: 'number', preview: '5', kind: 'let' }],
      );
    });
  }
});

describe('determinism', () => {
  const cells = [
    'let a = [Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(8))]]',
    'const m = new Map([[a, 1]]); await llm("q")',
    'setInterval(() => a.push(Math.random()), 10)',
    'class K { #x = 1 }; new K()',
    '[new Date(), performance.now(), performance.timeOrigin, performance]',
  ];

  async function play(seed: string): Promise<{ memory: Buffer; texts: unknown[] }> {
    const one = await Guest.boot({ seed });
    const texts: unknown[] = [];
    for (const code of cells) {
      texts.push(one.run(code));
      one.nowMs += 1234;
    }
    texts.push(one.answer(1, { value: 'answer' }), one.answer(2, {}), one.answer(3, {}), one.run('a'));
    return { memory: Buffer.from(one.memory()), texts };
  }

  it('gives the same bytes for the same seed and steps', async () => {
    const [one, two] = [await play('s'), await play('s')];
    assert.deepEqual(one.texts, two.texts);
    assert.equal(Buffer.compare(one.memory, two.memory), 0);
  });

  it('gives other randomness for another seed', async () => {
    const [one, two] = [await play('s'), await play('t')];
    assert.notDeepEqual(one.texts, two.texts);
  });

  it('has uniform randomness and well-formed ids', () => {
    assert.match(
      guest.show('crypto.randomUUID()'),
      /^'[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'$/,
    );
    const mean = Number(
      guest.show(
        'let sum = 0, low = 0; for (let i = 0; i < 20000; i++) { const r = Math.random(); sum += r; low += r < 0.1 ? 1 : 0; if (r < 0 || r >= 1) throw r } sum / 20000 + low / 2000',
      ),
    );
    assert.ok(Math.abs(mean - 1.5) < 0.1, String(mean));
    assert.equal(
      guest.run('crypto.getRandomValues(new Uint8Array(70000))').error?.name,
      'QuotaExceededError',
    );
    assert.equal(guest.run('crypto.getRandomValues([])').error?.name, 'TypeError');
  });
});

describe('looking at a session', () => {
  it('lists variables with kinds, types and one-line previews', () => {
    guest.run(
      'let n = 1; const text = "x".repeat(500); class K {}; var v = new Map([[1, { deep: { er: {} } }]]); function f() {}; implicit = [1, 2]; let k = new K(), nothing = null, u',
    );
    const found = Object.fromEntries(
      guest.inspect().map((one) => [one.name, [one.kind, one.type, one.preview]]),
    );
    assert.deepEqual(found.n, ['let', 'number', '1']);
    assert.equal(found.text?.[2]?.length, 120);
    assert.deepEqual(found.K, ['class', 'class', '[class K]']);
    assert.deepEqual(found.v, ['var', 'Map', 'Map(1) { 1 => { deep: [Object] } }']);
    assert.deepEqual(found.f, ['function', 'function', '[Function: f]']);
    assert.deepEqual(found.implicit, ['global', 'Array', '[ 1, 2 ]']);
    assert.deepEqual(found.k, ['let', 'K', 'K {}']);
    assert.deepEqual(found.nothing, ['let', 'null', 'null']);
    assert.deepEqual(found.u, ['let', 'undefined', 'undefined']);
    assert.equal(Object.keys(found).length, 9);
  });

  it('completes names and members', () => {
    guest.run(
      'let alpha = { one: 1, onto: 2, "not a name": 3 }; class Beta { static make() {} get value() { return 1 } }; const beta = new Beta()',
    );
    const completions = (code: string) => guest.complete(code).completions;
    assert.deepEqual(completions('alp'), ['alpha']);
    assert.deepEqual(completions('alpha.on'), ['one', 'onto']);
    assert.deepEqual(completions('alpha.'), ['one', 'onto']);
    assert.deepEqual(completions('Beta.ma'), ['make']);
    assert.deepEqual(completions('beta.val'), ['value', 'valueOf']);
    assert.deepEqual(completions('conso'), ['console']);
    assert.deepEqual(completions('"text".toUpp'), ['toUpperCase']);
    assert.deepEqual(completions('aw'), ['await']);
    assert.deepEqual(completions('missing.x'), []);
    assert.deepEqual(completions(''), ['Beta', 'alpha', 'beta']);
    assert.equal(guest.complete('x = alpha.on').from, 10);
  });
});
