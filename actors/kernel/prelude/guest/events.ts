/** Event, CustomEvent, EventTarget, AbortController and AbortSignal: the DOM standard without a tree. */
import { reportUncaught } from './console.ts';
import { apply, expose, IntrinsicDOMException, IntrinsicTypeError, now, push, tag } from './intrinsics.ts';
import { showAs } from './shown.ts';
import { startTimer, watch } from './timers.ts';

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };
interface Registered {
  type: string;
  listener: Listener;
  capture: boolean;
  once: boolean;
  passive: boolean;
  removed: boolean;
}

interface EventInit {
  bubbles?: unknown;
  cancelable?: unknown;
  composed?: unknown;
}

class Event {
  readonly type: string;
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly composed: boolean;
  readonly timeStamp: number;
  target: EventTarget | null = null;
  currentTarget: EventTarget | null = null;
  defaultPrevented = false;
  eventPhase = 0;
  #stopped = false;
  #dispatching = false;

  constructor(...given: [type?: unknown, init?: EventInit]) {
    if (given.length === 0) throw new IntrinsicTypeError('Event: a type is required');
    const init = given[1];
    this.type = `${given[0]}`;
    this.bubbles = !!init?.bubbles;
    this.cancelable = !!init?.cancelable;
    this.composed = !!init?.composed;
    this.timeStamp = now();
  }
  get isTrusted(): boolean {
    return false;
  }
  get returnValue(): boolean {
    return !this.defaultPrevented;
  }
  composedPath(): EventTarget[] {
    return this.currentTarget === null ? [] : [this.currentTarget];
  }
  preventDefault(): void {
    if (this.cancelable && !isPassive) this.defaultPrevented = true;
  }
  stopPropagation(): void {}
  stopImmediatePropagation(): void {
    this.#stopped = true;
  }
  /** Runs the listeners of `target`; only EventTarget calls it. */
  static send(event: Event, target: EventTarget, listeners: Registered[]): boolean {
    if (!(#stopped in event)) throw new IntrinsicTypeError('dispatchEvent: the argument must be an Event');
    if (event.#dispatching) {
      throw new IntrinsicDOMException('The event is already being dispatched', 'InvalidStateError');
    }
    event.#dispatching = true;
    event.target = target;
    event.currentTarget = target;
    event.eventPhase = 2;
    const count = listeners.length;
    const due: Registered[] = [];
    for (let at = 0; at < count; at++) if (listeners[at]!.type === event.type) push(due, listeners[at]!);
    for (let at = 0; at < due.length && !event.#stopped; at++) {
      const one = due[at]!;
      if (!one.removed) callListener(one, event, target, listeners);
    }
    event.#dispatching = false;
    event.#stopped = false;
    event.currentTarget = null;
    event.eventPhase = 0;
    return !event.defaultPrevented;
  }
}
const { send } = Event;
delete (Event as { send?: unknown }).send;

let isPassive = false;

function callListener(one: Registered, event: Event, target: EventTarget, listeners: Registered[]): void {
  if (one.once) drop(listeners, one);
  isPassive = one.passive;
  try {
    const { listener } = one;
    if (typeof listener === 'function') watch(apply(listener, target, [event]));
    else watch(listener.handleEvent(event));
  } catch (thrown) {
    reportUncaught(thrown);
  }
  isPassive = false;
}

function drop(listeners: Registered[], one: Registered): void {
  one.removed = true;
  let to = 0;
  for (let at = 0; at < listeners.length; at++) {
    if (listeners[at] !== one) listeners[to++] = listeners[at]!;
  }
  listeners.length = to;
}

class CustomEvent extends Event {
  readonly detail: unknown;
  constructor(type: unknown, init: { detail?: unknown } = {}) {
    super(type, init as EventInit);
    this.detail = init?.detail ?? null;
  }
}

interface ListenerOptions {
  capture?: unknown;
  once?: unknown;
  passive?: unknown;
  signal?: AbortSignal;
}

class EventTarget {
  readonly #listeners: Registered[] = [];

  addEventListener(type: unknown, listener: Listener | null, options?: boolean | ListenerOptions): void {
    if (listener === null || listener === undefined) return;
    if (typeof listener !== 'function' && typeof listener !== 'object') {
      throw new IntrinsicTypeError('addEventListener: the listener must be a function or an object');
    }
    const given: ListenerOptions =
      typeof options === 'object' && options !== null ? options : { capture: options };
    if (given.signal?.aborted) return;
    const one: Registered = {
      type: `${type}`,
      listener,
      capture: !!given.capture,
      once: !!given.once,
      passive: !!given.passive,
      removed: false,
    };
    if (this.#find(one.type, listener, one.capture) !== undefined) return;
    push(this.#listeners, one);
    given.signal?.addEventListener('abort', () => drop(this.#listeners, one), { once: true });
  }
  removeEventListener(type: unknown, listener: Listener, options?: boolean | { capture?: unknown }): void {
    const capture = typeof options === 'object' && options !== null ? !!options.capture : !!options;
    const one = this.#find(`${type}`, listener, capture);
    if (one !== undefined) drop(this.#listeners, one);
  }
  dispatchEvent(event: Event): boolean {
    return send(event, this, this.#listeners);
  }
  #find(type: string, listener: Listener, capture: boolean): Registered | undefined {
    for (let at = 0; at < this.#listeners.length; at++) {
      const one = this.#listeners[at]!;
      if (one.type === type && one.listener === listener && one.capture === capture) return one;
    }
    return undefined;
  }
}

/** Only code in this file may make signals. */
const KEY = {};

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason: unknown;
  readonly #after: ((reason: unknown) => void)[] = [];
  onabort: ((event: Event) => unknown) | null = null;

  constructor(key?: unknown) {
    if (key !== KEY) throw new IntrinsicTypeError('Illegal constructor');
    super();
  }
  get aborted(): boolean {
    return this.#aborted;
  }
  get reason(): unknown {
    return this.#reason;
  }
  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }
  static abort(reason: unknown = abortError()): AbortSignal {
    const signal = new AbortSignal(KEY);
    strike(signal, reason);
    return signal;
  }
  static timeout(delayMs: unknown): AbortSignal {
    const signal = new AbortSignal(KEY);
    startTimer(
      () =>
        strike(signal, new IntrinsicDOMException('The operation was aborted due to timeout', 'TimeoutError')),
      delayMs,
    );
    return signal;
  }
  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const made = new AbortSignal(KEY);
    for (const signal of signals) {
      if (signal.#aborted) {
        strike(made, signal.#reason);
        return made;
      }
    }
    for (const signal of signals) push(signal.#after, (reason) => strike(made, reason));
    return made;
  }
  /** Aborts a signal once; only this file calls it. */
  static strike(signal: AbortSignal, reason: unknown): void {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason;
    const event = new Event('abort');
    if (typeof signal.onabort === 'function') {
      try {
        watch(apply(signal.onabort, signal, [event]));
      } catch (thrown) {
        reportUncaught(thrown);
      }
    }
    signal.dispatchEvent(event);
    for (let at = 0; at < signal.#after.length; at++) signal.#after[at]!(reason);
  }
}
const { strike } = AbortSignal;
delete (AbortSignal as { strike?: unknown }).strike;

const abortError = () => new IntrinsicDOMException('This operation was aborted', 'AbortError');

class AbortController {
  readonly #signal = new AbortSignal(KEY);
  get signal(): AbortSignal {
    return this.#signal;
  }
  abort(reason: unknown = abortError()): void {
    strike(this.#signal, reason);
  }
}

export function installEvents(): void {
  showAs(Event.prototype, ['type', 'defaultPrevented', 'cancelable', 'timeStamp']);
  showAs(EventTarget.prototype, []);
  showAs(AbortSignal.prototype, ['aborted']);
  showAs(AbortController.prototype, ['signal']);
  const classes = { Event, CustomEvent, EventTarget, AbortSignal, AbortController };
  for (const name in classes) {
    const one = classes[name as keyof typeof classes];
    tag(one.prototype, name);
    expose(globalThis, name, one);
  }
}
