/**
 * Entry of a kernel thread. Serves requests one after the other. While a turn takes long, requests for other
 * sessions are not left waiting behind it: inside the interrupt callback the thread takes them from its port and
 * sends them back together with their sessions, and the host has another thread serve them. A turn inside one
 * endless built-in function never reaches that callback: then only the host's watchdog helps.
 */

import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { RepriseError } from '../../bus/errors.ts';
import type { Evaluated } from '../../bus/operations/looks.ts';
import { bootPristine } from './boot.ts';
import { evaluateIn } from './evaluation.ts';
import { completeIn, inspectSession } from './looking.ts';
import type { EvaluationStep, KernelOutput, KernelStep, Turn } from './port.ts';
import { PREVIEW_AFTER_MS, PREVIEW_EVERY_MS, Preview } from './preview.ts';
import { makeReclaim } from './reclaim.ts';
import { Residency } from './residency.ts';
import {
  FLAG,
  type SharedPristine,
  STRIKE_SLOTS,
  type ThreadMessage,
  type ThreadRequest,
  type ThreadSetup,
} from './thread-port.ts';
import type { TurnControl } from './turn.ts';
import { warmUp } from './warm-up.ts';

/**
 * A turn is slow, and others do not wait for it, by what it has executed (interrupt callbacks; 60 are 5 to 10 ms): by
 * the clock a thread that was not given the processor would be slow, too. Built-ins burn hardly any: the clock has the
 * last word, ms.
 */
const SLOW_CALLBACKS = 60;
const SLOW_MS = 100;
const WARM_DELAY_MS = 5;
/** Instances let go whose memory is worth a collection. */
const RECLAIM_INSTANCES = 4;

const { setup, port } = workerData as { setup: ThreadSetup; port: MessagePort };
const flags = new Int32Array(setup.flags);
const pristine = await providePristine();
const residency = new Residency({
  wasm: setup.wasm,
  limits: setup.limits,
  pristine,
  kernel: setup.kernel,
  capacity: setup.capacity,
});
let served = 0;
const reclaim = makeReclaim({ served: () => served, worth: RECLAIM_INSTANCES });
/** Requests for the running session that came while its turn was slow. */
let deferred: ThreadRequest[] = [];

const now = (): number => performance.now();
const tick = (): void => {
  Atomics.add(flags, FLAG.progress, 1);
};

async function providePristine(): Promise<{ layout: SharedPristine['layout']; bytes: Buffer }> {
  if (setup.pristine === undefined) return bootPristine(setup.wasm, setup.prelude, setup.limits, setup.calls);
  return { layout: setup.pristine.layout, bytes: Buffer.from(setup.pristine.bytes) };
}

