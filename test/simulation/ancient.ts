/**
 * A session with a long past, written straight into the stores: thousands of commands, more than a session remembers.
 * Its past must cost nothing: neither its checkpoints nor its activations are larger for it.
 */
import assert from 'node:assert/strict';
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import { makeCommit } from '../../actors/session/commit.ts';
import { emptyFold, placeAt } from '../../actors/timeline/fold.ts';
import type { SessionClient } from '../../bus/client/client.ts';
import { commandIdAt } from '../../bus/command-ids.ts';
import type { Clock } from '../../bus/port.ts';
import { sessionToken } from '../../bus/subjects.ts';
import type { SessionEvent } from '../../bus/types.ts';
import type { MemoryLog } from '../../storage/memory-log.ts';
import type { BlobStore } from '../../storage/ports.ts';
import { commitsOf, INSTANT } from './checks.ts';
import type { Kernels } from './kernels.ts';
import { between, type Random } from './random.ts';
import type { Execution } from './workload.ts';

export const ANCIENT = 'ancient';
const COMMANDS_MIN = 100;
/** More than a session remembers. */
export const COMMANDS_MAX = 8_000;
const EVERY_MS = 1_000;
/** Of its commands, so many are sent once more now and then. */
const REMEMBERED = 12;
/** What a checkpoint may take: its state holds 16 KB of command words at most. */
const CHECKPOINT_BYTES_MAX = 18 * 1024;
/** Commits that an activation may read, whatever came before. */
const READS_MAX = 100;

export interface AncientPorts {
  log: MemoryLog;
  blobs: BlobStore;
  kernels: Kernels;
  random: Random;
  clock: Pick<Clock, 'now'>;
  commandsMax: number;
}

/** Writes it. @returns some of its commands, as if a client had sent them */
export async function writeAncient({
  log,
  blobs,
  kernels,
  random,
  clock,
  commandsMax,
}: AncientPorts): Promise<Execution[]> {
  const commands = Math.floor(COMMANDS_MIN * (commandsMax / COMMANDS_MIN) ** random());
  const createdMs = Math.floor(clock.now()) - (commands + 1) * EVERY_MS;
  const boot = { sessionId: 'id-ancient', createdMs, seed: 'seed', version: BEHAVIOUR_VERSION };
  const kernel = kernels.make(INSTANT);
  await kernel.open(ANCIENT, { boot });
  let fold = emptyFold(ANCIENT);
  const append = async (events: SessionEvent[], atMs: number) => {
    const facts = { commit: `commit-${events[0]!.seq}`, epoch: 1, kernel: kernel.version, atMs };
    const { commit, next } = makeCommit(fold, events, facts);
    fold = placeAt(next, { commit, ...(await log.append(commit, fold.log.position)) });
  };
  const executions: Execution[] = [];
  for (let cell = 1; cell <= commands; cell++) {
    const sentAt = createdMs + cell * EVERY_MS;
    const timestamp = new Date(sentAt).toISOString();
    const commandId = commandIdAt(
      sentAt,
      Uint8Array.from({ length: 10 }, () => between(random, 0, 255)),
    );
    const code = kernels.cell([['inc']]);
    const seq = cell === 1 ? 1 : fold.seq + 1;
    const turn = await kernel.apply(ANCIENT, { type: 'input', seq, timeMs: sentAt, cell, code });
    const events: SessionEvent[] = [
      { type: 'input', seq, code, timestamp, commandId, cell },
      { type: 'output', seq: seq + 1, value: turn.result!.text, timestamp, stream: 'result', cell },
    ];
    const { sessionId: id, seed, version } = boot;
    const created = new Date(createdMs).toISOString();
    if (cell === 1) events.unshift({ type: 'session', version, id, created, seq: 0, name: ANCIENT, seed });
    await append(events, sentAt);
    executions.push({ session: ANCIENT, commandId, code, sentAt, sends: 1 });
  }
  const { stateId, bytes } = await kernel.capture(ANCIENT);
  await blobs.put('ckpt', stateId, bytes);
  const atMs = fold.timeMs;
  const timestamp = new Date(atMs).toISOString();
  const sizeBytes = bytes.byteLength;
  await append(
    [{ type: 'checkpoint', seq: fold.seq + 1, reason: 'old', stateId, timestamp, sizeBytes }],
    atMs,
  );
  return Array.from({ length: REMEMBERED }, () => executions[between(random, 0, commands - 1)]!);
}

/** @param restart makes everybody forget the session */
export async function assertCheapPast(
  { log, kernels }: Pick<AncientPorts, 'log' | 'kernels'>,
  client: SessionClient,
  restart: () => Promise<void>,
): Promise<void> {
  await client.forceSave(ANCIENT);
  const commits = await commitsOf(log, ANCIENT);
  const newest = commits.findLast(({ commit }) => commit.events.some(({ type }) => type === 'checkpoint'))!;
  assert.ok(newest.position > commits.at(-READS_MAX)!.position, 'a checkpoint was taken');
  assert.ok(
    newest.sizeBytes < CHECKPOINT_BYTES_MAX,
    `a checkpoint after ${commits.length} commits takes ${newest.sizeBytes} bytes`,
  );
  await restart();
  let reads = 0;
  const { at } = log;
  log.at = (token, positions) => {
    if (token === sessionToken(ANCIENT)) reads += positions.length;
    return at.call(log, token, positions);
  };
  await client.execute(ANCIENT, kernels.cell([['inc']]), { waitMs: 60_000 });
  log.at = at;
  assert.ok(reads < READS_MAX, `an activation after ${commits.length} commits reads ${reads} of them`);
}
