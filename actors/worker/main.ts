/** Entry point of a worker process. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../bus/port.ts';
import { makeKernelHost } from '../kernel/host.ts';
import { runRole } from '../role-process.ts';
import { parseWorkerSettings } from './settings.ts';
import { Worker } from './worker.ts';

runRole('worker', async ({ env, process: id, pid, version, bus, subjects, log }) => {
  const settings = parseWorkerSettings(env);
  const kernel = await makeKernelHost({
    instances: settings.instances,
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
    residency: {
      maxSessions: settings.maxCachedSessions,
      parkAfterMs: settings.saveIntervalMs,
      passivateAfterMs: settings.passivateAfterMs,
    },
  });
  return {
    start: () => worker.start(),
    async stop() {
      await worker.stop(settings.graceMs);
      await kernel.close();
    },
  };
});
