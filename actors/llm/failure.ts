/** How model calls fail. */
import { RepriseError } from '../../bus/errors.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';

/** Codes a cell sees in `error.code` when a model call fails. */
export type LlmErrorCode =
  /** The request itself is wrong: a missing prompt, an option of the wrong type, an unknown model. */
  | 'BAD_REQUEST'
  /** No provider is configured for the model. */
  | 'NOT_CONFIGURED'
  /** The provider refuses the key. */
  | 'DENIED'
  | 'TOO_LARGE'
  /** The account has no credit left. */
  | 'QUOTA'
  | 'RATE_LIMITED'
  | 'TIMEOUT'
  /** Network failure or an error inside the provider, after all tries. */
  | 'UNAVAILABLE'
  /** Anything else a provider reports. */
  | 'PROVIDER';

/** A failed attempt. `retryable` says whether another one may succeed. */
export class ProviderError extends RepriseError {
  readonly reason: LlmErrorCode;
  /** How long the provider asks to wait before the next attempt, ms. */
  readonly retryAfterMs: number | undefined;

  constructor(
    reason: LlmErrorCode,
    message: string,
    options: { retryable?: boolean; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super('PROVIDER', message, { retryable: options.retryable ?? false, cause: options.cause });
    this.name = 'LLMError';
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Any thrown thing as a ProviderError; foreign ones are surprises, and are not retried. */
  static override from(thrown: unknown): ProviderError {
    if (thrown instanceof ProviderError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ProviderError('PROVIDER', message, { cause: thrown });
  }
}

const MESSAGE_CHARS_MAX = 2_000;

/** The beginning of a message: a server may answer with a whole page. Keys must be blotted out before. */
export function briefly(message: string): string {
  return message.length > MESSAGE_CHARS_MAX ? `${message.slice(0, MESSAGE_CHARS_MAX)}…` : message;
}

/** The answer that tells a cell that its call failed. */
export function failedAnswer(model: string, error: ProviderError): LlmAnswer {
  return {
    response: '',
    model,
    error: { name: error.name, message: briefly(error.message), code: error.reason },
  };
}
