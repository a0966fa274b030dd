/** What the bare bus costs on this machine, in this run: no figure of ours is read without it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNats } from '../kit/nats-server.ts';
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

/** On a server of its own: no user of the system's may do what is measured here. */
export async function measureFloors(): Promise<Floors> {
  const server = await startNats();
  const [app, storage] = await Promise.all(
    [1, 2].map(() => connect({ servers: server.url, noAsyncTraces: true })),
  );
  const file = fileURLToPath(new URL('responder.mjs', import.meta.url));
  const responder = spawn(process.execPath, [file, server.url, 'bench.echo'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(responder.stdout, 'data');
    const roundTripsMs = await series(
      COUNT,
      () => app!.request('bench.echo', PAYLOAD, { timeout: 2_000 }),
      500,
    );
    const manager = await jetstreamManager(storage!);
    await manager.streams.add({ name: STREAM, subjects: ['bench.log.>'] });
    const sequences = new Map<string, number>();
    const publishesMs = await series(COUNT, () => publish(storage!, 'bench.log.one', sequences), 500);
    const publishesPerS = await concurrent(storage!, sequences);
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
    await Promise.all([app!.close(), storage!.close()]);
    await server.stop();
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
