/**
 * Clients at work while processes are killed and frozen at random. REPRISE_CHAOS_SEED chooses the faults,
 * REPRISE_CHAOS_MS how long they go on.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionClient } from '../../bus/client/client.ts';
import { hasCode } from '../../bus/errors.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import { startSystem, type TestSystem } from '../kit/system.ts';
import { until } from '../kit/until.ts';
import { between, makeRandom, pick, type Random, weighted } from '../simulation/random.ts';
import { assertWholeHistory, commandsOf } from './log-checks.ts';

const SEED = Number(process.env.REPRISE_CHAOS_SEED) || Math.floor(Date.now() % 1e6);
const CHAOS_MS = Number(process.env.REPRISE_CHAOS_MS) || 4_000;
const CLIENTS = 4;
/** Its cells call exit() in callbacks. */
const MORTAL = 'mortal';
const SESSIONS = ['one', 'two', 'three', 'four', MORTAL];

interface Answered {
  session: string;
  commandId: string;
  code: string;
  timeoutMs: number | undefined;
  sentAt: number;
  doneAt: number;
  reply: ExecuteReply;
}

interface Cell {
  code: string;
  timeoutMs?: number;
}

/** A cell that counts and then does something that takes time, or does not, or goes too far. */
function randomCell(random: Random, session: string): Cell {
  const count = 'delete Error.prepareStackTrace; globalThis.n = (globalThis.n ?? 0) + 1; ';
  const timeoutMs = between(random, 30, 400);
  const kind = weighted(random, {
    plain: 8,
    print: 2,
    nap: 2,
    model: 2,
    compute: 2,
    throws: 1,
    later: 1,
    flood: 0.3,
    recite: 0.3,
    loop: 0.5,
    pile: 0.4,
    hoard: 0.4,
    stacks: 0.3,
    exitLater: session === MORTAL ? 1 : 0,
  });
  const code = {
    plain: `${count}n`,
    print: `${count}console.log('n is', n); n`,
    nap: `${count}await new Promise((done) => setTimeout(done, ${between(random, 1, 300)})); n`,
    model: `${count}(await llm({prompt: 'p', model: 'echo', delayMs: ${between(random, 0, 300)}})) + n`,
    compute: `${count}for (let i = 0; i < ${between(random, 1, 20)}e5; i++); n`,
    throws: `${count}throw new Error('n is ' + n)`,
    later: `${count}setTimeout(() => { globalThis.n += 1000 }, ${between(random, 1, 200)}); n`,
    flood: `${count}for (let i = 0; i < 9_000; i++) console[i % 2 ? 'log' : 'error'](''); n`,
    recite: `${count}(await llm('漢'.repeat(300_000), { model: 'echo' })).length + n`,
    loop: `${count}for (;;);`,
    // Struck while it arms timers: those that it armed go on.
    pile: `${count}for (let i = 0; i < 200; i++) setTimeout(() => { globalThis.n += 1 }, 10); for (;;);`,
    // Struck or out of memory, whichever is first: then the turn is undone.
    hoard: `${count}const hoard = []; for (;;) hoard.push(Promise.resolve(hoard).then(() => {}));`,
    stacks: `${count}Error.prepareStackTrace = () => { for (;;); }; new Error('x').stack`,
    exitLater: `${count}setTimeout(exit, ${between(random, 1, 50)}); await new Promise((done) => setTimeout(done, 60_000))`,
  }[kind];
  const isEndless = ['loop', 'pile', 'hoard', 'stacks'].includes(kind);
  return { code, timeoutMs: isEndless ? timeoutMs : undefined };
}

