/** A storage actor and clients that ask it, on either bus and either store. */

import { decode, encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { makeMemoryBus } from '../../bus/memory.ts';
import { connectBus, type NatsBus } from '../../bus/nats.ts';
import type { AppendReply, LoadReply, ReadReply } from '../../bus/operations/logs.ts';
import type { Bus } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import type { Commit, StoredCommit } from '../../bus/types.ts';
import type { Reply } from '../../bus/wire.ts';
import { StorageActor, type StoragePorts } from '../../storage/actor.ts';
import { JetStreamApi } from '../../storage/jetstream-api.ts';
import { JetStreamBlobs } from '../../storage/jetstream-blobs.ts';
import { JetStreamLog } from '../../storage/jetstream-log.ts';
import { MemoryBlobs } from '../../storage/memory-blobs.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import type { BlobStore, LogStore } from '../../storage/ports.ts';
import { verifyStreams } from '../../storage/streams.ts';
import type { CommitOptions, Draft, SessionWriter } from '../kit/commits.ts';
import { type NatsOptions, type NatsServer, startNats } from '../kit/nats-server.ts';

export const subjects = makeSubjects('reprise');
export const silent = { info() {}, warn() {}, error() {} };

/** The stores of one storage process. */
export interface Stores {
  bus: Bus;
  log: LogStore;
  blobs: BlobStore;
  verify?: () => Promise<void>;
}

export interface World {
  /** A connection for a client. */
  client(): Promise<Bus>;
  /** Connection and stores of one more storage process; all of them hold the same. */
  stores(): Promise<Stores>;
  stop(): Promise<void>;
}

export async function memoryWorld(): Promise<World> {
  const hub = makeMemoryBus({ maxPayload: 8 * 1024 * 1024 });
  const [log, blobs] = [new MemoryLog(), new MemoryBlobs()];
  let names = 0;
  const client = async () => {
    names += 1;
    return hub.connect(`c${names}`);
  };
  return { client, stores: async () => ({ bus: await client(), log, blobs }), stop: async () => {} };
}

export interface NatsWorld extends World {
  server: NatsServer;
  client(): Promise<NatsBus>;
  stores(): Promise<Stores & { bus: NatsBus; api: JetStreamApi }>;
}

export async function natsWorld(options: NatsOptions = {}): Promise<NatsWorld> {
  const server = await startNats({ config: 'max_payload: 8388608', ...options });
  const open: Bus[] = [];
  const client = async () => {
    const bus = await connectBus({ url: server.url, name: 'test' });
    open.push(bus);
    return bus;
  };
  return {
    server,
    client,
    async stores() {
      const bus = await client();
      const api = new JetStreamApi(bus);
      const verify = () => verifyStreams(api, subjects);
      await verify();
      return {
        bus,
        api,
        log: new JetStreamLog(api, subjects),
        blobs: new JetStreamBlobs(api, subjects),
        verify,
      };
    },
    async stop() {
      await Promise.all(open.map((bus) => bus.close()));
      await server.stop();
    },
  };
}

let actors = 0;

export async function startStorage(world: World, more: Partial<StoragePorts> = {}): Promise<StorageActor> {
  actors += 1;
  const stores = await world.stores();
  const actor = new StorageActor({
    ...stores,
    process: `storage.${actors}`,
    pid: process.pid,
    version: '0.0.0',
    subjects,
    logger: silent,
    durability: 'process',
    ...more,
  });
  await actor.start();
  return actor;
}

/** One request to storage. @throws RepriseError that storage answered */
export async function ask<T>(bus: Bus, operation: string, request: object, timeoutMs = 10_000): Promise<T> {
  return answerOf<T>(await bus.request(subjects.store(operation), encode(request), { timeoutMs }));
}

export async function append(
  bus: Bus,
  commit: Commit,
  expected: number,
  timeoutMs = 10_000,
): Promise<AppendReply> {
  const data = encode({ commit, expected });
  return answerOf<AppendReply>(await bus.request(subjects.append(commit.session), data, { timeoutMs }));
}

export function answerOf<T>(bytes: Uint8Array): T {
  const reply = decode(bytes) as Reply<T>;
  if (reply.ok) return reply;
  throw RepriseError.fromWire(reply);
}

/** Appends the writer's next commit through storage. */
export async function commitNext(
  bus: Bus,
  writer: SessionWriter,
  drafts?: Draft[],
  options?: CommitOptions,
): Promise<Commit> {
  const commit = writer.next(drafts, options);
  writer.wrote(commit, await append(bus, commit, writer.position));
  return commit;
}

/** All commits of a session as `load` and `read` give them to an activation without checkpoint. */
export async function loadAll(bus: Bus, session: string): Promise<StoredCommit[]> {
  const reply = await ask<LoadReply>(bus, 'load', { session, kernel: '' });
  const commits = [...reply.tail];
  if (!reply.more) return commits;
  const last = commits.at(-1)?.commit;
  let next: number | null = last ? last.first + last.events.length : 0;
  while (next !== null) {
    const page: ReadReply = await ask<ReadReply>(bus, 'read', { session, from: next });
    commits.push(...page.commits);
    next = page.next;
  }
  return commits;
}
