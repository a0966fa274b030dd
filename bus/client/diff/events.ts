/** What two logs tell behind the event at which they part: outputs, and calls with their answers. Pure. */
import { diffArrays } from 'diff';
import { encodeCanonical, sha256 } from '../../codec.ts';
import { type AnswerEvent, isAnswer, isRequest, type RequestEvent, requestIn } from '../../effect-events.ts';
import type { Json, SessionEvent } from '../../types.ts';

/** A line of output. */
export interface OutputLine {
  seq: number;
  stream: 'stdout' | 'stderr' | 'result' | 'error';
  text: string;
}

/** How a call came out: seq of its request, and its answer when it has one. */
export interface CallEnd {
  seq: number;
  answer?: Json;
  error?: { name: string; message: string };
}

/** A call that only one has, or that was answered otherwise. */
export interface CallDifference {
  kind: string;
  request: Json;
  a?: CallEnd;
  b?: CallEnd;
}

interface Call {
  kind: string;
  request: Json;
  /** Calls with the same one ask for the same. */
  key: string;
  end: CallEnd;
}

/** What one side tells, an event after the other. */
export interface Told {
  outputs: OutputLine[];
  calls: Call[];
  /** Answers to what was asked before the parting, by number of the effect. */
  strays: Map<number | string, AnswerEvent>;
}

/** Edits beyond which two outputs are not compared line by line: what is between their common ends is all different. */
const EDITS_MAX = 3_000;

/** What events tell, in order. */
export class Telling implements Told {
  readonly outputs: OutputLine[] = [];
  readonly calls: Call[] = [];
  readonly strays = new Map<number | string, AnswerEvent>();
  readonly #open = new Map<number | string, Call>();

  /** Takes the next event. */
  take(event: SessionEvent): void {
    if (event.type === 'output') this.#print(event.seq, event.stream ?? 'result', event.value);
    else if (event.type === 'error') {
      const { seq, name = 'Error', message } = event;
      this.#print(seq, 'error', message === '' ? name : `${name}: ${message}`);
    } else if (isRequest(event)) this.ask(event);
    else if (isAnswer(event)) {
      const effect = effectOf(event);
      const call = this.#open.get(effect);
      this.#open.delete(effect);
      if (call) Object.assign(call.end, endOf(event));
      else this.strays.set(effect, event);
    }
  }

  /** Takes a request; one of before the parting when its answer has been taken. */
  ask(event: RequestEvent): void {
    const effect = effectOf(event);
    const call = callOf(event);
    const stray = this.strays.get(effect);
    this.strays.delete(effect);
    if (stray) Object.assign(call.end, endOf(stray));
    else this.#open.set(effect, call);
    this.calls.push(call);
  }

  #print(seq: number, stream: OutputLine['stream'], value: string): void {
    if (value === '') return;
    for (const text of value.split('\n')) this.outputs.push({ seq, stream, text });
  }
}

const effectOf = (event: RequestEvent | AnswerEvent): number | string =>
  event.effect ?? ('receiptKey' in event ? event.receiptKey : event.seq);

function callOf(event: RequestEvent): Call {
  const end = { seq: event.seq };
  if (event.type === 'llm_req') {
    const request = requestIn(event);
    return { kind: 'llm', request, key: keyOf('llm', request), end };
  }
  const { kind, payload: request } = event;
  return { kind, request, key: keyOf(kind, timeless(request)), end };
}

const keyOf = (kind: string, request: Json): string => sha256(encodeCanonical([kind, request]));

/** A request as it is whenever it is made: when it is due follows from that. */
function timeless(request: Json): Json {
  if (request === null || typeof request !== 'object' || Array.isArray(request)) return request;
  const { dueMs: _, ...rest } = request;
  return 'delayMs' in request ? (rest as Json) : request;
}

function endOf(event: AnswerEvent): Omit<CallEnd, 'seq'> {
  if (event.error) return { error: { name: event.error.name, message: event.error.message } };
  return { answer: event.type === 'llm_resp' ? event.response : (event.value ?? null) };
}

const answerKey = ({ seq: _, ...answer }: CallEnd): string => sha256(encodeCanonical(answer));

/** Calls that only one has, and those that ask for the same and are answered otherwise; in the order of the logs. */
export function diffCalls(a: readonly Call[], b: readonly Call[]): CallDifference[] {
  const waiting = new Map<string, Call[]>();
  for (const call of b) {
    const same = waiting.get(call.key);
    if (same) same.push(call);
    else waiting.set(call.key, [call]);
  }
  const differences: CallDifference[] = [];
  for (const { kind, request, key, end } of a) {
    const same = waiting.get(key)?.shift();
    if (!same) differences.push({ kind, request, a: end });
    else if (answerKey(end) !== answerKey(same.end)) differences.push({ kind, request, a: end, b: same.end });
  }
  for (const { kind, request, end } of [...waiting.values()].flat())
    differences.push({ kind, request, b: end });
  const place = ({ a: one, b: other }: CallDifference) => (one ?? other)!.seq;
  return differences.sort((x, y) => place(x) - place(y));
}

const isSameLine = (a: OutputLine, b: OutputLine) => a.stream === b.stream && a.text === b.text;

/** Lines of output that only one has. */
export function diffOutputs(
  a: readonly OutputLine[],
  b: readonly OutputLine[],
): { a: OutputLine[]; b: OutputLine[] } {
  let from = 0;
  while (from < a.length && from < b.length && isSameLine(a[from]!, b[from]!)) from += 1;
  let ends = 0;
  const most = Math.min(a.length, b.length) - from;
  while (ends < most && isSameLine(a.at(-1 - ends)!, b.at(-1 - ends)!)) ends += 1;
  const middle = { a: a.slice(from, a.length - ends), b: b.slice(from, b.length - ends) };
  const changes = diffArrays(middle.a, middle.b, { comparator: isSameLine, maxEditLength: EDITS_MAX });
  if (!changes) return middle;
  return {
    a: changes.flatMap(({ removed, value }) => (removed ? value : [])),
    b: changes.flatMap(({ added, value }) => (added ? value : [])),
  };
}
