/** Standard globals inside the sandbox, against Node's own. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { Guest } from '../kit/guest.ts';

let guest: Guest;
before(async () => {
  guest = await Guest.boot();
});

/** What Node makes of an expression; exceptions as their name. */
function node(code: string): string {
  const globals = {
    structuredClone,
    TextEncoder,
    TextDecoder,
    URL,
    URLSearchParams,
    atob,
    btoa,
    DOMException,
    AbortController,
    AbortSignal,
    Event,
    EventTarget,
  };
  return inspect(
    runInContext(
      `(() => { try { return (${code}\n) } catch (e) { return 'threw ' + e.name } })()`,
      createContext(globals),
    ),
  );
}
const sandbox = (code: string): string =>
  guest.show(`(() => { try { return (${code}\n) } catch (e) { return 'threw ' + e.name } })()`);
const same = (code: string): void => assert.equal(sandbox(code), node(code), code);

describe('text encoding', () => {
  it('encodes and decodes as Node does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        same(`[...new TextEncoder().encode(${JSON.stringify(text)})]`);
        same(`new TextEncoder().encodeInto(${JSON.stringify(text)}, new Uint8Array(7))`);
      }),
      { numRuns: 100 },
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.integer({ min: 0, max: 255 }),
            fc.constantFrom(
              0xef,
              0xbb,
              0xbf,
              0xf0,
              0x9f,
              0x98,
              0x80,
              0xed,
              0xa0,
              0xe2,
              0x82,
              0xac,
              0xfe,
              0xff,
            ),
          ),
          { maxLength: 16 },
        ),
        fc.constantFrom('utf-8', 'utf-16le', 'utf-16be'),
        (bytes, label) => {
          same(`new TextDecoder('${label}').decode(new Uint8Array([${bytes}]))`);
          same(`new TextDecoder('${label}', { ignoreBOM: true }).decode(new Uint8Array([${bytes}]))`);
          if (label === 'utf-8')
            same(`new TextDecoder('${label}', { fatal: true }).decode(new Uint8Array([${bytes}]))`);
          const cut = bytes.length >> 1;
          same(
            `(() => { const d = new TextDecoder('${label}'); return d.decode(new Uint8Array([${bytes.slice(0, cut)}]), { stream: true }) + '|' + d.decode(new Uint8Array([${bytes.slice(cut)}])) })()`,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('reads latin1 as windows-1252', () => {
    assert.equal(
      sandbox('new TextDecoder("latin1").decode(new Uint8Array([104, 233, 128, 255, 159]))'),
      "'hé€ÿŸ'",
    );
  });

  it('knows labels, sources and errors', () => {
    for (const code of [
      'new TextDecoder().encoding',
      'new TextDecoder(" UTF8 ").encoding',
      'new TextDecoder("ascii").encoding',
      'new TextDecoder("nope")',
      'new TextDecoder("constructor")',
      'new TextDecoder().decode(new Uint8Array([104, 105]).buffer)',
      'new TextDecoder().decode(new DataView(new Uint8Array([1, 104, 105]).buffer, 1))',
      'new TextDecoder().decode("text")',
      'new TextDecoder().decode()',
      'new TextEncoder().encode()',
      'new TextEncoder().encoding',
      'Object.prototype.toString.call(new TextEncoder())',
    ])
      same(code);
  });
});

describe('base64', () => {
  it('is read and written as Node does', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
          maxLength: 20,
        }),
        (text) => {
          same(`btoa(${JSON.stringify(text)})`);
          same(`atob(btoa(${JSON.stringify(text)}))`);
        },
      ),
      { numRuns: 100 },
    );
    for (const code of [
      'atob("a")',
      'atob("ab==")',
      'atob("ab=")',
      'atob(" YQ = = ")',
      'atob("YQ")',
      'atob("Y-Q")',
      'btoa("é€")',
      'atob("====")',
      'atob("")',
      'btoa(null)',
      'atob("YWI=YWI=")',
    ])
      same(code);
  });
});

