/** A look at a session whose log is damaged or lies, at the state before it: every event and every commit in turn. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { makeCommit } from '../../actors/session/commit.ts';
import { applyCommit, emptyFold } from '../../actors/timeline/fold.ts';
import { lastGood } from '../../actors/worker/last-good.ts';
import { lastSeqOf, seqOf } from '../../bus/chain.ts';
import { hasCode } from '../../bus/errors.ts';
import type { ScannedMessage } from '../../bus/operations/logs.ts';
import type { LastGoodReply } from '../../bus/operations/looks.ts';
import type { SessionEvent, StoredCommit } from '../../bus/types.ts';
import { startWorld } from './world.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const CELLS = [
  'let x = 1; console.log("one")',
  'x = 2; await sleep(1); x = 3; console.log("three")',
  'x = 4; throw new Error("four")',
  'x = await llm("5").then(() => 5)',
  'setTimeout(() => console.log("late", ++x), 1); x',
];

let kernel: KernelHost;
/** The log of a session that did all of it, a checkpoint included. */
let events: SessionEvent[];
before(async () => {
  kernel = await makeKernelHost({ threads: 1 });
  await using world = await startWorld();
  for (const cell of CELLS) await world.client.execute('s', cell);
  await world.client.execute('s', 'await sleep(5)');
  await world.client.forceSave('s');
  await world.client.execute('s', 'x = 7');
  events = await world.events('s');
});
after(() => kernel.close());

/** The events as commits of two each, in an unbroken chain. */
function commitsOf(all: readonly SessionEvent[]): StoredCommit[] {
  const commits: StoredCommit[] = [];
  let fold = emptyFold('s');
  for (let i = 0; i < all.length; i += 2) {
    const facts = { commit: `c${i}`, epoch: 1, kernel: kernel.version, atMs: 1_000 };
    const { commit } = makeCommit(fold, all.slice(i, i + 2), facts);
    commits.push({ commit, position: i + 1, sizeBytes: 100 });
    fold = applyCommit(fold, commits.at(-1)!);
  }
  return commits;
}

function look(messages: readonly ScannedMessage[]): Promise<LastGoodReply> {
  const store = {
    async *scan() {
      yield [...messages];
    },
    read: () => assert.fail('nothing is a fork'),
    getLarge: async () => assert.fail('nothing is large'),
  };
  return lastGood('s', { store, kernel, log: silent });
}

/** `x` after the events before `index`, from a look at them alone. */
async function valueBefore(index: number): Promise<string | undefined> {
  const { state } = await look(commitsOf(events.slice(0, index)));
  return state.variables.find(({ name }) => name === 'x')?.preview;
}

test('of a session without a fault it is the newest state', async () => {
  const { state, metadata, divergence } = await look(commitsOf(events));
  assert.equal(divergence, undefined);
  assert.equal(state.seq, seqOf(events.at(-1)!));
  assert.equal(state.status, 'ready');
  assert.equal(metadata.eventCount, events.length);
  assert.equal(state.variables.find(({ name }) => name === 'x')?.preview, '7');
});

test('whichever event was forged, the state is that before its turn', async () => {
  const forged = (event: SessionEvent): SessionEvent | null => {
    if (event.type === 'output') return { ...event, value: `${event.value}!` };
    if (event.type === 'error') return { ...event, message: `${event.message}!` };
    if (event.type === 'effect_req') return { ...event, payload: { forged: true } };
    if (event.type === 'llm_req') return { ...event, receiptKey: 'f'.repeat(64) };
    if (event.type === 'checkpoint') return { ...event, stateId: 'f'.repeat(64) };
    return null;
  };
  let forgeries = 0;
  for (const [index, event] of events.entries()) {
    const other = forged(event);
    if (!other) continue;
    forgeries += 1;
    const { state, divergence } = await look(commitsOf(events.with(index, other)));
    assert.equal(divergence?.seq, index, event.type);
    assert.ok(state.seq < index && state.seq >= 0, `${state.seq} of ${index}`);
    const [x] = state.variables.filter(({ name }) => name === 'x');
    assert.equal(x?.preview, await valueBefore(state.seq + 1), `before ${event.type} ${index}`);
    // No turn in between: what was begun before it is told whole.
    const between = events.slice(state.seq + 1, index).map(({ type }) => type);
    assert.ok(
      between.filter((type) => type === 'input' || type.endsWith('_resp')).length <= 1,
      `${event.type} ${index}: ${between}`,
    );
  }
  assert.ok(forgeries >= 10, `${forgeries}`);
});

test('whichever event was left out or told twice, the state before it is shown', async () => {
  for (let index = 1; index < events.length; index++) {
    for (const all of [events.toSpliced(index, 1), events.toSpliced(index, 0, events[index]!)]) {
      const renumbered = all.map((event, seq) => ({ ...event, seq }));
      const { state } = await look(commitsOf(renumbered));
      assert.ok(state.seq >= 0);
    }
  }
});

test('whichever commit is damaged, missing, or an old one once more, the state is that after the one before', async () => {
  const commits = commitsOf(events);
  for (const [index, { commit, position, sizeBytes }] of commits.entries()) {
    if (index === 0) continue;
    const before = lastSeqOf(commits[index - 1]!.commit);
    const damages: [string, ScannedMessage[]][] = [
      ['unreadable', [{ position, sizeBytes, problem: 'it is no commit' }]],
      ['altered', [{ position, sizeBytes, commit: { ...commit, kernel: 'another' } }]],
      ['another', [{ ...commits[0]!, position }]],
    ];
    if (index < commits.length - 1) damages.push(['missing', []]);
    for (const [name, replacement] of damages) {
      const { state, metadata, divergence } = await look(
        (commits as ScannedMessage[]).toSpliced(index, 1, ...replacement),
      );
      assert.equal(divergence?.kind, 'chain', name);
      assert.equal(state.seq, before, name);
      assert.equal(metadata.eventCount, before + 1, name);
    }
  }
});

test('what was never appended is passed over, and told', async () => {
  const commits = commitsOf(events);
  const odd = { ...commits[0]!, position: 2, problem: 'was not appended' };
  const { state, divergence } = await look((commits as ScannedMessage[]).toSpliced(1, 0, odd));
  assert.equal(state.seq, seqOf(events.at(-1)!));
  assert.equal(divergence?.actual, 'was not appended');
});

test('a log of which nothing is good is CORRUPT, an empty one is NOT_FOUND', async () => {
  const damaged: ScannedMessage[] = [{ position: 1, sizeBytes: 1, problem: 'it is no commit' }];
  await assert.rejects(look(damaged), (thrown) => hasCode(thrown, 'CORRUPT'));
  await assert.rejects(look([]), (thrown) => hasCode(thrown, 'NOT_FOUND'));
});

test('any worker does it for a client, beside the session', async () => {
  await using world = await startWorld();
  await world.client.execute('beside', 'let y = 2');
  const { state, divergence } = await world.client.lastGood('beside');
  assert.equal(divergence, undefined);
  assert.deepEqual(
    state.variables.map(({ name, preview }) => [name, preview]),
    [['y', '2']],
  );
  await assert.rejects(world.client.lastGood('nowhere'), (thrown) => hasCode(thrown, 'NOT_FOUND'));
});
