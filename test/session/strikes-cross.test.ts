/**
 * Whatever a cell does and whenever it is struck: it ends once, the next cell runs on what was before, and the log says
 * all of it. `REPRISE_STRIKES=all` crosses every cell with every strike; otherwise each cell meets one or two.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost, Turn } from '../../actors/kernel/port.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { OwnedSession, type StrikeAfter } from '../kit/owned-session.ts';

const MEMORY = 'const a = []; for (;;) a.push(new Array(1000).fill(1.5))';
const TIMERS = 'while (true) setTimeout(() => {}, 1000)';
const WAITS = 'await new Promise((r) => setTimeout(r, 60_000))';
const CAUGHT = 'try { exit() } catch {}';

const CELLS: Record<string, string> = {
  'a loop': 'for (;;);',
  'timers piling up': TIMERS,
  'promises piling up': 'const f = () => Promise.resolve().then(f).then(f); for (;;) f()',
  'a loop of awaits': 'for (;;) await null',
  'swallowing strikes': 'const g = () => { try { for (;;) Promise.resolve().then(g) } catch { g() } }; g()',
  'printing without end': 'for (;;) console.log("x".repeat(40))',
  'printing in turns': 'for (let i = 0; ; i++) console[i % 2 ? "log" : "error"]("")',
  'too much memory': MEMORY,
  'too long a string': 'let s = "x"; for (;;) s += s + "y"',
  'prepareStackTrace that loops': 'Error.prepareStackTrace = () => { for (;;); }; throw new Error("p")',
  'an error whose stack loops':
    'const e = new Error("p"); Object.defineProperty(e, "stack", { get() { for (;;); } }); throw e',
  'a result that loops':
    '({ toString() { for (;;); }, [Symbol.for("nodejs.util.inspect.custom")]() { for (;;); } })',
  'a proxy that loops': 'new Proxy({}, { get() { for (;;); }, ownKeys() { for (;;); } })',
  'finally that loops': 'try { for (;;); } finally { for (;;); }',
  'exit, then a loop': 'exit(); for (;;);',
  'exit caught, then a loop': `${CAUGHT}; for (;;);`,
  'exit caught, then too much memory': `${CAUGHT}; ${MEMORY}`,
  'exit caught, then timers': `${CAUGHT}; ${TIMERS}`,
  'exit caught, then a wait': `${CAUGHT}; ${WAITS}`,
  'printing, then timers': `console.log("seen"); ${TIMERS}`,
  'model calls piling up': 'for (;;) llm("x")',
  'a reaction that loops when given up': `try { ${WAITS} } catch { for (;;); }`,
  'a promise that never settles': 'await new Promise(() => {})',
  'recursion without end': 'function f() { f() }; for (;;) try { f() } catch {}',
  'broken globals':
    'globalThis.Promise = undefined; Array.prototype.push = JSON.stringify = () => { for (;;); }; for (;;);',
  'exit in a timer, and a wait': `setTimeout(exit, 1); ${WAITS}`,
  'exit in a timer, then a loop': `setTimeout(() => { ${CAUGHT}; for (;;); }, 1); ${WAITS}`,
  'exit in a timer, then memory': `setTimeout(() => { ${CAUGHT}; ${MEMORY} }, 1); ${WAITS}`,
  'exit in a timer, then an error': `setTimeout(() => { ${CAUGHT}; throw new Error("t") }, 1); ${WAITS}`,
  'two exits in timers': `setTimeout(exit, 1); setTimeout(exit, 1); ${WAITS}`,
  'exit in a reaction': `Promise.resolve().then(exit); ${WAITS}`,
  'exit in the background': 'setTimeout(exit, 1); 5',
  'a loop in the background': 'setTimeout(() => { for (;;); }, 1); 5',
  'memory in the background': `setTimeout(() => { ${MEMORY} }, 1); 5`,
  'timers in the background': `setTimeout(() => { ${TIMERS} }, 1); 5`,
};

type Entry = 'input' | 'answer';
interface Case {
  entry: Entry;
  strike: StrikeAfter;
}

const ALL: Case[] = (['input', 'answer'] as const).flatMap((entry) =>
  (['user', 'timeout'] as const).flatMap((kind) =>
    [150, 1_500].map((ms) => ({ entry, strike: { kind, ms } })),
  ),
);

function casesOf(index: number, what: string): Case[] {
  if (process.env.REPRISE_STRIKES === 'all') return ALL;
  // Odd and even cells take turns, so that every entry meets every strike.
  const brief = ALL.filter(({ strike }) => strike.ms === 150)[index % 4]!;
  // What piles up is undone only when there is much of it.
  return what.endsWith('timers piling up')
    ? [brief, { entry: 'input', strike: { kind: 'timeout', ms: 1_500 } }]
    : [brief];
}

describe('a cell that is struck', () => {
  let host: KernelHost;
  before(async () => {
    host = await makeKernelHost({ threads: 1, graceMs: 600 });
  });
  after(() => host.close());

  for (const [index, [what, code]] of Object.entries(CELLS).entries()) {
    for (const { entry, strike } of casesOf(index, what)) {
      it(`leaves a whole session: ${what} (${entry}, ${strike.kind} after ${strike.ms} ms)`, async () => {
        const session = await OwnedSession.open(host, `${what} ${entry} ${strike.kind} ${strike.ms}`);
        try {
          await session.run('let x = 1');
          const turns = await strikeAt(session, code, entry, strike);
          assertToldOnce(session.events);
          const undone = turns.some(({ poisoned }) => poisoned);
          assert.ok(
            !(undone && session.events.some((event) => 'rolledBack' in event && 'shouldExit' in event)),
          );
          if (!session.fold.closed) {
            assert.equal(session.fold.running, null);
            assert.equal((await session.run('x += 10; x')).result?.text, '11');
          }
          const replay = await session.replay();
          assert.equal(replay.divergence, null);
          assert.deepEqual(replay.leftover, []);
          if (!session.fold.closed) assert.equal(replay.stateId, await session.stateId());
        } finally {
          session.end();
        }
      });
    }
  }
});

/** What an earlier cell leaves behind, to hinder those after it from being ended. */
const TRAPS: Record<string, string> = {
  'stacks that loop': 'Error.prepareStackTrace = () => { for (;;); }; 0',
  'indices that loop':
    'Object.defineProperty(Object.prototype, "0", { get() { for (;;); }, set() { for (;;); }, configurable: true }); 0',
  'lists whose indices loop':
    'Object.defineProperty(Array.prototype, "0", { get() { for (;;); }, set() { for (;;); }, configurable: true }); 0',
  'names that loop': 'Object.defineProperty(Error.prototype, "name", { get() { for (;;); } }); 0',
  'a wrapper that loops':
    'globalThis.Error = globalThis.TypeError = new Proxy(Error, { construct() { for (;;); } }); 0',
};

