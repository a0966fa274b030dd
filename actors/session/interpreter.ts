/**
 * The one place where a session's decisions become deeds. The statechart (`machine.ts`) says when, the fold
 * and the turn (`fold.ts`, `turn.ts`) say what; this class loads, runs, appends and answers.
 *
 * Invariants:
 * 1. Append before telling: waiters and effects hear of a commit only after `store.append` came back.
 * 2. The kernel never holds more than the log plus the one batch that is being committed; whenever that
 *    cannot be said, the kernel's session is dropped and rebuilt from the log (LOST).
 * 3. A fenced session answers nobody: its waiters are rejected with FENCED and asked elsewhere.
 */
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { AnnotateReply, AnnotateRequest } from '../../bus/operations/annotations.ts';
import type {
  CheckpointReply,
  ExecuteReply,
  ExecuteRequest,
  InterruptReply,
} from '../../bus/operations/sessions.ts';
import type { SessionEvent } from '../../bus/types.ts';
import type { KernelHandle } from '../kernel/handle.ts';
import type { Turn } from '../kernel/port.ts';
import { emptyFold } from '../timeline/fold.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { KernelSeat } from '../timeline/seat.ts';
import { Asides } from './asides.ts';
import { Batch, undone } from './batch.ts';
import { CheckpointKeeper } from './checkpoint-keeper.ts';
import { entryEvent, goesOn } from './entry.ts';
import { fencedError, LiveCommand } from './live-command.ts';
import { LogWriter } from './log-writer.ts';
import {
  type EndReason,
  makeSessionActor,
  type SessionAction,
  type SessionActor,
  type SessionMachineEvent,
  untilLeft,
} from './machine.ts';
import { type Mail, Mailbox, type TurnMail, type Waiter } from './mailbox.ts';
import { OpenEffects } from './open-effects.ts';
import type { SessionListener, SessionPorts } from './ports.ts';
import { RecordedReplies } from './recorded-replies.ts';
import { withdrawnReply } from './reply.ts';
import { Restorer } from './restorer.ts';
import { Stepper } from './stepper.ts';
import { verdictOn } from './verdict.ts';

/** States in which the kernel and the log say the same. */
const QUIET = ['ready', 'closed', 'awaitingEffects', 'checkpointing'];

export class SessionInterpreter {
  readonly name: string;
  readonly #ports: SessionPorts;
  readonly #seat: KernelSeat;
  readonly #machine: SessionActor;
  readonly #mailbox: Mailbox;
  readonly #effects: OpenEffects;
  readonly #replies: RecordedReplies;
  readonly #stepper: Stepper;
  readonly #restorer: Restorer;
  readonly #checkpoints: CheckpointKeeper;
  readonly #listener: SessionListener;
  #writer: LogWriter;
  #batch: Batch | null = null;
  #turn: Turn | null = null;
  #command: LiveCommand | null = null;
  /** Work that a replay found unfinished: done before anything else happens. A turn to run, or one to commit. */
  #unfinished: SessionEvent | 'turn' | null = null;
  #ended = false;
  #failures = 0;
  #error: unknown = null;
  readonly #asides = new Asides();
  /** Whether what was taken last adds nothing to the log: being found out, or known. */
  #answering: Promise<boolean> | null = null;
  #retryTimer: { cancel(): void } | null = null;
  lastAccessMs: number;

