/** Takes a session's checkpoints: when replay has become dear, and when somebody asks. */
import { hasCode } from '../../bus/errors.ts';
import type { CheckpointReply } from '../../bus/operations/sessions.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { checkpointDue, isSaved, takeCheckpoint } from './checkpoints.ts';
import { rejectAll } from './live-command.ts';
import type { LogWriter } from './log-writer.ts';
import type { Waiter } from './mailbox.ts';
import type { SessionPorts } from './ports.ts';
import type { Stepper } from './stepper.ts';

export class CheckpointKeeper {
  readonly #ports: SessionPorts;
  readonly #stepper: Stepper;
  readonly #want: () => void;
  #reason = 'budget';
  #waiters: Waiter<CheckpointReply>[] = [];
  #costMs = 0;
  #idleTimer: { cancel(): void } | null = null;

  /** @param want asks for `take` to be called at the next quiet moment */
  constructor(ports: SessionPorts, stepper: Stepper, want: () => void) {
    this.#ports = ports;
    this.#stepper = stepper;
    this.#want = want;
  }

  /** Somebody wants a checkpoint. Resolves once the newest one says all there is to say. */
  ask(reason: string): Promise<CheckpointReply> {
    return new Promise((resolve, reject) => {
      this.#reason = reason;
      this.#waiters.push({ resolve, reject });
      this.#want();
    });
  }

  /** True when a checkpoint comes before anything else that waits: a queue that never empties must not starve it. */
  isUrgent(fold: SessionFold): boolean {
    return this.#waiters.length > 0 || this.#due(fold) === 'now';
  }

  /** A quiet moment: now if it is urgent, else as soon as it has stayed quiet. */
  settle(fold: SessionFold): void {
    const due = this.#due(fold);
    if (this.#waiters.length > 0 || due === 'now') this.#want();
    else if (due === 'when idle') {
      const { clock, settings } = this.#ports;
      this.#idleTimer = clock.setTimer(this.#want, settings.idleMs);
    }
  }

  /** It is quiet no longer. */
  stir(): void {
    this.#idleTimer?.cancel();
  }

  /** @throws RepriseError FENCED, UNAVAILABLE. A refusal is no failure: the log has everything. */
  async take(writer: LogWriter): Promise<void> {
    this.stir();
    const waiters = this.#waiters;
    const reason = waiters.length > 0 ? this.#reason : 'budget';
    this.#waiters = [];
    try {
      if (!isSaved(writer.fold)) {
        this.#costMs = await takeCheckpoint(reason, writer, this.#stepper, this.#ports);
      }
      const { seq, checkpoint } = writer.fold;
      const stateId = checkpoint?.seq === seq ? checkpoint.stateId : undefined;
      for (const waiter of waiters) waiter.resolve({ seq, stateId });
    } catch (error) {
      rejectAll(waiters, error);
      if (!hasCode(error, 'TOO_LARGE', 'BAD_FORMAT', 'STORAGE_FULL')) throw error;
      // Too dear from now on: only somebody who asks makes it try again.
      this.#costMs = Number.POSITIVE_INFINITY;
      this.#ports.log.warn({ session: writer.fold.name, error: error.message }, 'checkpoint refused');
    }
  }

  /** The session ends: nobody gets one any more. */
  end(error: unknown): void {
    this.stir();
    rejectAll(this.#waiters, error);
  }

  #due(fold: SessionFold) {
    return checkpointDue(fold, this.#costMs, this.#ports.settings);
  }
}
