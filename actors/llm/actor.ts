/** The LLM role: an actor on the bus that answers model calls. */
import { encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { limitsOf } from '../../bus/limits.ts';
import { answerLong } from '../../bus/long-call.ts';
import type { LlmAnswer } from '../../bus/operations/models.ts';
import { MODEL } from '../../bus/operations/models.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import { readRequest } from '../../bus/operations/row.ts';
import type { Bus, BusMessage, Clock, Subscription } from '../../bus/port.ts';
import { announce } from '../../bus/presence.ts';
import { serve } from '../../bus/serving.ts';
import { QUEUES, type Subjects } from '../../bus/subjects.ts';
import type { Reply } from '../../bus/wire.ts';
import { makeLifecycle } from '../role/lifecycle.ts';
import { type CallEvent, makeCalls } from './calls.ts';
import { briefly, type LlmErrorCode } from './failure.ts';
import { makeReceipts } from './receipts.ts';
import type { RetryPolicy } from './retry.ts';
import type { Route } from './routing.ts';

/** The part of a pino logger that is used here. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface LlmActorOptions {
  /** Name of the process on the bus: one subject token. */
  process: string;
  pid: number;
  version: string;
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  /** Random number in [0, 1), for the jitter of retries. */
  random: () => number;
  route: (model?: string) => Route;
  retry: RetryPolicy;
  /** Provider attempts at once. */
  concurrency: number;
  log: Log;
  /** How long an absent storage is waited for, ms; default 15 s. */
  storagePatienceMs?: number;
}

/** One LLM process on the bus. */
export interface LlmActor {
  /** Subscribes; resolves once the server knows. */
  start(): Promise<void>;
  /**
   * Takes no further calls, lets those in flight end for `graceMs`, aborts the rest (their callers are told
   * DRAINING and ask another actor) and leaves the bus. The connection is the caller's.
   */
  stop(graceMs: number): Promise<void>;
  presence(): PresenceReply;
}

/** An LLM actor; it does nothing before `start`. */
export function makeLlmActor(options: LlmActorOptions): LlmActor {
  const { process, bus, subjects, clock, log } = options;
  const counters: Record<string, number> = {};
  const subscriptions: Subscription[] = [];
  const serving = new Set<Promise<void>>();
  const lifecycle = makeLifecycle({ role: 'llm', process });
  let stopListening = () => {};
  let stopping: Promise<void> | undefined;
  const count = (name: string) => {
    counters[name] = (counters[name] ?? 0) + 1;
  };
  const calls = makeCalls({
    receipts: makeReceipts(bus, subjects, clock, options.storagePatienceMs ?? 15_000),
    route: options.route,
    retry: options.retry,
    concurrency: options.concurrency,
    clock,
    random: options.random,
    inlineBytes: () => limitsOf(bus.maxPayload).inlineBytes,
    onEvent: (event) => note(event, count, log),
  });

  async function answer(message: BusMessage): Promise<Uint8Array> {
    try {
      count('requests');
      const call = readRequest(MODEL.call, message.data);
      const answer = await calls.answer(call);
      return encode({ ...answer, ok: true } satisfies Reply<LlmAnswer>);
    } catch (thrown) {
      const error = RepriseError.from(thrown);
      count(`error.${error.code}`);
      log.warn({ subject: message.subject, code: error.code, error: error.message }, 'call not answered');
      throw error;
    }
  }

  function presence(): PresenceReply {
    const { pid, version } = options;
    return {
      role: 'llm',
      process,
      pid,
      state: lifecycle.state,
      version,
      counters: { ...counters, inFlight: calls.inFlight, waiting: calls.waiting },
    };
  }

  async function leave(graceMs: number): Promise<void> {
    lifecycle.send({ type: 'DRAIN' });
    stopListening();
    // Pings are answered until the end: whoever waits for a call in flight must not take us for dead.
    subscriptions.shift()?.unsubscribe();
    const grace = clock.setTimer(() => calls.abort(), graceMs);
    while (serving.size > 0) await Promise.allSettled(serving);
    grace.cancel();
    if (bus.connected) await bus.flush().catch(() => {}); // a lost connection tells the callers itself
    for (const subscription of subscriptions.splice(0)) subscription.unsubscribe();
    lifecycle.send({ type: 'STOPPED' });
  }

  function take(message: BusMessage): Promise<void> {
    const served = answerLong(message, process, () => answer(message), { clock });
    const done = () => serving.delete(served);
    serving.add(served);
    served.then(done, done);
    return served;
  }

  return {
    async start() {
      subscriptions.push(
        serve(bus, subjects.llm, take, { queue: QUEUES.llm }),
        ...announce(bus, subjects, presence),
      );
      stopListening = bus.onConnection((connected) => {
        lifecycle.send({ type: connected ? 'CONNECTED' : 'DISCONNECTED' });
      });
      await bus.flush();
      lifecycle.send({ type: 'CONNECTED' });
    },
    stop(graceMs) {
      stopping ??= leave(graceMs);
      return stopping;
    },
    presence,
  };
}

/** Failures whose message may quote the request or the answer. */
const QUOTING = new Set<LlmErrorCode>(['BAD_REQUEST', 'TOO_LARGE', 'PROVIDER']);

/** Counts what happens to calls and logs it; never prompts or answers, which belong to the session. */
function note(event: CallEvent, count: (name: string) => void, log: Log): void {
  const { type, receiptKey } = event;
  count(type);
  if (type === 'retry') {
    const { reason, message } = event.error;
    const error = QUOTING.has(reason) ? undefined : briefly(message);
    log.info({ receiptKey, reason, error, failed: event.failed, delayMs: event.delayMs }, 'trying again');
  } else if (type === 'failed') {
    const { reason, message } = event.error;
    log.warn(
      { receiptKey, reason, error: QUOTING.has(reason) ? undefined : briefly(message) },
      'model call failed',
    );
  } else if (type === 'unstored') {
    log.warn({ receiptKey }, 'answer not stored: kept until storage is back');
  } else {
    log.debug({ receiptKey }, type);
  }
}
