/** Performs the effects of resident sessions: a request that is durable goes in, one answer comes out. */
import { RepriseError } from '../../bus/errors.ts';
import { parse, type Schema } from '../../bus/schema.ts';
import type { Json } from '../../bus/types.ts';
import type { EffectAnswer, EffectKind, EffectOwner, EffectPorts, OpenEffect } from './kind.ts';
import { KINDS, kindsByName } from './kinds.ts';

export interface EffectRunner {
  /** Starts an effect whose request is durable. `answer` is called at most once, never after cancel(). */
  start(session: EffectOwner, effect: OpenEffect, answer: (answer: EffectAnswer) => void): { cancel(): void };
}

/** Performs effects of these kinds; any other kind is answered with an error. */
export function makeEffectRunner(ports: EffectPorts, kinds: readonly EffectKind[] = KINDS): EffectRunner {
  const kindOf = kindsByName(kinds);
  return {
    start(owner, effect, answer) {
      const abort = new AbortController();
      const { kind, request, reply, perform } = kindOf(effect.kind);
      const once = (given: EffectAnswer) => {
        if (abort.signal.aborted) return;
        abort.abort();
        answer(given.error ? given : (misfit(reply, given.value ?? null, `${kind} answered`) ?? given));
      };
      const fail = (thrown: unknown) => {
        const { message, code } = RepriseError.from(thrown);
        once({ error: { name: 'Error', message, code } });
      };
      const refused = misfit(request, effect.payload, kind);
      if (refused) queueMicrotask(() => once(refused));
      else void (async () => perform(ports, { ...effect, owner }, once, abort.signal))().catch(fail);
      return { cancel: () => abort.abort() };
    },
  };
}

/** The error for a value that is not what its kind takes or gives; null when it is. */
function misfit(schema: Schema<Json> | undefined, value: Json, what: string): EffectAnswer | null {
  if (!schema) return null;
  try {
    parse(schema, value);
    return null;
  } catch (thrown) {
    const { message } = RepriseError.from(thrown);
    return { error: { name: 'TypeError', message: `${what}: ${message}`, code: 'BAD_REQUEST' } };
  }
}
