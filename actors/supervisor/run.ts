/** Runs a supervisor as a process: signals, the log, and the word to the `up` that started it. */

import type { WireError } from '../../bus/errors.ts';
import { RepriseError } from '../../bus/errors.ts';
import { Supervisor, type SupervisorOptions } from './supervisor.ts';

/** How a start ended. */
export type FinalNews = { started: true } | { held: true } | { failed: WireError };
/** What the process that started a supervisor hears: what takes long, and at last how it ended. */
export type StartNews = FinalNews | { progress: string };

/**
 * Starts the supervisor and lets the process live as long as it does.
 * @throws RepriseError what the start failed with (already told to the starter)
 */
export async function runSupervisor(options: Omit<SupervisorOptions, 'log'>): Promise<void> {
  const note = (line: string) => console.error(`${new Date().toISOString()} ${line}`);
  const log = (line: string) => {
    note(line);
    if (process.connected) process.send?.({ progress: line } satisfies StartNews);
  };
  const supervisor = new Supervisor({ ...options, log });
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (name !== 'SIGHUP') void supervisor.stop(); // a closed terminal is no reason to end
    });
  }
  try {
    const started = await supervisor.start();
    note(started ? `up, process ${process.pid}` : 'another supervisor holds this home');
    tell(started ? { started: true } : { held: true });
  } catch (error) {
    const failure = RepriseError.from(error);
    tell({ failed: failure.toWire() });
    throw failure;
  }
}

function tell(news: FinalNews): void {
  if (!process.connected) return;
  process.send?.(news, () => {
    if (process.connected) process.disconnect();
  });
}