describe('structuredClone', () => {
  it('copies what Node copies', () => {
    for (const code of [
      'structuredClone({ a: 1, b: [1, , 3], c: { d: undefined } })',
      'structuredClone(new Map([[{ k: 1 }, new Set([1])]]))',
      'structuredClone(new Date(5))',
      'structuredClone(/x/gi)',
      'structuredClone(new Uint8Array([1, 2]))',
      'structuredClone(new Float64Array(2)).length',
      'structuredClone(new DataView(new ArrayBuffer(4), 1, 2)).byteLength',
      'structuredClone(Object("boxed"))',
      'structuredClone(Object(1n))',
      'structuredClone(() => 1)',
      'structuredClone(Symbol())',
      'structuredClone({ f() {} })',
      'structuredClone(new WeakMap())',
      'structuredClone(Promise.resolve())',
      'structuredClone(new Proxy({}, {}))',
      'structuredClone((function* () {})())',
      'structuredClone(Object(Symbol()))',
      '(() => { const a = { n: 1 }; a.self = a; const b = structuredClone(a); return b.self === b && b !== a })()',
      '(() => { const s = {}; const c = structuredClone([s, s]); return c[0] === c[1] })()',
      'structuredClone(new (class Foo { x = 1; get y() { return 2 } })())',
      'structuredClone(Object.create({ inherited: 1 }))',
      'structuredClone({ get a() { return 5 } })',
      'structuredClone(null)',
      'structuredClone(-0)',
      'structuredClone()',
      '(() => { const e = structuredClone(new RangeError("m", { cause: 1 })); return [e.name, e.message, e.cause, Object.prototype.toString.call(e)] })()',
      '(() => { class X extends Error { name = "X" } const e = structuredClone(new X("m")); return [e.name, e.message, e.constructor.name] })()',
      '(() => { const b = new ArrayBuffer(4); const c = structuredClone(b, { transfer: [b] }); return [b.byteLength, c.byteLength] })()',
      '(() => { const u = new Uint8Array([1, 2]); const c = structuredClone({ u }, { transfer: [u.buffer] }); return [u.length, c.u.length] })()',
      'structuredClone(1, { transfer: [1] })',
      '(() => { const b = new ArrayBuffer(8); const c = structuredClone([new Uint8Array(b), new Uint8Array(b, 4)]); return c[0].buffer === c[1].buffer })()',
      'structuredClone(Object.assign([1], { extra: 2 }))',
    ])
      same(code);
  });

  it('refuses by name', () => {
    assert.equal(
      sandbox(
        '(() => { try { structuredClone(() => 1) } catch (e) { return [e.name, e.code, e.message, e instanceof DOMException] } })()',
      ),
      "[ 'DataCloneError', 25, '() => 1 could not be cloned.', true ]",
    );
  });
});