  readonly #deeds: Record<SessionAction, () => void | Promise<void>> = {
    load: () => this.#load(),
    replay: () => this.#replay(),
    step: () => this.#step(),
    append: () => this.#append(),
    settle: () => this.#settle(),
    checkpoint: () => this.#checkpoint(),
    fenced: () => this.#end('fenced', this.#error),
    failed: () => this.#end('failed', this.#error),
    retired: () => this.#end('retired', this.#error),
  };

  constructor(name: string, ports: SessionPorts, listener: SessionListener) {
    this.name = name;
    this.#ports = ports;
    this.#listener = listener;
    this.#mailbox = new Mailbox(() => ports.clock.now());
    this.#replies = new RecordedReplies(ports.store, ports.worker);
    this.#seat = new KernelSeat(ports.kernel, name);
    this.#stepper = new Stepper(ports, this.#seat);
    this.#restorer = new Restorer(name, ports, this.#seat, this.#stepper);
    this.#checkpoints = new CheckpointKeeper(ports, this.#stepper, () => this.#send({ type: 'CHECKPOINT' }));
    this.#writer = this.#writerOn(emptyFold(name));
    this.lastAccessMs = ports.clock.now();
    this.#effects = new OpenEffects(ports.effects, (effect, answer, dueMs) => {
      this.#mailbox.put({ kind: 'answer', atMs: dueMs ?? ports.clock.now(), effect, answer });
      this.#send({ type: 'MAIL' });
    });
    const host = {
      perform: (action: SessionAction) => this.#perform(action),
      isClosed: () => this.fold.closed,
      isAwaiting: () => this.fold.running !== null,
      isSaveUrgent: () => this.#checkpoints.isUrgent(this.fold),
      hasStep: () => this.#unfinished !== null || this.#mailbox.peek(this.fold) !== null,
    };
    this.#machine = makeSessionActor(host, (error) => this.#end('failed', error));
  }

  start(): void {
    this.#machine.start();
  }

  get fold(): SessionFold {
    return this.#writer.fold;
  }
  get state(): string {
    return String(this.#machine.getSnapshot().value);
  }

  /** True while something waits to run or runs. */
  get busy(): boolean {
    return !['ready', 'closed', 'awaitingEffects'].includes(this.state) || this.#mailbox.waiting > 0;
  }

  /**
   * Runs a command once; a repeated `commandId` gets the first result.
   * @throws RepriseError FENCED (ask the new owner), CLOSED, DIVERGED, and refusals of storage.
   */
  submit(request: ExecuteRequest): Promise<ExecuteReply> {
    return this.#post((waiter, atMs) => ({ kind: 'command', atMs, request, waiter }));
  }

  /** Ends the session after what was sent before: cells that wait are given up at once, those that compute soon. */
  closeSession(reason: string): Promise<{ seq: number }> {
    const closed = this.#post<{ seq: number }>((waiter, atMs) => ({ kind: 'close', atMs, reason, waiter }));
    this.#stepper.strikeUntil(closed, () => this.state === 'running');
    return closed;
  }

  /**
   * Strikes the running cell (or the one with `commandId`), whatever it is at: it may not have begun, or its turn
   * may just have ended. Without a cell it is the callback that computes. Resolves once what became of it is durable;
   * at once when nothing of that runs.
   */
  async interrupt(commandId?: string): Promise<InterruptReply> {
    const running = this.#command?.commandId ?? this.fold.running?.commandId;
    const { seq: at } = this.fold;
    const computes = this.state === 'running';
    const what = running !== undefined ? 'cell' : computes ? 'callback' : 'nothing';
    const isMeant = commandId === undefined || commandId === running;
    if (!isMeant) {
      const facts = { session: this.name, commandId, worker: this.#ports.worker };
      const withdrawn = () => withdrawnReply(facts, Math.max(0, at), what);
      if (this.#mailbox.withdraw(commandId, withdrawn)) return { seq: at, interrupted: 'queued' };
    }
    if (!isMeant || what === 'nothing') return { seq: at, interrupted: 'nothing' };
    if (computes) this.#stepper.strike();
    const abandon = { kind: 'abandon', reason: 'user', commandId: running } as const;
    const { seq } = await this.#post<{ seq: number }>((waiter) => ({ ...abandon, waiter }));
    return { seq, interrupted: what };
  }

  /**
   * Says something of a moment: at once, or as soon as what computes is durable. A cell that awaits goes on.
   * @throws RepriseError FENCED, and as `noteEvent`
   */
  annotate(request: AnnotateRequest): Promise<AnnotateReply> {
    return this.#post((waiter, atMs) => ({ kind: 'note', atMs, request, waiter }));
  }

  /** Takes a checkpoint at the next quiet moment, unless the newest one is still true. */
  checkpoint(reason: string): Promise<CheckpointReply> {
    if (this.#isOver()) return Promise.reject(this.#error ?? fencedError(this.name));
    return this.#checkpoints.ask(reason);
  }

  /** Hands the session back; the caller has made sure that nothing runs. */
  retire(): void {
    this.#send({ type: 'RETIRE' });
  }

  /**
   * Runs `look` while the kernel holds what is durable, no less and no more. Resolves null when the session is
   * busy: looking waits for a commit and for an answer from the log, never for a cell.
   */
  async quietly<T>(look: (kernel: KernelHandle) => Promise<T>): Promise<T | null> {
    await this.#answering?.catch(() => {});
    await untilLeft(this.#machine, 'committing');
    if (!QUIET.includes(this.state) || this.fold.seq < 0) return null;
    try {
      return await this.#stepper.exclusive(() => look(this.#seat.kernel));
    } catch (error) {
      // The kernel has let the session go: it is rebuilt now if anything waits in it, else by its next need.
      const isIdle = !this.busy && this.fold.running === null && this.fold.effects.size === 0;
      if (hasCode(error, 'UNAVAILABLE') && error.retryable) this.#send({ type: isIdle ? 'RETIRE' : 'LOST' });
      throw error;
    }
  }

  /** Resolves when the session has been restored, rejects when it cannot be. */
  async restored(): Promise<void> {
    if (!(await untilLeft(this.#machine, 'restoring', 'replaying')))
      throw this.#error ?? fencedError(this.name);
  }

  #perform(action: SessionAction): void {
    const done = this.#deeds[action]();
    if (done instanceof Promise) done.catch((error) => this.#fail(error));
  }

  async #load(): Promise<void> {
    this.#checkpoints.stir();
    this.#seat.leave();
    this.#effects.clear();
    this.#batch = null;
    this.#turn = null;
    this.#unfinished = null;
    if (this.#command) this.#mailbox.putBack(this.#command.mail);
    this.#command = null;
    this.#asides.putBack(this.#mailbox);
    await this.#restorer.load();
    this.#send({ type: 'LOADED' });
  }

  async #replay(): Promise<void> {
    const { fold, open, leftover } = await this.#restorer.replay();
    this.#writer = this.#writerOn(fold);
    this.#unfinished = leftover ? 'turn' : open;
    this.#batch = leftover?.batch ?? null;
    this.#turn = leftover?.turn ?? null;
    this.#effects.answerOverdue(this.fold, this.#ports.clock.now());
    this.#startEffects();
    this.#send({ type: 'REPLAYED' });
  }

  async #step(): Promise<void> {
    const unfinished = this.#unfinished;
    this.#unfinished = null;
    if (unfinished === 'turn') return this.#send({ type: 'TURN' });
    this.#checkpoints.stir();
    this.#stepper.calm();
    if (unfinished) {
      this.#batch = new Batch(this.fold);
      this.#turn = await this.#stepper.resume(unfinished, this.#batch, this.#writer);
      return this.#send({ type: 'TURN' });
    }
    const mail = this.#mailbox.take(this.fold)!;
    this.lastAccessMs = this.#ports.clock.now();
    const batch = new Batch(this.fold);
    this.#batch = batch;
    // Until its outcome is durable what was asked can be put back, whatever happens.
    if (mail.kind === 'abandon' || mail.kind === 'note') this.#asides.enter(mail);
    else if (mail.kind !== 'answer') this.#command = new LiveCommand(mail);
    this.#answering = this.#replies.settle(mail, this.fold);
    const isAnswered = await this.#answering;
    if (isAnswered && mail.kind === 'command') this.#command = null;
    const isTurn = mail.kind !== 'close' && mail.kind !== 'note';
    this.#turn = isTurn && !isAnswered ? await this.#enter(mail, batch) : null;
    if (!isTurn && !isAnswered) batch.push(entryEvent(mail, this.fold, batch.timestamp(this.#ports.clock)));
    // Answers that came together go into one commit, as long as the cell only goes on waiting.
    while (this.#turn && goesOn(this.#turn)) {
      const next = this.#mailbox.takeAnswer(batch.fold);
      if (!next) break;
      this.#turn = await this.#enter(next, batch);
    }
    this.#send({ type: 'TURN' });
  }

  async #enter(mail: TurnMail, batch: Batch): Promise<Turn> {
    const cell = this.#command;
    const options = { writer: this.#writer, computedMs: cell?.computedMs };
    const turn = await this.#stepper.enter(mail, batch, options);
    if (cell) cell.computedMs += turn.durationMs;
    return turn;
  }

  async #append(): Promise<void> {
    try {
      await this.#writer.write(this.#batch!);
    } catch (error) {
      if (!hasCode(error, 'TOO_LARGE', 'BAD_FORMAT') || !this.#turn || this.#turn.poisoned) throw error;
      // The turn's outcome fits into no commit: the log says that it came to nothing, and why.
      this.#batch = undone(this.#batch!, this.fold, error, this.#ports.clock);
      this.#turn = { ...this.#turn, poisoned: true };
      return this.#append();
    }
    this.#tell();
    // After an undone turn the kernel's session is gone; the log says how to rebuild it.
    this.#send({ type: this.#turn?.poisoned ? 'LOST' : 'COMMITTED' });
  }

  /** Who hears of a commit hears of it here. */
  #tell(): void {
    const command = this.#command;
    if (command && !this.fold.running) {
      this.#command = null;
      command.resolve(this.fold, this.#ports.worker, this.#ports.store.limits.contentBytes);
    }
    this.#asides.settle(this.fold.seq);
    this.#startEffects();
  }

  /** A session that was handed back meanwhile starts nothing more: its next owner does. */
  #startEffects(): void {
    if (!this.#isOver()) this.#effects.sync(this.fold);
  }

  /** A quiet moment: nothing is on its way to the log, so nothing is kept of what led here. */
  #settle(): void {
    this.#batch = null;
    this.#turn = null;
    this.#checkpoints.settle(this.fold);
  }

  async #checkpoint(): Promise<void> {
    await this.#checkpoints.take(this.#writer);
    this.#send({ type: 'CHECKPOINTED' });
  }

  #end(why: EndReason, error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#retryTimer?.cancel();
    this.#effects.clear();
    this.#seat.leave();
    const told = error ?? fencedError(this.name);
    this.#command?.reject(told);
    this.#command = null;
    this.#mailbox.fail(told);
    this.#checkpoints.end(told);
    this.#asides.reject(told);
    this.#listener.onEnd(why, error);
  }

  /** A failed deed: someone else owns the session, or read the log again, or give up. */
  #fail(thrown: unknown): void {
    const error = RepriseError.from(thrown);
    if (this.#isOver()) return;
    const { isNoting } = this.#asides;
    const isAwaited = isNoting || this.#command !== null;
    const verdict = verdictOn(error, { failures: this.#failures, isAwaited });
    if (verdict === 'gone' && this.#command?.endWith(error, this.fold)) this.#command = null;
    if (verdict === 'gone' || verdict === 'fenced') {
      this.#error = fencedError(this.name);
      this.#send({ type: 'FENCED' });
      return;
    }
    const { message, code } = error;
    this.#ports.log.warn({ session: this.name, error: message, code, verdict }, 'deed failed');
    if (verdict !== 'refused') this.#failures++;
    if (verdict === 'refused') {
      // A definite refusal is the command's outcome, unless it has begun: then its outcome is still to come. Of a note
      // it is the note's, whatever cell awaits meanwhile.
      if (isNoting) this.#asides.reject(error);
      else this.#command?.refuse(error, this.fold);
      if (!isNoting) this.#command = null;
      this.#send({ type: 'LOST' });
    } else if (verdict === 'failed') {
      this.#error = error;
      this.#send({ type: 'FAILED' });
    } else this.#retryTimer = this.#ports.clock.setTimer(() => this.#send({ type: 'LOST' }), verdict.againMs);
  }

  #post<T>(make: (waiter: Waiter<T>, atMs: number) => Mail): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isOver()) return reject(this.#error ?? fencedError(this.name));
      this.#mailbox.put(make({ resolve, reject }, this.#ports.clock.now()));
      this.#send({ type: 'MAIL' });
    });
  }

  #writerOn(fold: SessionFold): LogWriter {
    return new LogWriter(fold, {
      ...this.#ports,
      kernelVersion: this.#ports.kernel.version,
      onCommitted: (events) => {
        this.#failures = 0;
        this.#command?.note(events);
        this.#asides.note(events);
        this.#listener.onCommitted(events);
      },
    });
  }

  #send(event: SessionMachineEvent): void {
    if (!this.#isOver()) this.#machine.send(event);
  }

  #isOver(): boolean {
    return this.#machine.getSnapshot().status !== 'active';
  }
}
