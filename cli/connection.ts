/** From a command to the sessions: the running system at once, or a local one that is started first. */
import type { ProcessManager } from '../actors/supervisor/process-manager.ts';
import type { SessionClient } from '../bus/client/client.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import { EXIT } from './context.ts';
import { withProgress } from './progress.ts';
import type { Terminal } from './terminal.ts';

/** Without a worker on the bus for this long, waiting for an answer is over. */
const ABSENCE_MS = 30_000;
const ROLL_CALL_MS = 5_000;
const LOOK_MS = 250;

/** A client of the system that runs. @throws RepriseError UNAVAILABLE when nothing runs or answers, DENIED */
export async function connectSessions(system: ProcessManager): Promise<SessionClient> {
  const { url, user, password, prefix } = system.connection();
  const { connectClient } = await import('../bus/client/client.ts');
  return connectClient({ url, user, pass: password, prefix });
}

/**
 * A client of the local system, which is started when it does not run. Ctrl-C meanwhile ends what was started.
 * @throws RepriseError UNAVAILABLE, DENIED, TIMEOUT
 */
export async function openSessions(terminal: Terminal, system: ProcessManager): Promise<SessionClient> {
  const onProgress = (line: string) => terminal.err(`${terminal.errPalette.dim(`${line} …`)}\n`);
  if (await system.isServerRunning()) {
    try {
      return await connectSessions(system);
    } catch (thrown) {
      // The record may be older than the server's end: its supervisor restarts it, and `up` waits for that.
      if (!hasCode(thrown, 'UNAVAILABLE')) throw thrown;
    }
  }
  const served = await connectServed(system);
  if (served) return served;
  const abort = new AbortController();
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM'], () => {
    if (abort.signal.aborted) terminal.exit(EXIT.interrupted);
    abort.abort();
  });
  try {
    await withProgress(terminal, 'starting the local system …', () =>
      system.up({ signal: abort.signal, onProgress }),
    );
  } catch (thrown) {
    if (abort.signal.aborted) terminal.exit(EXIT.interrupted);
    throw thrown;
  } finally {
    stop();
  }
  return connectSessions(system);
}

/** A client of a system that others run on the server that is named; null: no server is, or nobody serves there. */
async function connectServed(system: ProcessManager): Promise<SessionClient | null> {
  if (!system.env.REPRISE_NATS_URL) return null;
  let sessions: SessionClient;
  try {
    sessions = await connectSessions(system);
  } catch (thrown) {
    if (!hasCode(thrown, 'UNAVAILABLE')) throw thrown;
    return null;
  }
  const roles = (await sessions.who()).map(({ role }) => role);
  if (roles.includes('storage') && roles.includes('worker')) return sessions;
  await sessions.disconnect();
  return null;
}

/**
 * Waits for `work` as long as there is a worker that could do it.
 * @throws what `work` throws; RepriseError UNAVAILABLE when the local system was stopped, or when there has been
 * no worker for 30 s.
 */
export async function whileAttended<T>(
  sessions: SessionClient,
  system: Pick<ProcessManager, 'isStopped'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  let seenAt = performance.now();
  const timer = setInterval(async () => {
    const present = await sessions.who().catch(() => []);
    if (present.some(({ role }) => role === 'worker')) seenAt = performance.now();
    else if (performance.now() - seenAt > ABSENCE_MS) {
      abort.abort(
        new RepriseError('UNAVAILABLE', `no worker was there for ${ABSENCE_MS / 1000} s`, {
          hint: '`reprise up` starts workers; then retry with the same --id',
        }),
      );
    }
  }, ROLL_CALL_MS);
  const lookout = setInterval(() => {
    if (!system.isStopped) return;
    abort.abort(
      new RepriseError('UNAVAILABLE', 'the system was stopped before the answer came', {
        hint: 'a cell that had begun goes on at the next start; the same --id gets its answer',
      }),
    );
  }, LOOK_MS);
  try {
    return await work(abort.signal);
  } finally {
    clearInterval(lookout);
    clearInterval(timer);
  }
}
