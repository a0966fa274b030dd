/**
 * The life of a role process, the same for every role:
 *
 *   connecting <-> running -> draining -> stopped
 *
 * `connecting` is also where a lost connection leads back to. A failure that cannot be repaired ends in
 * `stopped` from anywhere.
 */
import { assign, createActor, setup } from 'xstate';

export type LifecycleState = 'connecting' | 'running' | 'draining' | 'stopped';

export type LifecycleEvent =
  /** The bus is there and everything the role needs answers. */
  | { type: 'CONNECTED' }
  | { type: 'DISCONNECTED' }
  /** Take nothing new, finish what is under way. */
  | { type: 'DRAIN' }
  | { type: 'STOPPED' }
  | { type: 'FAILED'; error: Error };

export interface LifecycleInput {
  role: string;
  /** Id of the process on the bus. */
  process: string;
}

/** The statechart; `makeLifecycle` runs it. */
export const lifecycleMachine = setup({
  types: {
    input: {} as LifecycleInput,
    context: {} as LifecycleInput & { error: Error | null },
    events: {} as LifecycleEvent,
  },
}).createMachine({
  id: 'lifecycle',
  context: ({ input }) => ({ ...input, error: null }),
  initial: 'connecting',
  on: {
    FAILED: { target: '.stopped', actions: assign({ error: ({ event }) => event.error }) },
    STOPPED: '.stopped',
  },
  states: {
    connecting: { on: { CONNECTED: 'running', DRAIN: 'draining' } },
    running: { on: { DISCONNECTED: 'connecting', DRAIN: 'draining' } },
    draining: {},
    stopped: { type: 'final' },
  },
});

export interface Lifecycle {
  readonly role: string;
  readonly process: string;
  readonly state: LifecycleState;
  /** Why it stopped, when it failed. */
  readonly error: Error | null;
  send(event: LifecycleEvent): void;
  /** Called at every change of state; returns a function that stops it. */
  onChange(listener: (state: LifecycleState) => void): () => void;
}

/** A running lifecycle, in state `connecting`. */
export function makeLifecycle(input: LifecycleInput): Lifecycle {
  const actor = createActor(lifecycleMachine, { input });
  const listeners = new Set<(state: LifecycleState) => void>();
  let state: LifecycleState = 'connecting';
  actor.subscribe({
    next(snapshot) {
      const now = snapshot.value as LifecycleState;
      if (now === state) return;
      state = now;
      for (const listener of [...listeners]) listener(now);
    },
    // An actor without an error observer throws what its observers throw as an uncaught exception.
    error() {},
  });
  actor.start();
  return {
    ...input,
    get state() {
      return state;
    },
    get error() {
      return actor.getSnapshot().context.error;
    },
    send: (event) => actor.send(event),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
