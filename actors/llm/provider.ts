/**
 * What the LLM actor needs from a model provider.
 *
 * A provider makes one attempt and throws a `ProviderError`; whether and when to try again is decided in
 * one place (`retry.ts`). The call takes an options object so that later needs (a token listener for
 * streaming, say) are additions that no provider has to know about.
 */
import type { LargeContent } from '../../bus/large.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';
import type { LlmRequest } from './request.ts';

export interface ProviderCall {
  /** Aborted when the attempt ran out of time or the actor stops; the call must then end soon. */
  signal: AbortSignal;
  /** The receipt key: equal for every attempt of one effect. */
  idempotencyKey: string;
}

/** What a provider gives: instead of a `response` (then '') that takes long to encode, its content. */
export interface ProvidedAnswer extends LlmAnswer {
  content?: LargeContent;
}

export interface Provider {
  readonly name: string;
  /**
   * One attempt; its answer has at most `LARGE_BYTES_MAX` of text. The request's `model` is set and is the provider's own name for the model.
   * @throws ProviderError
   */
  call(request: LlmRequest & { model: string }, call: ProviderCall): Promise<ProvidedAnswer>;
}
