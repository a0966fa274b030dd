/** The kinds of effects there are. A new one is a file and a row here. */
import { type AnswerEvent, type RequestEvent, receiptKeyIn, requestIn } from '../../bus/effect-events.ts';
import type { EffectCall } from '../kernel/port.ts';
import { type EffectKind, type OpenEffect, plainKind } from './kind.ts';
import { llm } from './llm.ts';
import { timer } from './timer.ts';

export const KINDS: readonly EffectKind[] = [timer, llm];

const byName = new Map(KINDS.map((kind) => [kind.kind, kind]));

/** A kind by its name. Of one that nobody knows (of a newer version, say) the log can still be read. */
export function kindOf(name: string): EffectKind {
  return byName.get(name) ?? unknownKind(name);
}

/** Kinds by name, for whoever performs them. */
export function kindsByName(kinds: readonly EffectKind[]): (name: string) => EffectKind {
  const known = new Map(kinds.map((kind) => [kind.kind, kind]));
  return (name) => known.get(name) ?? unknownKind(name);
}

/** What the kernel must offer cells, so that they can ask for effects of these kinds. */
export function callsOf(kinds: readonly EffectKind[]): EffectCall[] {
  return kinds.flatMap(({ kind, call }) => (call === undefined ? [] : [{ kind, name: call }]));
}

/** When an open effect ends by itself, ms since the epoch; undefined: when somebody has worked for it. */
export function dueOf({ kind, payload }: OpenEffect): number | undefined {
  return kindOf(kind).dueAt?.(payload);
}

/** The effect that is open after its request. */
export function openedBy(event: RequestEvent): OpenEffect {
  if (event.type === 'effect_req') {
    const { effect, kind, seq, payload } = event;
    return { effect, kind, seq, payload };
  }
  const { seq } = event;
  const receiptKey = receiptKeyIn(event);
  return { effect: event.effect ?? seq, kind: llm.kind, seq, payload: requestIn(event), receiptKey };
}

/** What an answer brings the guest. */
export function broughtBy(
  event: AnswerEvent,
): Pick<Parameters<EffectKind['answerEvent']>[1], 'value' | 'error'> {
  if (event.error) return { error: event.error };
  return { value: event.type === 'llm_resp' ? event.response : (event.value ?? null) };
}

function unknownKind(kind: string): EffectKind {
  const message = `this worker does not know effects of kind ${JSON.stringify(kind)}`;
  return plainKind(kind, {
    perform: (_ports, _effect, answer) =>
      queueMicrotask(() => answer({ error: { name: 'Error', message, code: 'BAD_REQUEST' } })),
  });
}
