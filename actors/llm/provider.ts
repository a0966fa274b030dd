/**
 * What the LLM actor needs from a model provider, and how providers fail.
 *
 * A provider makes one attempt and throws a `ProviderError`; whether and when to try again is decided in
 * one place (`retry.ts`). The call takes an options object so that later needs (a token listener for
 * streaming, say) are additions that no provider has to know about.
 */
import { RepriseError } from '../../bus/errors.ts';
import type { LlmAnswer } from '../../bus/protocol.ts';
import type { LlmRequest } from './request.ts';

export interface ProviderCall {
  /** Aborted when the attempt ran out of time or the actor stops; the call must then end soon. */
  signal: AbortSignal;
  /** The receipt key: equal for every attempt of one effect. */
  idempotencyKey: string;
}

export interface Provider {
  readonly name: string;
  /**
   * One attempt. The request's `model` is set and is the provider's own name for the model.
   * @throws ProviderError
   */
  call(request: LlmRequest & { model: string }, call: ProviderCall): Promise<LlmAnswer>;
}

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

/** The answer that tells a cell that its call failed. */
export function failedAnswer(model: string, error: ProviderError): LlmAnswer {
  return {
    response: '',
    model,
    error: { name: error.name, message: error.message, code: error.reason },
  };
}
