/**
 * The statechart of a session. It says what may happen when; it holds no data. Guards and actions are handed
 * in by the one interpreter (`interpreter.ts`) that performs them and reports back with events.
 *
 *   restoring -> replaying -> ready | running | awaitingEffects | closed
 *   running -> committing -> ready | running | awaitingEffects | closed
 *   ready | awaitingEffects -> checkpointing -> back
 *   any -> fenced (someone else committed), failed (cannot be restored), retired (handed back on purpose)
 */
import { type Actor, setup } from 'xstate';

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

/** What the guards ask. */
export interface SessionQuestions {
  isClosed(): boolean;
  /** There is a step that may be taken now. */
  hasStep(): boolean;
  /** A cell waits for its effects. */
  isAwaiting(): boolean;
}

/** The machine with its actions and guards bound to one session. */
export function makeSessionMachine(perform: (action: SessionAction) => void, questions: SessionQuestions) {
  const machine = setup({
    types: { events: {} as SessionMachineEvent },
    actions: {
      load: () => perform('load'),
      replay: () => perform('replay'),
      step: () => perform('step'),
      append: () => perform('append'),
      settle: () => perform('settle'),
      checkpoint: () => perform('checkpoint'),
      fenced: () => perform('fenced'),
      failed: () => perform('failed'),
      retired: () => perform('retired'),
    },
    guards: {
      isClosed: () => questions.isClosed(),
      hasStep: () => questions.hasStep(),
      isAwaiting: () => questions.isAwaiting(),
    },
  });
  /** Where a session goes when nothing is under way. */
  const onwards = [
    { guard: 'hasStep', target: 'running' },
    { guard: 'isClosed', target: 'closed' },
    { guard: 'isAwaiting', target: 'awaitingEffects' },
    { target: 'ready' },
  ] as const;
  return machine.createMachine({
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
      committing: { entry: 'append', on: { COMMITTED: onwards } },
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
}

export type SessionActor = Actor<ReturnType<typeof makeSessionMachine>>;

/** Resolves once the session is restored (true), or cannot be (false). */
export function untilRestored(actor: SessionActor): Promise<boolean> {
  const restoring = (value: unknown) => value === 'restoring' || value === 'replaying';
  const { value, status } = actor.getSnapshot();
  if (!restoring(value)) return Promise.resolve(status === 'active');
  return new Promise((resolve) => {
    const subscription = actor.subscribe((snapshot) => {
      if (restoring(snapshot.value)) return;
      subscription.unsubscribe();
      resolve(snapshot.status === 'active');
    });
  });
}
