/**
 * A long history must cost nothing: activation, warm commands and checkpoints of a session of a million commands
 * against one of a hundred. The log is written straight into the store; the heap is that of its first cell.
 */
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { makeCommit } from '../../actors/session/commit.ts';
import { readCredentials } from '../../actors/supervisor/credentials.ts';
import { emptyFold, placeAt } from '../../actors/timeline/fold.ts';
import { newCommandId } from '../../bus/client/command-id.ts';
import { encode } from '../../bus/codec.ts';
import { connectBus } from '../../bus/nats.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { JetStreamApi } from '../../storage/jetstream-api.ts';
import { JetStreamBlobs } from '../../storage/jetstream-blobs.ts';
import { JetStreamLog } from '../../storage/jetstream-log.ts';
import type { TestSystem } from '../kit/system.ts';
import { median, ms, print, series, timed, times } from './measure.ts';

const SIZES = [100, 1_000_000];
const ROUNDS = 9;
const REST_MS = 1_500;
/** The log has been left alone for so long when the writing begins: positions are foretold. */
const QUIET_MS = 5_000;
/** Appends in flight. */
const WIDTH = 256;

export async function history(system: TestSystem): Promise<void> {
  const written = new Map<number, { name: string; foldBytes: number }>();
  for (const size of SIZES) {
    const name = `history-${size}`;
    written.set(size, { name, foldBytes: await write(system, name, size) });
  }
  const client = await system.connect();
  const [activations, commands] = [new Map<number, number[]>(), new Map<number, number[]>()];
  for (let round = 0; round < ROUNDS; round++) {
    const workers = system.state.children.filter(({ role }) => role === 'worker');
    for (const { pid } of workers) process.kill(pid, 'SIGKILL');
    await system.healthy(workers.at(-1)!.pid);
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    for (let index = 0; index < 4; index++) await client.execute(`warmed-${round}-${index}`, '1');
    for (const size of round % 2 === 0 ? SIZES : [...SIZES].reverse()) {
      const { name } = written.get(size)!;
      const add = (to: Map<number, number[]>, samples: number[]) =>
        to.set(size, [...(to.get(size) ?? []), ...samples]);
      let output = '';
      add(activations, [await timed(async () => ({ output } = await client.execute(name, 'x')))]);
      if (output !== '7') throw new Error(`${name} has ${output} instead of 7`);
      add(commands, await series(50, () => client.execute(name, 'x')));
    }
  }
  const rows = (what: string, samples: Map<number, number[]>) =>
    SIZES.map((size) => ({
      what: `${what}, ${size} past commands`,
      figure: ms(median(samples.get(size)!)),
      ratio: times(median(samples.get(size)!) / median(samples.get(SIZES[0]!)!)),
    }));
  print('A long history', [
    ...rows('activation', activations),
    ...rows('warm command', commands),
    ...SIZES.map((size) => ({
      what: `state in a checkpoint, ${size} past commands`,
      figure: `${written.get(size)!.foldBytes} B`,
    })),
  ]);
}

/** Writes a session of `size` commands with a checkpoint at its end. @returns bytes of the state in the checkpoint */
async function write(system: TestSystem, name: string, size: number): Promise<number> {
  const { user, password } = readCredentials(system.processes.home)!.storage;
  const { prefix } = system.processes.connection();
  const subjects = makeSubjects(prefix);
  const bus = await connectBus({
    url: system.state.nats.url,
    user,
    pass: password,
    name: 'bench',
    role: 'storage',
  });
  const api = new JetStreamApi(bus, 60_000);
  const kernel = await makeKernelHost({ threads: 1 });
  try {
    const [log, blobs] = [new JetStreamLog(api, subjects), new JetStreamBlobs(api, subjects)];
    const lastSeq = async () => {
      const info = `STREAM.INFO.${subjects.streams.log.name}`;
      return (await api.call<{ state: { last_seq: number } }>(info)).state.last_seq;
    };
    let position = await lastSeq();
    for (let before = -1; before !== position; position = await lastSeq()) {
      before = position;
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    }
    let fold = emptyFold(name);
    let foldBytes = 0;
    let inFlight: Promise<void>[] = [];
    const append = async (events: SessionEvent[]) => {
      const facts = { commit: newCommandId(), epoch: 1, kernel: kernel.version, atMs: Date.now() };
      const { commit, next } = makeCommit(fold, events, facts);
      foldBytes = commit.fold?.byteLength ?? 0;
      const bytes = encode(commit);
      const expected = fold.log.position;
      position += 1;
      fold = placeAt(next, { commit, position, sizeBytes: bytes.byteLength });
      const predicted = position;
      inFlight.push(
        log.append(commit, expected, bytes).then((stored) => {
          if (stored.position !== predicted)
            throw new Error(`written at ${stored.position}, not ${predicted}`);
        }),
      );
      if (inFlight.length < WIDTH) return;
      await Promise.all(inFlight);
      inFlight = [];
    };
    const now = () => new Date().toISOString();
    const [id, created] = [`id-${name}`, now()];
    for (let cell = 1; cell <= size; cell++) {
      const seq = fold.seq + 1 + (cell === 1 ? 1 : 0);
      const code = cell === 1 ? 'let x = 7; x' : 'x';
      const commandId = newCommandId();
      const events: SessionEvent[] = [
        { type: 'input', seq, code, timestamp: now(), commandId, cell },
        { type: 'output', seq: seq + 1, value: '7', timestamp: now(), stream: 'result', cell },
      ];
      if (cell === 1) {
        events.unshift({
          type: 'session',
          version: BEHAVIOUR_VERSION,
          id,
          created,
          seq: 0,
          name,
          seed: 'seed',
        });
      }
      await append(events);
    }
    const boot = {
      sessionId: id,
      createdMs: Date.parse(created),
      seed: 'seed',
      version: BEHAVIOUR_VERSION,
    };
    await kernel.open(name, { boot });
    await kernel.apply(name, { type: 'input', seq: 1, timeMs: fold.timeMs, cell: 1, code: 'let x = 7; x' });
    const { stateId, bytes } = await kernel.capture(name);
    await blobs.put('ckpt', stateId, bytes);
    const sizeBytes = bytes.byteLength;
    const seq = fold.seq + 1;
    await append([{ type: 'checkpoint', seq, reason: 'bench', stateId, timestamp: now(), sizeBytes }]);
    await Promise.all(inFlight);
    return foldBytes;
  } finally {
    await kernel.close();
    api.close();
    await bus.close();
  }
}
