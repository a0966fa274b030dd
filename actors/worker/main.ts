/** Entry point of a worker process. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../bus/port.ts';
import { callsOf, KINDS } from '../effects/kinds.ts';
import { makeKernelHost } from '../kernel/host.ts';
import { runRole } from '../role/process.ts';
import { rehearse } from './rehearsal.ts';
import { parseWorkerSettings } from './settings.ts';
import { Worker } from './worker.ts';

/** The others that start at the same time come first, ms. */
const REHEARSE_AFTER_MS = 150;

runRole('worker', async ({ env, process: id, pid, version, bus, subjects, log }) => {
  const settings = parseWorkerSettings(env);
  const kernel = await makeKernelHost({
    calls: callsOf(KINDS),
    instances: settings.instances,
    warmUp: settings.warmUp,
    limits: { memoryBytes: settings.memoryMib * 1024 * 1024 },
    onKilled: ({ culprit, sessions }) =>
      log.warn({ session: culprit, lost: sessions.length }, 'a kernel thread hung and was ended'),
  });
  const worker = new Worker({
    id,
    pid,
    version,
    bus,
    subjects,
    clock: systemClock,
    kernel,
    log,
    newId: randomUUID,
    settings: { backgroundTurnsMax: settings.backgroundTurnsMax },
    residency: {
      maxSessions: settings.maxCachedSessions,
      parkAfterMs: settings.saveIntervalMs,
      passivateAfterMs: settings.passivateAfterMs,
    },
  });
  let rehearsal: NodeJS.Timeout | undefined;
  return {
    async start() {
      await worker.start();
      if (!settings.warmUp) return;
      rehearsal = setTimeout(() => {
        const served = () => worker.presence().counters?.requests ?? 0;
        void rehearse({ kernel, clock: systemClock, log, newId: randomUUID, served });
      }, REHEARSE_AFTER_MS);
    },
    async stop() {
      clearTimeout(rehearsal);
      await worker.stop(settings.graceMs);
      await kernel.close();
    },
  };
});
