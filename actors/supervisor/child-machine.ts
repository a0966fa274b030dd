/**
 * Life of a supervised process. The machine decides when to start, end and kill; `child.ts` does it.
 *
 *   starting -> running -> (exits) -> waiting -> starting …
 *            -> ending -> stopped | starting (a restart)
 *
 * The first restart comes at once, the next ones after 100 ms, 200 ms … up to 5 s, or what the process
 * has of its own. Ten seconds of health forget the failures.
 */
import { assign, setup } from 'xstate';

export const HEALTHY_AFTER_MS = 10_000;
export const BACKOFF_MAX_MS = 5_000;

/** Wait before the restart that follows the n-th failure in a row (n from 1), ms. */
export function backoffMs(failures: number, maxMs = BACKOFF_MAX_MS): number {
  return failures <= 1 ? 0 : Math.min(maxMs, 100 * 2 ** (failures - 2));
}

export type ChildEvent =
  | { type: 'READY' }
  | { type: 'EXITED' }
  | { type: 'RESTART' }
  | { type: 'STOP' }
  /** A process that runs already is taken over. */
  | { type: 'ADOPT'; ready: boolean };

export const childMachine = setup({
  types: {
    context: {} as { failures: number; graceMs: number; again: boolean },
    events: {} as ChildEvent,
    input: {} as { graceMs: number },
  },
  actions: {
    spawn: () => {},
    terminate: () => {},
    kill: () => {},
  },
  delays: {
    backoff: ({ context }) => backoffMs(context.failures),
    grace: ({ context }) => context.graceMs,
    healthy: HEALTHY_AFTER_MS,
  },
  guards: {
    again: ({ context }) => context.again,
    ready: ({ event }) => event.type === 'ADOPT' && event.ready,
  },
}).createMachine({
  id: 'child',
  context: ({ input }) => ({ failures: 0, graceMs: input.graceMs, again: false }),
  initial: 'idle',
  states: {
    idle: {
      on: {
        RESTART: 'starting',
        ADOPT: [{ guard: 'ready', target: 'running' }, { target: 'adopted' }],
        STOP: 'stopped',
      },
    },
    adopted: {
      on: { READY: 'running', EXITED: 'failed', STOP: 'ending', RESTART: 'restarting' },
    },
    starting: {
      entry: 'spawn',
      on: { READY: 'running', EXITED: 'failed', STOP: 'ending', RESTART: 'restarting' },
    },
    running: {
      after: { healthy: { actions: assign({ failures: 0 }) } },
      on: { EXITED: 'failed', STOP: 'ending', RESTART: 'restarting' },
    },
    failed: { entry: assign({ failures: ({ context }) => context.failures + 1 }), always: 'waiting' },
    waiting: {
      after: { backoff: 'starting' },
      on: { STOP: 'stopped', RESTART: 'starting' },
    },
    restarting: { entry: assign({ again: true }), always: 'ending' },
    ending: {
      entry: 'terminate',
      after: { grace: { actions: 'kill' } },
      on: {
        EXITED: [
          { guard: 'again', target: 'starting', actions: assign({ again: false }) },
          { target: 'stopped' },
        ],
        STOP: { actions: assign({ again: false }) },
      },
    },
    stopped: { type: 'final' },
  },
});
