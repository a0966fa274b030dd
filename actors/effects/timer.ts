/** Timers: `setTimeout` and its kin. The payload says when it is due, so whoever takes over fires at the same time. */
import { plainKind } from './kind.ts';

/** setTimeout's longest delay; longer timers are set again. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const timer = plainKind('timer', {
  dueAt: (payload) => (payload as { dueMs?: number } | null)?.dueMs ?? 0,

  perform({ clock }, { payload }, answer, signal) {
    const dueMs = timer.dueAt!(payload);
    const arm = () => {
      const leftMs = dueMs - clock.now();
      const fire = leftMs > TIMER_MAX_MS ? arm : () => answer({ value: null });
      const armed = clock.setTimer(fire, Math.max(0, Math.min(leftMs, TIMER_MAX_MS)));
      signal.addEventListener('abort', () => armed.cancel(), { once: true });
    };
    arm();
  },
});
