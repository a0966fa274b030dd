/** Entry point of an LLM process. */
import { systemClock } from '../../bus/port.ts';
import { runRole } from '../role/process.ts';
import { makeLlmActor } from './actor.ts';
import { makeEcho } from './echo.ts';
import { makeOpenAi } from './openai.ts';
import { makeRouter } from './routing.ts';
import { parseSettings } from './settings.ts';

runRole('llm', ({ env, ...context }) => {
  const { openai, model, retry, concurrency, graceMs } = parseSettings(env);
  const providers = {
    echo: makeEcho(systemClock),
    openai: openai && makeOpenAi(openai, Date.now),
  };
  context.log.info({ providers: openai ? ['echo', 'openai'] : ['echo'], model }, 'providers');
  const actor = makeLlmActor({
    ...context,
    clock: systemClock,
    random: Math.random,
    route: makeRouter(providers, model),
    retry,
    concurrency,
  });
  return { start: () => actor.start(), stop: () => actor.stop(graceMs) };
});
