/** Which events of a log ask the world for something, and which bring its answer. Pure. */
import type { EventOf, Json, SessionEvent } from './events.ts';

export type RequestEvent = EventOf<'llm_req' | 'effect_req'>;
export type AnswerEvent = EventOf<'llm_resp' | 'effect_resp'>;

export const isRequest = (event: SessionEvent): event is RequestEvent =>
  event.type === 'llm_req' || event.type === 'effect_req';

export const isAnswer = (event: SessionEvent): event is AnswerEvent =>
  event.type === 'llm_resp' || event.type === 'effect_resp';

/** Whether an event brings an answer that was kept, and perhaps paid for. */
export const isKeptAnswer = (event: SessionEvent): boolean =>
  isAnswer(event) && receiptKeyIn(event) !== undefined;

/** Under which key the answer is kept that the event asks for, or brings; undefined: its kind leaves no receipt. */
export const receiptKeyIn = (event: RequestEvent | AnswerEvent): string | undefined =>
  'receiptKey' in event ? event.receiptKey : undefined;

/** The request of an event, whole: what stands in `prompt` alone belongs to it. */
export function requestIn({ prompt, request }: EventOf<'llm_req'>): Json {
  if (request === undefined) return { prompt };
  if (request === null || typeof request !== 'object' || Array.isArray(request)) return request;
  return 'prompt' in request || 'messages' in request ? request : { ...request, prompt };
}
