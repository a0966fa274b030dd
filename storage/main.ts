/** Entry point of a storage process. Logs go to stderr, one ready line to stdout; SIGTERM drains. */
import { runRole } from '../actors/role/process.ts';
import { RepriseError } from '../bus/errors.ts';
import { type Durability, StorageActor } from './actor.ts';
import { JetStreamApi } from './jetstream-api.ts';
import { JetStreamBlobs } from './jetstream-blobs.ts';
import { JetStreamLog } from './jetstream-log.ts';
import { assertDurability, verifyStreams } from './streams.ts';

function parseDurability(text: string | undefined): Durability {
  if (!text || text === 'process') return 'process';
  if (text === 'power') return 'power';
  throw new RepriseError('BAD_REQUEST', `REPRISE_DURABILITY is ${JSON.stringify(text)}`, {
    hint: 'expected "process" or "power"',
  });
}

runRole(
  'storage',
  ({ env, process: id, pid, version, bus, subjects, log: logger }) => {
    const durability = parseDurability(env.REPRISE_DURABILITY);
    const api = new JetStreamApi(bus);
    const actor = new StorageActor({
      process: id,
      pid,
      version,
      bus,
      subjects,
      durability,
      logger,
      log: new JetStreamLog(api, subjects),
      blobs: new JetStreamBlobs(api, subjects),
      async verify() {
        assertDurability(durability, bus.connection.info?.version ?? '');
        await verifyStreams(api, subjects, env.REPRISE_ACCEPT_LOSS);
      },
    });
    actor.lifecycle.onChange((state) => {
      // A store that cannot be trusted is not served: whoever watches this process may start it again.
      if (state === 'stopped' && actor.lifecycle.error) {
        process.exit(RepriseError.from(actor.lifecycle.error).exitCode);
      }
    });
    return { start: () => actor.start(), stop: () => actor.stop(() => bus.close()) };
  },
  {
    url: ['REPRISE_STORAGE_NATS_URL'],
  },
);
