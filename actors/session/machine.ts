/**
 * The statechart of a session. It says what may happen when; it holds no data. The one interpreter
 * (`interpreter.ts`) hands itself in; it answers the guards, performs the actions and reports back with events.
 *
 *   restoring -> replaying -> ready | running | awaitingEffects | closed
 *   running -> committing -> checkpointing | ready | running | awaitingEffects | closed
 *   ready | awaitingEffects -> checkpointing -> back
 *   any -> fenced (someone else committed), failed (cannot be restored), retired (handed back on purpose)
 */
import { type Actor, createActor, setup } from 'xstate';

export type SessionMachineEvent =
  | { type: 'LOADED' }
  | { type: 'REPLAYED' }
  | { type: 'FAILED' }
  /** Something is in the mailbox: a command, an effect's answer, a request to give up the cell. */
  | { type: 'MAIL' }
  | { type: 'TURN' }
  | { type: 'COMMITTED' }
  | { type: 'CHECKPOINT' }
  | { type: 'CHECKPOINTED' }
  /** The kernel lost the session, or an append has an unknown outcome: read the log again. */
  | { type: 'LOST' }
  | { type: 'FENCED' }
  | { type: 'RETIRE' };

export type EndReason = 'fenced' | 'failed' | 'retired';
export type SessionAction = 'load' | 'replay' | 'step' | 'append' | 'settle' | 'checkpoint' | EndReason;

/** One session as the machine sees it: what it does, and what the guards ask. */
export interface SessionHost {
  perform(action: SessionAction): void;
  isClosed(): boolean;
  /** A checkpoint must not wait until nothing else does. */
  isSaveUrgent(): boolean;
  /** There is a step that may be taken now. */
  hasStep(): boolean;
  /** A cell waits for its effects. */
  isAwaiting(): boolean;
}

const base = setup({
  types: {
    context: {} as { host: SessionHost },
    input: {} as SessionHost,
    events: {} as SessionMachineEvent,
  },
  actions: {
    load: ({ context }) => context.host.perform('load'),
    replay: ({ context }) => context.host.perform('replay'),
    step: ({ context }) => context.host.perform('step'),
    append: ({ context }) => context.host.perform('append'),
    settle: ({ context }) => context.host.perform('settle'),
    checkpoint: ({ context }) => context.host.perform('checkpoint'),
    fenced: ({ context }) => context.host.perform('fenced'),
    failed: ({ context }) => context.host.perform('failed'),
    retired: ({ context }) => context.host.perform('retired'),
  },
  guards: {
    isClosed: ({ context }) => context.host.isClosed(),
    isSaveUrgent: ({ context }) => context.host.isSaveUrgent(),
    hasStep: ({ context }) => context.host.hasStep(),
    isAwaiting: ({ context }) => context.host.isAwaiting(),
  },
});

/** Where a session goes when nothing is under way. */
const onwards = [
  { guard: 'hasStep', target: 'running' },
  { guard: 'isClosed', target: 'closed' },
  { guard: 'isAwaiting', target: 'awaitingEffects' },
  { target: 'ready' },
] as const;
/** The statechart: one definition for all sessions, each hands itself in as input. */
export const sessionMachine = base.createMachine({
  context: ({ input }) => ({ host: input }),
  id: 'session',
  initial: 'restoring',
  on: {
    FENCED: '.fenced',
    LOST: { target: '.restoring', reenter: true },
    FAILED: '.failed',
    RETIRE: '.retired',
  },
  states: {
    restoring: { entry: 'load', on: { LOADED: 'replaying' } },
    replaying: { entry: 'replay', on: { REPLAYED: onwards } },
    ready: {
      entry: 'settle',
      on: { MAIL: { guard: 'hasStep', target: 'running' }, CHECKPOINT: 'checkpointing' },
    },
    running: { entry: 'step', on: { TURN: 'committing' } },
    committing: {
      entry: 'append',
      on: { COMMITTED: [{ guard: 'isSaveUrgent', target: 'checkpointing' }, ...onwards] },
    },
    awaitingEffects: {
      entry: 'settle',
      on: { MAIL: { guard: 'hasStep', target: 'running' }, CHECKPOINT: 'checkpointing' },
    },
    checkpointing: { entry: 'checkpoint', on: { CHECKPOINTED: onwards } },
    closed: {
      entry: 'settle',
      on: { MAIL: { guard: 'hasStep', target: 'running' }, CHECKPOINT: 'checkpointing' },
    },
    fenced: { entry: 'fenced', type: 'final' },
    failed: { entry: 'failed', type: 'final' },
    retired: { entry: 'retired', type: 'final' },
  },
});

export type SessionActor = Actor<typeof sessionMachine>;

/**
 * The statechart of one session; start it.
 * @param onError hears of an error in the chart itself: without an observer it would be an uncaught exception, and take
 * every session along
 */
export function makeSessionActor(host: SessionHost, onError: (error: unknown) => void): SessionActor {
  const actor = createActor(sessionMachine, { input: host });
  actor.subscribe({ error: onError });
  return actor;
}

/** Resolves once the session is in none of `states`; with true as long as it has not ended. */
export function untilLeft(actor: SessionActor, ...states: string[]): Promise<boolean> {
  const { value, status } = actor.getSnapshot();
  if (!states.includes(String(value))) return Promise.resolve(status === 'active');
  return new Promise((resolve) => {
    const subscription = actor.subscribe((snapshot) => {
      if (states.includes(String(snapshot.value))) return;
      subscription.unsubscribe();
      resolve(snapshot.status === 'active');
    });
  });
}
