/**
 * What every role process has in common: environment in, an actor on the bus, one ready line on stdout, logs
 * on stderr, and signals that drain. An entry point hands in how its actor is made.
 */
import { randomBytes } from 'node:crypto';
import pino, { type Logger } from 'pino';
import { RepriseError } from '../../bus/errors.ts';
import { connectBus, type NatsBus } from '../../bus/nats.ts';
import { makeSubjects, processId, type Subjects } from '../../bus/subjects.ts';
import manifest from '../../package.json' with { type: 'json' };

/** A role's actor: on the bus after `start`, off it after `stop`. */
export interface RoleActor {
  start(): Promise<void>;
  /** Finishes or hands over what is under way. */
  stop(): Promise<void>;
}

export interface RoleContext {
  env: NodeJS.ProcessEnv;
  /** Name of this process on the bus. */
  process: string;
  pid: number;
  version: string;
  bus: NatsBus;
  subjects: Subjects;
  log: Logger;
}

export interface RoleOptions {
  /** Environment variables of the connection; the first that is set counts. */
  url?: string[];
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Runs a role until a signal ends it. Never rejects: a failure is told on stderr and by the exit code. */
export function runRole(
  role: 'storage' | 'worker' | 'llm',
  make: (context: RoleContext) => Promise<RoleActor> | RoleActor,
  options: RoleOptions = {},
): void {
  run(role, make, options).catch((thrown) => {
    const error = RepriseError.from(thrown);
    process.stderr.write(`${error.message}${error.hint ? ` (${error.hint})` : ''}\n`);
    process.exit(error.exitCode);
  });
}

async function run(
  role: 'storage' | 'worker' | 'llm',
  make: (context: RoleContext) => Promise<RoleActor> | RoleActor,
  options: RoleOptions,
): Promise<void> {
  const { env } = process;
  // An empty variable counts as none.
  const first = (names: string[]) => names.map((name) => env[name]).find((value) => value) || undefined;
  const name = first(['REPRISE_PROCESS_ID']) ?? processId(role, randomBytes(4).toString('hex'));
  const level = first(['REPRISE_LOG_LEVEL']) ?? 'info';
  if (!LOG_LEVELS.includes(level)) {
    throw new RepriseError('BAD_REQUEST', `REPRISE_LOG_LEVEL is ${JSON.stringify(level)}`, {
      hint: `expected ${LOG_LEVELS.join(', ')}`,
    });
  }
  const log = pino({ base: { role, process: name }, level }, pino.destination(2));
  const bus = await connectBus({
    url: first([...(options.url ?? []), 'REPRISE_NATS_URL']) ?? 'nats://127.0.0.1:4222',
    user: first([`REPRISE_${role.toUpperCase()}_USER`, 'REPRISE_NATS_USER']),
    pass: first([`REPRISE_${role.toUpperCase()}_PASSWORD`, 'REPRISE_NATS_PASSWORD']),
    role,
    name,
    onError: (error) => log.error({ code: error.code, error: error.message }, 'bus'),
  });
  bus.onConnection((connected) => log.warn({ connected }, 'connection'));
  const actor = await make({
    env,
    process: name,
    pid: process.pid,
    version: manifest.version,
    bus,
    subjects: makeSubjects(first(['REPRISE_PREFIX'])),
    log,
  });
  const end = async (signal: string) => {
    log.info({ signal }, 'draining');
    await actor.stop();
    await bus.close();
    log.info('stopped');
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // A second signal ends the process at once, as signals do by default.
    process.once(signal, () => {
      end(signal).then(
        () => process.exit(0),
        (error) => {
          log.error({ error: String(error) }, 'did not stop in order');
          process.exit(1);
        },
      );
    });
  }
  await actor.start();
  log.info('ready');
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, process: name })}\n`);
}
