/** Entry point of the LLM process: environment in, actor on the bus, SIGTERM drains. */
import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { RepriseError } from '../../bus/errors.ts';
import { connectBus } from '../../bus/nats.ts';
import { systemClock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import manifest from '../../package.json' with { type: 'json' };
import { makeLlmActor } from './actor.ts';
import { makeEcho } from './echo.ts';
import { makeOpenAi } from './openai.ts';
import { makeRouter } from './routing.ts';
import { parseSettings } from './settings.ts';

async function run(): Promise<void> {
  const settings = parseSettings(process.env);
  const name = settings.process ?? `llm-${randomBytes(4).toString('hex')}`;
  const log = pino({ base: { role: 'llm', process: name }, level: settings.logLevel }, pino.destination(2));
  const bus = await connectBus({
    url: settings.natsUrl,
    user: settings.natsUser,
    pass: settings.natsPassword,
    name,
    onError: (error) => log.error({ code: error.code, error: error.message }, 'bus'),
  });
  const { openai, model } = settings;
  const actor = makeLlmActor({
    process: name,
    pid: process.pid,
    version: manifest.version,
    bus,
    subjects: makeSubjects(settings.prefix),
    clock: systemClock,
    random: Math.random,
    route: makeRouter({ echo: makeEcho(systemClock), openai: openai && makeOpenAi(openai, Date.now) }, model),
    retry: settings.retry,
    concurrency: settings.concurrency,
    log,
  });
  bus.onConnection((connected) => log.warn({ connected }, 'connection'));

  const end = async (signal: string) => {
    log.info({ signal }, 'draining');
    await actor.stop(settings.graceMs);
    await bus.close();
    log.info('stopped');
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      // A second signal ends the process at once, as signals do by default.
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
  log.info({ providers: openai ? ['echo', 'openai'] : ['echo'], model }, 'ready');
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, process: name })}\n`);
}

run().catch((thrown) => {
  const error = RepriseError.from(thrown);
  process.stderr.write(`${error.message}${error.hint ? ` (${error.hint})` : ''}\n`);
  process.exit(error.exitCode);
});
