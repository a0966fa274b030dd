/** Runs a supervisor as a process: signals, the log, and the word to the `up` that started it. */

import type { WireError } from '../../bus/errors.ts';
import { RepriseError } from '../../bus/errors.ts';
import { Supervisor, type SupervisorOptions } from './supervisor.ts';

/** What the process that started a supervisor hears, once. */
export type StartNews = { started: true } | { held: true } | { failed: WireError };

/**
 * Starts the supervisor and lets the process live as long as it does.
 * @throws RepriseError what the start failed with (already told to the starter)
 */
export async function runSupervisor(options: Omit<SupervisorOptions, 'log'>): Promise<void> {
  const log = (line: string) => console.error(`${new Date().toISOString()} ${line}`);
  const supervisor = new Supervisor({ ...options, log });
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (name !== 'SIGHUP') void supervisor.stop(); // a closed terminal is no reason to end
    });
  }
  try {
    const started = await supervisor.start();
    log(started ? `up, process ${process.pid}` : 'another supervisor holds this home');
    tell(started ? { started: true } : { held: true });
  } catch (error) {
    const failure = RepriseError.from(error);
    tell({ failed: failure.toWire() });
    throw failure;
  }
}

function tell(news: StartNews): void {
  if (!process.connected) return;
  process.send?.(news, () => {
    if (process.connected) process.disconnect();
  });
}
