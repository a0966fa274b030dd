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
import { type Actor, createActor } from 'xstate';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { ExecuteReply, ExecuteRequest } from '../../bus/protocol.ts';
import type { SessionEvent } from '../../bus/types.ts';
import type { Turn } from '../kernel/port.ts';
import { divergenceError, type Loaded, loadSession, replaySession } from './activation.ts';
import { Batch } from './batch.ts';
import { mayHaveCommand } from './command-index.ts';
import { entryEvent, goesOn, outcomeEvents } from './entry.ts';
import { emptyFold, type SessionFold } from './fold.ts';
import { LogWriter } from './log-writer.ts';
import {
  type EndReason,
  makeSessionMachine,
  type SessionAction,
  type SessionMachineEvent,
} from './machine.ts';
import { type Mail, Mailbox, type Waiter } from './mailbox.ts';
import { OpenEffects } from './open-effects.ts';
import type { SessionPorts } from './ports.ts';
import { renumber, stepOf } from './replay.ts';
import { replyFromEvents } from './reply.ts';
import { isDerived } from './turn.ts';

/** The command whose cell has begun: who waits for it, and its events so far. */
interface LiveCell {
  commandId: string;
  waiter: Waiter<ExecuteReply> | null;
  mail: Mail | null;
  events: SessionEvent[];
  computedMs: number;
}

export interface SessionListener {
  /** Events that are durable now. */
  onCommitted(events: readonly SessionEvent[]): void;
  /** The session is not resident any more. */
  onEnd(why: EndReason, error: unknown): void;
}

const FAILURES_MAX = 3;
const REPLIES_KEPT = 16;