describe('a cell that is struck in a session that an earlier one has trapped', () => {
  let host: KernelHost;
  before(async () => {
    host = await makeKernelHost({ threads: 1, graceMs: 600 });
  });
  after(() => host.close());

  for (const [what, trap] of Object.entries(TRAPS)) {
    for (const code of ['null.x', '({ a: [1] })', WAITS]) {
      it(`leaves a session that goes on: ${what}, ${code.slice(0, 20)}`, async () => {
        const session = await OwnedSession.open(host, `${what} ${code}`);
        try {
          await session.run('let x = 1');
          assert.equal((await session.run(trap)).result?.text, '0');
          for (let round = 0; round < 2; round++) {
            await strikeAt(session, code, 'input', { kind: 'timeout', ms: 200 });
            assertToldOnce(session.events);
            assert.equal((await session.run('x += 10; x')).result?.text, String(10 * round + 11));
          }
          const replay = await session.replay();
          assert.equal(replay.divergence, null);
          assert.equal(replay.stateId, await session.stateId());
        } finally {
          session.end();
        }
      });
    }
  }
});

/** Runs the cell so that its work falls into a turn that is struck; gives it up if it waits on. */
async function strikeAt(
  session: OwnedSession,
  code: string,
  entry: Entry,
  strike: StrikeAfter,
): Promise<Turn[]> {
  const turns: Turn[] = [];
  if (entry === 'input') turns.push(await session.run(code, strike));
  else turns.push(await session.run(`await new Promise((r) => setTimeout(r, 1)); ${code}`));
  for (let round = 0; round < 3; round++) {
    const { effects, closed } = session.fold;
    const due = [...effects].find(({ payload }) => (payload as { delayMs?: number }).delayMs === 1);
    if (!due || closed) break;
    turns.push(await session.answer(due, strike));
  }
  if (session.fold.running && !session.fold.closed) turns.push(await session.abandon());
  return turns;
}

/** Every cell has begun once and ended once. */
function assertToldOnce(events: readonly SessionEvent[]): void {
  for (const input of events) {
    if (input.type !== 'input') continue;
    const ends = events.filter(
      (event) =>
        (event.type === 'error' || (event.type === 'output' && event.stream === 'result')) &&
        event.cell === input.cell,
    );
    assert.equal(ends.length, 1, `cell ${input.cell} has ended ${ends.length} times`);
  }
}