function post(message: ThreadMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function serve(request: ThreadRequest): void {
  tick();
  served++;
  const outer = Atomics.exchange(flags, FLAG.current, request.id);
  const { id, session } = request;
  try {
    if (request.luggage !== undefined) residency.open(session, { luggage: revived(request.luggage) });
    const value = perform(request);
    post({ type: 'done', id, value, gone: !residency.has(session) });
  } catch (thrown) {
    // What no code says is the thread's own failure (its stack, its memory), not the session's.
    const error = thrown instanceof RepriseError ? thrown : unexpected(thrown);
    post({ type: 'done', id, error: error.toWire(), gone: !residency.has(session) });
  }
  Atomics.store(flags, FLAG.current, outer);
  tick();
}

function unexpected(thrown: unknown): RepriseError {
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return new RepriseError('UNAVAILABLE', `the kernel thread failed: ${message}`, {
    cause: thrown,
    hint: 'open the session again from its log',
  });
}

function perform(request: ThreadRequest): unknown {
  const { session } = request;
  const looking = { residency, session, now, tick };
  switch (request.op) {
    case 'open':
      residency.open(session, request.from);
      return warmSoon();
    case 'apply':
      return apply(request.id, session, request.step, request.heard);
    case 'applyAll':
      return applyAll(request.id, session, request.steps);
    case 'capture':
      return residency.capture(session);
    case 'inspect':
      return inspectSession(looking);
    case 'evaluate':
      return evaluate(request.id, session, request.step);
    case 'complete':
      return completeIn(looking, request.code, request.cursor);
    case 'park':
      residency.park(session);
      return report();
    case 'drop':
      residency.drop(session);
      return report();
  }
}

function apply(id: number, session: string, step: KernelStep, heard = false): Turn {
  const teller = heard ? makeTeller(id, now()) : undefined;
  return controlled(id, session, teller, (control) => residency.apply(session, step, control));
}

function evaluate(id: number, session: string, step: EvaluationStep): Evaluated {
  const { limits } = setup;
  return controlled(id, session, undefined, (control) =>
    evaluateIn({ residency, session, limits, control }, step),
  );
}

/** Runs guest code: strikes reach it, and while it takes long other sessions are given away. */
function controlled<T>(
  id: number,
  session: string,
  teller: ReturnType<typeof makeTeller> | undefined,
  run: (control: TurnControl) => T,
): T {
  const started = now();
  let slow = false;
  let callbacks = 0;
  const strikeWord = FLAG.strikes + (id % STRIKE_SLOTS);
  const breathe = (): void => {
    tick();
    if (!slow && callbacks < SLOW_CALLBACKS && now() - started < SLOW_MS) return;
    if (!slow) post({ type: 'slow', slow: true });
    slow = true;
    teller?.tell();
    giveAway(session);
  };
  const poll = (): boolean => {
    callbacks++;
    breathe();
    return Atomics.load(flags, strikeWord) === id;
  };
  try {
    return run({ now, poll, breathe, printed: teller?.printed });
  } finally {
    if (slow) post({ type: 'slow', slow: false });
  }
}

/** Sends what a turn prints on, once it has run for a while, and no faster than somebody can read. */
function makeTeller(id: number, started: number) {
  const preview = new Preview();
  let outputs: readonly KernelOutput[] = [];
  let grown = false;
  let due = started + PREVIEW_AFTER_MS;
  const tell = (): void => {
    if (!grown || now() < due) return;
    const printed = preview.take(outputs);
    grown = printed !== null;
    if (printed === null) return;
    due = now() + PREVIEW_EVERY_MS;
    post({ type: 'printed', id, printed });
  };
  const printed = (all: readonly KernelOutput[]): void => {
    outputs = all;
    grown = true;
    tell();
  };
  return { tell, printed };
}

function applyAll(id: number, session: string, steps: readonly KernelStep[]): Turn[] {
  const turns: Turn[] = [];
  for (const step of steps) {
    const turn = apply(id, session, step);
    turns.push(turn);
    if (turn.poisoned) break;
    tick();
  }
  return turns;
}

/** Sends waiting requests for other sessions back, each with its session. */
function giveAway(running: string): void {
  for (;;) {
    const received = receiveMessageOnPort(port) as { message: ThreadRequest } | undefined;
    if (received === undefined) return;
    const request = received.message;
    if (request.session === running) {
      deferred.push(request);
    } else if (request.op === 'drop' || request.op === 'park') {
      // These run no guest code: they can be done in the middle of a turn.
      serve(request);
    } else {
      const luggage = residency.has(request.session) ? residency.release(request.session) : request.luggage;
      const message: ThreadMessage = {
        type: 'bounced',
        request: luggage ? { ...request, luggage } : request,
      };
      post(message, luggage ? [luggage.pages.bytes.buffer as ArrayBuffer] : []);
    }
  }
}

/** Structured clone turns Buffers into Uint8Arrays. */
function revived(luggage: NonNullable<ThreadRequest['luggage']>): NonNullable<ThreadRequest['luggage']> {
  const { indices, bytes } = luggage.pages;
  return {
    pages: { indices, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) },
    state: luggage.state,
  };
}

/** The next new session shall find an instance ready. */
function warmSoon(): void {
  setTimeout(() => {
    if (residency.warm()) report();
  }, WARM_DELAY_MS);
}

function report(): void {
  const { parked, parkedBytes, instances } = residency.counts;
  Atomics.store(flags, FLAG.parked, parked);
  Atomics.store(flags, FLAG.parkedKilobytes, Math.ceil(parkedBytes / 1024));
  Atomics.store(flags, FLAG.instances, instances);
  reclaim(residency.takeUnused());
}

port.on('message', (request: ThreadRequest) => {
  serve(request);
  while (deferred.length > 0) {
    const waiting = deferred;
    deferred = [];
    for (const one of waiting) serve(one);
  }
});
residency.warm();
report();
post({
  type: 'ready',
  pristine: { layout: pristine.layout, bytes: pristine.bytes.buffer as unknown as SharedArrayBuffer },
});
if (setup.warmUp) warmUp(residency, () => served);