export class SessionInterpreter {
  readonly name: string;
  readonly #ports: SessionPorts;
  readonly #machine: Actor<ReturnType<typeof makeSessionMachine>>;
  readonly #mailbox = new Mailbox();
  readonly #effects: OpenEffects;
  readonly #replies = new Map<string, ExecuteReply>();
  readonly #listener: SessionListener;
  #writer: LogWriter;
  #loaded: Loaded | null = null;
  #batch: Batch | null = null;
  #turn: Turn | null = null;
  #cell: LiveCell | null = null;
  /** Work that a replay found unfinished: committed before anything else happens. */
  #leftover = false;
  #failures = 0;
  #error: unknown = null;
  #checkpointReason = 'budget';
  #checkpointWaiters: Waiter<{ seq: number }>[] = [];
  #abandoned: Waiter<{ seq: number }>[] = [];
  #checkpointCostMs = 0;
  #idleTimer: { cancel(): void } | null = null;
  #retryTimer: { cancel(): void } | null = null;
  #kernelQueue: Promise<unknown> = Promise.resolve();
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
    this.#writer = this.#writerOn(emptyFold(name));
    this.lastAccessMs = ports.clock.now();
    this.#effects = new OpenEffects(ports.effects, (effect, answer) => {
      this.#mailbox.put({ kind: 'answer', effect, answer });
      this.#send({ type: 'MAIL' });
    });
    const machine = makeSessionMachine((action) => this.#perform(action), {
      isClosed: () => this.fold.closed,
      isAwaiting: () => this.fold.running !== null,
      hasStep: () => this.#leftover || this.#mailbox.peek(this.fold) !== null,
    });
    this.#machine = createActor(machine);
    // Without an observer an actor's error would become an uncaught exception (and take every session along).
    this.#machine.subscribe({ error: (error) => this.#end('failed', error) });
  }

  start(): void {
    this.#machine.start();
  }

  // ── What callers see ──────────────────────────────────────────────────────────────────────────────────

  /** The session as the log holds it. */
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
    return this.#post((waiter) => ({ kind: 'command', request, waiter }));
  }

  closeSession(reason: string): Promise<{ seq: number }> {
    return this.#post((waiter) => ({ kind: 'close', reason, waiter }));
  }

  /** Strikes the running cell (or the one with `commandId`); resolves once that is durable, or at once. */
  async interrupt(commandId?: string): Promise<{ seq: number }> {
    const running = this.#cell?.commandId ?? this.fold.running?.commandId;
    if (running === undefined || (commandId !== undefined && commandId !== running)) {
      return { seq: this.fold.seq };
    }
    if (this.state === 'running') {
      this.#ports.kernel.interrupt(this.name);
      return { seq: this.fold.seq };
    }
    if (!this.fold.running) return { seq: this.fold.seq };
    return this.#post((waiter) => ({ kind: 'abandon', reason: 'user', commandId, waiter }));
  }

  /** Takes a checkpoint at the next quiet moment, unless the newest one is still true. */
  checkpoint(reason: string): Promise<{ seq: number }> {
    return new Promise((resolve, reject) => {
      if (this.#isOver()) return reject(this.#error ?? fenced(this.name));
      this.#checkpointReason = reason;
      this.#checkpointWaiters.push({ resolve, reject });
      this.#send({ type: 'CHECKPOINT' });
    });
  }

  /** Hands the session back; the caller has made sure that nothing runs. */
  retire(): void {
    this.#send({ type: 'RETIRE' });
  }

  /** Runs `look` while no turn runs. Resolves null when the session is busy: looking never waits for a cell. */
  async quietly<T>(look: () => Promise<T>): Promise<T | null> {
    if (this.state === 'running' || this.fold.seq < 0) return null;
    return this.#exclusive(look);
  }

  /** Resolves when the session has been restored, rejects when it cannot be. */
  async restored(): Promise<void> {
    const restoring = (value: unknown) => value === 'restoring' || value === 'replaying';
    if (!restoring(this.state)) {
      if (this.#isOver()) throw this.#error ?? fenced(this.name);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const subscription = this.#machine.subscribe({
        next: ({ value, status }) => {
          if (restoring(value)) return;
          subscription.unsubscribe();
          if (status === 'active') resolve();
          else reject(this.#error ?? fenced(this.name));
        },
      });
    });
  }

  // ── Deeds ─────────────────────────────────────────────────────────────────────────────────────────────

  #perform(action: SessionAction): void {
    const done = this.#deeds[action]();
    if (done instanceof Promise) done.catch((error) => this.#fail(error));
  }

  async #load(): Promise<void> {
    this.#idleTimer?.cancel();
    this.#ports.kernel.drop(this.name);
    this.#effects.clear();
    this.#batch = null;
    this.#turn = null;
    this.#leftover = false;
    if (this.#cell?.mail) this.#mailbox.putBack(this.#cell.mail);
    this.#cell = null;
    this.#loaded = await loadSession(this.name, this.#ports);
    this.#send({ type: 'LOADED' });
  }

  async #replay(): Promise<void> {
    const loaded = this.#loaded!;
    this.#loaded = null;
    if (loaded.fold.seq < 0 && loaded.tail.length === 0) {
      this.#writer = this.#writerOn(loaded.fold);
    } else {
      const result = await replaySession(loaded, this.name, this.#ports);
      if (result.divergence) throw divergenceError(this.name, result.divergence);
      this.#writer = this.#writerOn(result.fold);
      if (result.lastTurn && result.leftover.length > 0) this.#adopt(result.lastTurn, result.leftover);
    }
    this.#effects.sync(this.name, this.fold.effects);
    this.#send({ type: 'REPLAYED' });
  }

  /** An unfinished turn of an owner that died: its outcome is this owner's to commit. */
  #adopt(turn: Turn, leftover: readonly SessionEvent[]): void {
    const { running } = this.fold;
    this.#batch = new Batch(this.fold);
    const facts = {
      fold: this.fold,
      turnAt: running?.turnAt ?? this.fold.seq,
      timestamp: this.#batch.timestamp(this.#ports.clock),
      durationMs: turn.durationMs,
    };
    const all = outcomeEvents(turn, facts);
    // A large turn is several commits: the first of them may be in the log already.
    const committed = all.filter(isDerived).length - leftover.length;
    const rest = committed > 0 ? all.filter((event) => event.type !== 'interrupt').slice(committed) : all;
    for (const event of renumber(rest, this.#batch.next)) this.#batch.push(event);
    this.#turn = turn;
    this.#leftover = true;
  }

  async #step(): Promise<void> {
    if (this.#leftover) {
      this.#leftover = false;
      this.#send({ type: 'TURN' });
      return;
    }
    this.#idleTimer?.cancel();
    const mail = this.#mailbox.take(this.fold)!;
    this.lastAccessMs = this.#ports.clock.now();
    const batch = new Batch(this.fold);
    this.#batch = batch;
    this.#turn = null;
    if (mail.kind === 'close') {
      if (!this.fold.closed) {
        const timestamp = batch.timestamp(this.#ports.clock);
        batch.push({ type: 'closed', seq: batch.next, reason: mail.reason, timestamp });
      }
      const { seq } = batch.fold;
      this.#cell = { commandId: '', waiter: ackWith(mail.waiter, seq), mail, events: [], computedMs: 0 };
      this.#send({ type: 'TURN' });
      return;
    }
    if (mail.kind === 'command') {
      // Until its outcome is durable the command can be put back, whatever happens.
      this.#cell = {
        commandId: mail.request.commandId,
        waiter: mail.waiter,
        mail,
        events: [],
        computedMs: 0,
      };
      if (await this.#answerWithoutRunning(mail)) {
        this.#cell = null;
        this.#send({ type: 'TURN' });
        return;
      }
    }
    await this.#enter(mail, batch);
    // Answers that came together go into one commit, as long as the cell only goes on waiting.
    while (this.#turn !== null && goesOn(this.#turn)) {
      const next = this.#mailbox.takeAnswer(batch.fold);
      if (!next) break;
      await this.#enter(next, batch);
    }
    this.#send({ type: 'TURN' });
  }

  /** Repeated commands and commands to a closed session have their answer already. */
  async #answerWithoutRunning({ request, waiter }: Mail & { kind: 'command' }): Promise<boolean> {
    const { commandId } = request;
    if (mayHaveCommand(this.fold.commands, commandId)) {
      const kept = this.#replies.get(commandId);
      const facts = { session: this.name, commandId, worker: this.#ports.worker, repeated: true };
      if (kept) {
        waiter.resolve({ ...kept, ...facts });
        return true;
      }
      const events = await this.#ports.store.find(this.name, commandId);
      if (events.length > 0) {
        waiter.resolve(replyFromEvents(events, facts));
        return true;
      }
    }
    if (this.fold.closed) {
      waiter.reject(
        new RepriseError('CLOSED', `session ${JSON.stringify(this.name)} is closed`, {
          hint: 'its log can still be read and replayed; use another name, or remove the session first',
        }),
      );
      return true;
    }
    return false;
  }

  /** Lets one thing into the kernel and adds what follows from it to the batch. */
  async #enter(mail: Exclude<Mail, { kind: 'close' }>, batch: Batch): Promise<void> {
    const { clock, kernel } = this.#ports;
    if (batch.fold.seq < 0) await this.#begin(batch);
    batch.push(entryEvent(mail, batch.fold, batch.timestamp(clock)));
    const turnAt = batch.fold.seq;
    const step = stepOf(batch.events.at(-1)!, { timeMs: batch.fold.timeMs, fold: batch.fold })!;

    let early: Promise<void> | null = null;
    const timer = clock.setTimer(() => {
      early = this.#writer.write(batch);
      // The turn's outcome could no longer be committed: stop computing it.
      early.catch(() => kernel.interrupt(this.name));
    }, this.#ports.settings.earlyCommitMs);
    let turn: Turn;
    try {
      turn = await this.#exclusive(() => kernel.apply(this.name, step));
    } finally {
      timer.cancel();
      if (early) await early;
    }
    const cell = this.#cell;
    if (cell) cell.computedMs += turn.durationMs;
    const durationMs = cell?.computedMs ?? turn.durationMs;
    const facts = { fold: batch.fold, turnAt, timestamp: batch.timestamp(clock), durationMs };
    for (const event of outcomeEvents(turn, facts)) batch.push(event);
    if (mail.kind === 'abandon') this.#abandoned.push(mail.waiter);
    this.#turn = turn;
  }

  /** The first event of a new session. */
  async #begin(batch: Batch): Promise<void> {
    const { clock, kernel, newId } = this.#ports;
    const created = batch.timestamp(clock);
    const [id, seed] = [newId(), newId()];
    const { name } = this;
    batch.push({ type: 'session', version: 1, seq: 0, id, created, name, seed, kernel: kernel.version });
    await kernel.open(this.name, { boot: { sessionId: id, createdMs: batch.fold.timeMs, seed } });
  }

  async #append(): Promise<void> {
    try {
      await this.#writer.write(this.#batch!);
    } catch (error) {
      // A definite refusal is the command's outcome; the kernel is rebuilt from the log without it.
      if (hasCode(error, 'FENCED', 'UNAVAILABLE') || !this.#cell?.waiter) throw error;
      this.#cell.waiter.reject(error);
      this.#cell = null;
      this.#ports.log.warn({ session: this.name, error: String(error) }, 'commit refused');
      this.#send({ type: 'LOST' });
      return;
    }
    this.#tell();
    // After an undone turn the kernel's session is gone; the log says how to rebuild it.
    this.#send({ type: this.#turn?.poisoned ? 'LOST' : 'COMMITTED' });
  }

  /** Everything that hears of a commit hears of it here. */
  #tell(): void {
    const cell = this.#cell;
    if (cell && !this.fold.running) {
      this.#cell = null;
      if (cell.waiter && cell.commandId !== '') {
        const facts = {
          session: this.name,
          commandId: cell.commandId,
          worker: this.#ports.worker,
          repeated: false,
        };
        const reply = replyFromEvents(cell.events, facts);
        this.#remember(reply);
        cell.waiter.resolve(reply);
      } else if (cell.waiter) {
        cell.waiter.resolve(undefined as never);
      }
    }
    for (const waiter of this.#abandoned.splice(0)) waiter.resolve({ seq: this.fold.seq });
    this.#effects.sync(this.name, this.fold.effects);
  }

  #remember(reply: ExecuteReply): void {
    if (reply.stdout.length + reply.stderr.length + reply.output.length > 4096) return;
    this.#replies.set(reply.commandId, reply);
    if (this.#replies.size > REPLIES_KEPT) this.#replies.delete(this.#replies.keys().next().value!);
  }

  /** A quiet moment: a checkpoint if replay has become dear, now or as soon as it stays quiet. */
  #settle(): void {
    const { clock, settings } = this.#ports;
    if (this.#checkpointWaiters.length > 0) {
      this.#send({ type: 'CHECKPOINT' });
      return;
    }
    const { replayCostMs } = this.fold;
    // A checkpoint that costs more than the replay it saves is not worth taking yet.
    if (replayCostMs > Math.max(settings.hardReplayMs, 4 * this.#checkpointCostMs)) {
      this.#checkpointReason = 'budget';
      this.#send({ type: 'CHECKPOINT' });
    } else if (replayCostMs > Math.max(settings.softReplayMs, this.#checkpointCostMs)) {
      this.#idleTimer = clock.setTimer(() => {
        this.#checkpointReason = 'budget';
        this.#send({ type: 'CHECKPOINT' });
      }, settings.idleMs);
    }
  }

  async #checkpoint(): Promise<void> {
    this.#idleTimer?.cancel();
    const { clock, kernel, store } = this.#ports;
    const waiters = this.#checkpointWaiters;
    this.#checkpointWaiters = [];
    try {
      const { seq, closed, checkpoint } = this.fold;
      if (seq >= 0 && !closed && checkpoint?.seq !== seq) {
        const started = clock.now();
        const image = await this.#exclusive(() => kernel.capture(this.name));
        const stored = await store.putImage(image.stateId, image.bytes);
        const event: SessionEvent = {
          type: 'checkpoint',
          seq: this.fold.seq + 1,
          reason: this.#checkpointReason,
          stateId: image.stateId,
          timestamp: new Date(Math.max(this.fold.timeMs, clock.now())).toISOString(),
          sizeBytes: stored ? image.bytes.byteLength : 0,
        };
        await this.#writer.write(new Batch(this.fold, [event]));
        this.#checkpointCostMs = clock.now() - started;
      }
      for (const waiter of waiters) waiter.resolve({ seq: this.fold.seq });
    } catch (error) {
      for (const waiter of waiters) waiter.reject(error);
      throw error;
    }
    this.#send({ type: 'CHECKPOINTED' });
  }

  #end(why: EndReason, error: unknown): void {
    this.#idleTimer?.cancel();
    this.#retryTimer?.cancel();
    this.#effects.clear();
    this.#ports.kernel.drop(this.name);
    const told = error ?? fenced(this.name);
    this.#cell?.waiter?.reject(told);
    this.#cell = null;
    this.#mailbox.fail(told);
    for (const waiter of [...this.#checkpointWaiters.splice(0), ...this.#abandoned.splice(0)])
      waiter.reject(told);
    this.#listener.onEnd(why, error);
  }

  /** Decides what a failed deed means: someone else owns the session, or read the log again, or give up. */
  #fail(thrown: unknown): void {
    const error = RepriseError.from(thrown);
    if (this.#isOver()) return;
    if (error.code === 'FENCED') {
      this.#error = fenced(this.name);
      this.#send({ type: 'FENCED' });
      return;
    }
    this.#failures++;
    this.#ports.log.warn({ session: this.name, error: error.message, code: error.code }, 'session failed');
    if ((error.retryable || error.code === 'INTERNAL') && this.#failures <= FAILURES_MAX) {
      const delayMs = 20 * 4 ** (this.#failures - 1);
      this.#retryTimer = this.#ports.clock.setTimer(() => this.#send({ type: 'LOST' }), delayMs);
      return;
    }
    this.#error = error;
    this.#send({ type: 'FAILED' });
  }

  // ── Small things ──────────────────────────────────────────────────────────────────────────────────────

  #post<T>(make: (waiter: Waiter<T>) => Mail): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isOver()) return reject(this.#error ?? fenced(this.name));
      this.#mailbox.put(make({ resolve, reject }));
      this.#send({ type: 'MAIL' });
    });
  }

  #writerOn(fold: SessionFold): LogWriter {
    const { clock, kernel, newId, store } = this.#ports;
    return new LogWriter(fold, {
      store,
      clock,
      kernelVersion: kernel.version,
      newId,
      onCommitted: (events) => {
        this.#failures = 0;
        this.#cell?.events.push(...events);
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

  /** Calls for one session never overlap in the kernel. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#kernelQueue.then(work, work);
    this.#kernelQueue = result.catch(() => undefined);
    return result;
  }
}

function ackWith(waiter: Waiter<{ seq: number }>, seq: number): Waiter<ExecuteReply> {
  return { resolve: () => waiter.resolve({ seq }), reject: (error) => waiter.reject(error) };
}

function fenced(name: string): RepriseError {
  return new RepriseError('FENCED', `another worker owns session ${JSON.stringify(name)} now`, {
    hint: 'retry with the same commandId',
  });
}
