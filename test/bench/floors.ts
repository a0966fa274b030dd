/** What the bare bus costs on this machine, in this run: no figure of ours is read without it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { readCredentials } from '../../actors/supervisor/credentials.ts';
import type { TestSystem } from '../kit/system.ts';
import { median, series } from './measure.ts';

export interface Floors {
  /** One request to another process and back, ms. */
  roundTripMs: number;
  roundTripsMs: number[];
  /** One JetStream publish with compare-and-set, one at a time, ms. */
  publishMs: number;
  publishesMs: number[];
  /** JetStream publishes a second from one process, 64 in flight on 64 subjects. */
  publishesPerS: number;
}

const STREAM = 'BENCH_FLOOR';
const COUNT = 2_000;
const PAYLOAD = new Uint8Array(200);

export async function measureFloors(system: TestSystem): Promise<Floors> {
  const credentials = readCredentials(system.processes.home)!;
  const { url } = system.state.nats;
  const as = (user: { user: string; password: string }) =>
    connect({ servers: url, user: user.user, pass: user.password, noAsyncTraces: true });
  const app = await as(credentials.app);
  const storage = await as(credentials.storage);
  const file = fileURLToPath(new URL('responder.mjs', import.meta.url));
  const { user, password } = credentials.app;
  const responder = spawn(process.execPath, [file, url, user, password, 'bench.echo'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(responder.stdout, 'data');
    const roundTripsMs = await series(
      COUNT,
      () => app.request('bench.echo', PAYLOAD, { timeout: 2_000 }),
      500,
    );
    const manager = await jetstreamManager(storage);
    await manager.streams.add({ name: STREAM, subjects: ['bench.log.>'] });
    const sequences = new Map<string, number>();
    const publishesMs = await series(COUNT, () => publish(storage, 'bench.log.one', sequences), 500);
    const publishesPerS = await concurrent(storage, sequences);
    await manager.streams.delete(STREAM);
    return {
      roundTripsMs,
      roundTripMs: median(roundTripsMs),
      publishesMs,
      publishMs: median(publishesMs),
      publishesPerS,
    };
  } finally {
    responder.kill();
    await Promise.all([app.close(), storage.close()]);
  }
}

async function publish(
  connection: NatsConnection,
  subject: string,
  sequences: Map<string, number>,
): Promise<void> {
  const head = headers();
  head.set('Nats-Expected-Last-Subject-Sequence', String(sequences.get(subject) ?? 0));
  const { data } = await connection.request(subject, PAYLOAD, { timeout: 2_000, headers: head });
  sequences.set(subject, JSON.parse(new TextDecoder().decode(data)).seq);
}

async function concurrent(connection: NatsConnection, sequences: Map<string, number>): Promise<number> {
  const started = performance.now();
  const each = 200;
  await Promise.all(
    Array.from({ length: 64 }, async (_, index) => {
      for (let round = 0; round < each; round++)
        await publish(connection, `bench.log.many${index}`, sequences);
    }),
  );
  return (64 * each * 1000) / (performance.now() - started);
}