describe('URL', () => {
  it('reads addresses as Node does', () => {
    for (const url of [
      'https://user:pa%20ss@example.com:8080/a/../b/./c?x=1&y=ä#frag ment',
      'http://EXAMPLE.com:80',
      'https://exämple.com/ü?ö#ß',
      'http://日本語.jp/パス',
      'https://xn--exmple-cua.com',
      'file:///C|/a/..',
      'data:text/plain,hello world',
      'mailto:a@b.c',
      'http://[::1]:3000/x',
      'http://[2001:db8::0:1]',
      'http://192.168.0.1',
      'http://0x7f.1/',
      'http://256.256.256.256',
      'http://a b/',
      'nonsense',
      '',
      'https://',
      'ws://x.y/?q#',
      'http://ex%41mple.com',
      'https://faß.de/',
      'http://a..b',
      'blob:https://x.y/1',
      'javascript:alert(1)',
      'http://example.com/%zz?%zz',
      'http://x:99999',
      'http://ＧＯ.com',
    ]) {
      same(
        `(({ href, origin, protocol, username, password, host, hostname, port, pathname, search, hash }) => ({ href, origin, protocol, username, password, host, hostname, port, pathname, search, hash }))(new URL(${JSON.stringify(url)}))`,
      );
      same(`new URL(${JSON.stringify(url)}, 'https://base.org/dir/file?q#h').href`);
      same(`URL.canParse(${JSON.stringify(url)})`);
    }
  });

  it('changes parts and parameters as Node does', () => {
    for (const code of [
      '(() => { const u = new URL("https://a.b/c"); u.pathname = "/x y"; u.search = "q=1 2"; u.hash = "h"; u.port = "81"; u.protocol = "http"; u.host = "n.m:9"; return u.href })()',
      '(() => { const u = new URL("https://a.b/?x=1"); u.searchParams.append("y", "ä &"); u.searchParams.delete("x"); return u.href })()',
      '[...new URLSearchParams("a=1&b=2&a=3")]',
      'new URLSearchParams({ a: "1", b: "ü" }).toString()',
      'new URLSearchParams([["z", "1"], ["a", "2"]]).getAll("z")',
      '(() => { const p = new URLSearchParams("c=1&a=2&b=3"); p.sort(); return p.toString() })()',
      'JSON.stringify(new URL("https://a.b"))',
      'new URL("/x", "nonsense")',
      'new URLSearchParams("a=1").size',
      'URL.name + URLSearchParams.name',
      '`${new URL("https://a.b/c")}`',
      'new URLSearchParams("?a=%F0%9F%98%80+b").get("a")',
      'Object.prototype.toString.call(new URL("x:y"))',
    ])
      same(code);
  });
});

describe('URL.parse', () => {
  it('gives a URL, or null', () => {
    assert.equal(guest.show('URL.parse("b", "http://a/").href'), "'http://a/b'");
    assert.equal(guest.show('URL.parse("b") === null && URL.parse("http://a") instanceof URL'), 'true');
  });
});

describe('events and aborting', () => {
  it('work as Node does', () => {
    for (const code of [
      '(() => { const log = []; const t = new EventTarget(); const f = (e) => log.push(e.type, e.target === t); t.addEventListener("x", f); t.addEventListener("x", f); t.addEventListener("x", { handleEvent(e) { log.push(this !== t) } }, { once: true }); t.dispatchEvent(new Event("x")); t.dispatchEvent(new Event("x")); t.removeEventListener("x", f); t.dispatchEvent(new Event("x")); return log })()',
      '(() => { const t = new EventTarget(); t.addEventListener("x", (e) => e.preventDefault()); return [t.dispatchEvent(new Event("x", { cancelable: true })), t.dispatchEvent(new Event("x"))] })()',
      '(() => { const log = []; const t = new EventTarget(); t.addEventListener("x", (e) => { log.push(1); e.stopImmediatePropagation() }); t.addEventListener("x", () => log.push(2)); t.dispatchEvent(new Event("x")); return log })()',
      '(() => { const c = new AbortController(); const log = []; c.signal.onabort = () => log.push("on"); c.signal.addEventListener("abort", () => log.push("listener")); c.abort("why"); c.abort("again"); return [log, c.signal.aborted, c.signal.reason] })()',
      '(() => { const c = new AbortController(); c.abort(); return [c.signal.reason.name, c.signal.reason.code] })()',
      '(() => { AbortSignal.abort().throwIfAborted() })()',
      '(() => { const a = new AbortController(), b = new AbortController(); const any = AbortSignal.any([a.signal, b.signal]); b.abort(5); return [any.aborted, any.reason] })()',
      '(() => { const c = new AbortController(); const t = new EventTarget(); let n = 0; t.addEventListener("x", () => n++, { signal: c.signal }); t.dispatchEvent(new Event("x")); c.abort(); t.dispatchEvent(new Event("x")); return n })()',
      'new AbortSignal()',
      'new Event()',
      'new EventTarget().dispatchEvent({})',
      '[Event.name, EventTarget.name, AbortController.name, AbortSignal.name]',
      'new DOMException("m", "AbortError").code',
    ])
      same(code);
  });
});

