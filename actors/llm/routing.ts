/** Which provider answers for which model name. */
import { ProviderError } from './failure.ts';
import type { Provider } from './provider.ts';

/** Model of the OpenAI provider when neither the request nor REPRISE_LLM_MODEL names one. */
export const OPENAI_MODEL_DEFAULT = 'gpt-4.1-mini';

export interface Route {
  provider: Provider;
  /** The provider's own name for the model. */
  model: string;
}

export interface Providers {
  echo: Provider;
  /** Absent when neither a key nor a base URL is configured. */
  openai?: Provider | undefined;
}

/**
 * Makes the function that routes a model name: `echo` and `echo/…` to the echo provider, `openai/<model>`
 * and every other name to the OpenAI-compatible server; no name to `modelDefault`, else to the server if
 * there is one, else to echo.
 */
export function makeRouter(providers: Providers, modelDefault?: string): (model?: string) => Route {
  return (asked) => {
    const model = asked ?? modelDefault;
    if (model === undefined) {
      return providers.openai === undefined
        ? { provider: providers.echo, model: 'echo' }
        : { provider: providers.openai, model: OPENAI_MODEL_DEFAULT };
    }
    if (model === 'echo' || model.startsWith('echo/')) return { provider: providers.echo, model };
    if (providers.openai === undefined) {
      throw new ProviderError(
        'NOT_CONFIGURED',
        `no provider is configured for model '${model}': set OPENAI_API_KEY, or REPRISE_LLM_BASE_URL for ` +
          "another OpenAI-compatible server, and restart the LLM actor; model 'echo' works offline",
      );
    }
    const name = model.startsWith('openai/') ? model.slice('openai/'.length) : model;
    if (name === '') throw new ProviderError('BAD_REQUEST', `model '${model}' names no model`);
    return { provider: providers.openai, model: name };
  };
}