async function work(client: SessionClient, id: string, random: Random, isOver: () => boolean) {
  const answered: Answered[] = [];
  for (let count = 0; !isOver(); count++) {
    const session = pick(random, SESSIONS);
    const again = random() < 0.1 && answered.length > 0 ? pick(random, answered) : null;
    const { commandId, code, timeoutMs } = again ?? {
      commandId: `${id}-${count}`,
      ...randomCell(random, session),
    };
    const sentAt = performance.now();
    const asked = client.execute(again?.session ?? session, code, { commandId, timeoutMs, waitMs: 90_000 });
    if (random() < 0.05) await client.interrupt(session).catch(allow('NOT_FOUND'));
    const reply = await asked.catch((error) => {
      if (session === MORTAL && hasCode(error, 'CLOSED')) return null;
      throw error;
    });
    if (!reply) continue;
    if (again) {
      const { worker: _, repeated: __, ...first } = again.reply;
      assert.deepEqual(
        { ...reply, worker: undefined, repeated: undefined },
        { ...first, worker: undefined, repeated: undefined },
      );
      assert.equal(reply.repeated, true);
    } else answered.push({ session, commandId, code, timeoutMs, sentAt, doneAt: performance.now(), reply });
    if (random() < 0.1) await client.inspect(session).catch(allow('NOT_FOUND'));
    if (random() < 0.05) await client.forceSave(session).catch(allow('NOT_FOUND'));
  }
  return answered;
}

const allow = (code: 'NOT_FOUND') => (error: unknown) => {
  if (!hasCode(error, code)) throw error;
};

/** One fault, and the end of it. */
async function harm(system: TestSystem, random: Random): Promise<string> {
  const victim = weighted(random, { worker: 5, storage: 2, llm: 1, nats: 1 });
  const frozenMs = between(random, 50, 2_500);
  const kills = random() < 0.6;
  // A child that waits for its restart is not listed.
  const { children, nats } = system.state;
  const pids = children.filter(({ role }) => role === victim).map(({ pid }) => pid);
  const pid = victim === 'nats' ? nats.process?.pid : pids.length > 0 ? pick(random, pids) : undefined;
  if (pid === undefined) return `no ${victim}`;
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(pid, signal);
    } catch {
      // it has ended by itself
    }
  };
  if (kills) {
    send('SIGKILL');
    return `kill ${victim}`;
  }
  send('SIGSTOP');
  await sleep(frozenMs);
  send('SIGCONT');
  return `freeze ${victim} for ${frozenMs} ms`;
}

describe('processes that are killed and frozen at random', () => {
  it(`lose nothing, repeat nothing and answer everybody (seed ${SEED})`, async () => {
    await using system = await startSystem({ workers: 3 });
    const random = makeRandom(SEED);
    const end = performance.now() + CHAOS_MS;
    let failed = false;
    const isOver = () => failed || performance.now() > end;
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => system.connect()));
    const working = clients.map((client, index) =>
      work(client, `c${index}`, makeRandom(SEED + index + 1), isOver),
    );
    const all = Promise.all(working).finally(() => {
      failed = true;
    });
    all.catch(() => {});
    const faults: string[] = [];
    while (!isOver()) {
      faults.push(await harm(system, random));
      await sleep(between(random, 50, 700));
    }
    try {
      const answered = (await all).flat();
      await check(system, clients[0]!, answered);
      if (process.env.REPRISE_CHAOS_MS) console.log(`${answered.length} commands, ${faults.length} faults`);
    } catch (error) {
      throw new Error(`after ${faults.join(', ')}: ${String(error)}`, { cause: error });
    }
  });
});

async function check(system: TestSystem, client: SessionClient, answered: Answered[]): Promise<void> {
  await system.healthy();
  for (const session of SESSIONS) {
    const mine = answered.filter((one) => one.session === session);
    if (mine.length === 0) continue;
    // What was under way in the background comes to rest: the log stands still.
    await until(async () => (await client.inspect(session)).state.pending.length === 0);
    const ran = commandsOf(await assertWholeHistory(client, session));
    assert.deepEqual([...ran].sort(), mine.map(({ commandId }) => commandId).sort());
    mine.sort((a, b) => ran.indexOf(a.commandId) - ran.indexOf(b.commandId));
    for (let earliest = Number.POSITIVE_INFINITY, index = mine.length - 1; index >= 0; index--) {
      const { commandId, doneAt, sentAt } = mine[index]!;
      assert.ok(sentAt <= earliest, `${commandId} ran before one that was answered when it was sent`);
      earliest = Math.min(earliest, doneAt);
    }
    for (const { code, commandId, reply } of mine) {
      const again = await client.execute(session, code, { commandId });
      assert.deepEqual({ ...again, worker: reply.worker, repeated: reply.repeated }, reply);
    }
  }
}