describe('numbers and dates without Intl', () => {
  it('read as en-US', () => {
    for (const code of [
      '(1234567.891).toLocaleString()',
      '(0).toLocaleString()',
      '(-1234.5).toLocaleString()',
      '(0.1 + 0.2).toLocaleString()',
      '(1e21).toLocaleString()',
      'NaN.toLocaleString()',
      '(999.9996).toLocaleString()',
      '(1234.5).toLocaleString("en-US", { minimumFractionDigits: 2 })',
      '(0.256).toLocaleString("en-US", { style: "percent" })',
      '(1234.5).toLocaleString("en-US", { style: "currency", currency: "USD" })',
      '(12345678901234567890n).toLocaleString()',
      '(-1234n).toLocaleString()',
      '[1234, 5.5].toLocaleString()',
      '(1234).toLocaleString("en-US", { useGrouping: false })',
      '(1.5).toLocaleString("en-US", { maximumFractionDigits: 200 })',
    ])
      same(code);
    assert.equal(
      sandbox('new Date(Date.UTC(2024, 0, 5, 15, 4, 9)).toLocaleString()'),
      "'1/5/2024, 3:04:09 PM'",
    );
    assert.equal(
      sandbox('new Date(0).toLocaleTimeString() + new Date(0).toLocaleDateString()'),
      "'12:00:00 AM1/1/1970'",
    );
    assert.equal(sandbox('new Date(NaN).toLocaleString()'), "'Invalid Date'");
  });
});

describe('console and microtasks', () => {
  it('accept the calls that need a screen or a profiler', () => {
    const turn = guest.run(
      'console.clear(); console.profile(); console.profileEnd(); console.timeStamp("x"); 1',
    );
    assert.deepEqual([turn.result?.text, turn.stdout, turn.stderr], ['1', [], []]);
    assert.equal(guest.show('console.groupCollapsed.name'), "'groupCollapsed'");
  });

  it('report what the callback of queueMicrotask throws', () => {
    const turn = guest.run(
      'queueMicrotask(() => { throw new RangeError("lost") }); queueMicrotask(() => console.log("next")); 5',
    );
    assert.equal(turn.result?.text, '5');
    assert.match(turn.stderr.join(), /^Uncaught RangeError: lost\n {4}at <cell \d+>:1:\d+/);
    assert.deepEqual(turn.stdout, ['next']);
    assert.match(guest.run('queueMicrotask(5)').error!.message, /callback must be a function/);
    assert.equal(guest.run('queueMicrotask(exit); await 1').exit, true);
  });
});

describe('what is visible', () => {
  it('is nothing of ours but the documented globals', () => {
    const names = guest.show(
      'Object.getOwnPropertyNames(globalThis).filter((name) => /reprise|prelude|module|library/i.test(name))',
    );
    assert.equal(names, '[]');
    assert.equal(guest.show('Object.keys(globalThis)'), '[]');
    for (const name of ['fetch', 'require', 'process', 'Deno', 'Buffer', 'module', 'WebSocket']) {
      assert.equal(guest.show(`typeof ${name}`), "'undefined'", name);
    }
    assert.equal(guest.run('fetch("x")').error?.message, 'fetch is not defined');
    assert.equal(guest.show('global === globalThis && globalThis.global === global'), 'true');
  });

  it('is named as people expect', () => {
    assert.equal(
      guest.show(
        '[setTimeout, clearTimeout, llm, exit, atob, structuredClone, crypto.randomUUID, Math.random, TextDecoder, console.log].map((f) => f.name).join()',
      ),
      "'setTimeout,clearTimeout,llm,exit,atob,structuredClone,randomUUID,random,TextDecoder,log'",
    );
  });
});
