/** A resident session as the contract's ISessionInstance: a facade over its interpreter. */
import type { AnnotateReply, AnnotateRequest } from '../../bus/operations/annotations.ts';
import type {
  CheckpointReply,
  CompleteReply,
  ExecuteReply,
  ExecuteRequest,
  InspectReply,
  InterruptReply,
  PassedOver,
} from '../../bus/operations/sessions.ts';
import type {
  ExecuteResult,
  ISessionInstance,
  ReplState,
  SessionEvent,
  SessionMetadata,
} from '../../bus/types.ts';
import type { InspectReport } from '../kernel/port.ts';
import { SessionInterpreter } from '../session/interpreter.ts';
import { fencedError } from '../session/live-command.ts';
import type { EndReason } from '../session/machine.ts';
import type { SessionPorts, SessionStore } from '../session/ports.ts';
import { isUnfinished, wakeAt } from '../timeline/fold.ts';
import { metadataOf, stateOf } from './reports.ts';

/** Events kept for `getChangesSinceLastSave`; older ones are in the log alone. */
const CHANGES_MAX = 1_000;

export class SessionInstance implements ISessionInstance {
  readonly name: string;
  readonly #interpreter: SessionInterpreter;
  readonly #kernelVersion: string;
  readonly #kindOf: SessionPorts['kindOf'];
  readonly #newId: () => string;
  readonly #store: Pick<SessionStore, 'get'>;
  readonly #backgroundTurnsMax: number;
  #changes: SessionEvent[] = [];
  #dirty = false;
  #report: InspectReport | null = null;
  #passedOver: readonly PassedOver[] = [];
  parked = false;

  constructor(name: string, ports: SessionPorts, onEnd: (why: EndReason, error: unknown) => void) {
    this.name = name;
    this.#kernelVersion = ports.kernel.version;
    this.#kindOf = ports.kindOf;
    this.#newId = ports.newId;
    this.#store = ports.store;
    this.#backgroundTurnsMax = ports.settings.backgroundTurnsMax;
    const onRestored = (passedOver: readonly PassedOver[]) => {
      this.#passedOver = passedOver;
    };
    this.#interpreter = new SessionInterpreter(
      name,
      { ...ports, onRestored },
      {
        onCommitted: (events) => this.#note(events),
        onEnd,
      },
    );
    this.#interpreter.start();
  }

  // ── The contract ──────────────────────────────────────────────────────────────────────────────────────

  async execute(command: string): Promise<ExecuteResult> {
    const request: ExecuteRequest = { op: 'execute', session: this.name, command, commandId: this.#newId() };
    const { output, shouldExit } = await this.submit(request);
    return { output, shouldExit };
  }

  /** As of the last commit; variables as of the last inspection. */
  getState(): ReplState {
    const { fold, state } = this.#interpreter;
    return stateOf(fold, {
      state,
      report: this.#report,
      kernel: this.#kernelVersion,
      kindOf: this.#kindOf,
      backgroundTurnsMax: this.#backgroundTurnsMax,
    });
  }

  getMetadata(): SessionMetadata {
    return metadataOf(this.#interpreter.fold);
  }

  isDirty(): boolean {
    return this.#dirty;
  }

  markClean(): void {
    this.#dirty = false;
  }

  getLastAccessTime(): number {
    return this.#interpreter.lastAccessMs;
  }

  /** The newest of them, at most 1,000: the log has all. */
  getChangesSinceLastSave(): SessionEvent[] {
    return [...this.#changes];
  }

  updateSavePoint(): void {
    this.#changes = [];
    this.markClean();
  }

  // ── Beyond the contract ───────────────────────────────────────────────────────────────────────────────

  submit(request: ExecuteRequest): Promise<ExecuteReply> {
    return this.#interpreter.submit(request);
  }

  interrupt(commandId?: string): Promise<InterruptReply> {
    return this.#interpreter.interrupt(commandId);
  }

  closeSession(reason: string): Promise<{ seq: number }> {
    return this.#interpreter.closeSession(reason);
  }

  annotate(request: AnnotateRequest): Promise<AnnotateReply> {
    return this.#interpreter.annotate(request);
  }

  /** Saves the heap as a checkpoint, unless the newest one is still true. */
  save(reason: string): Promise<CheckpointReply> {
    return this.#interpreter.checkpoint(reason);
  }

  restored(): Promise<void> {
    return this.#interpreter.restored();
  }

  /** True when the log has no event of it: nothing was ever executed. */
  get isNew(): boolean {
    return this.#interpreter.fold.seq < 0;
  }

  /** Where its statechart stands. */
  get state(): string {
    return this.#interpreter.state;
  }

  get busy(): boolean {
    return this.#interpreter.busy;
  }

  /** True when it would be missed: work goes on, or a timer is due before `horizonMs` (since the epoch). */
  isNeeded(horizonMs: number): boolean {
    const { fold } = this.#interpreter;
    return this.busy || isUnfinished(fold) || (wakeAt(fold) ?? Number.POSITIVE_INFINITY) < horizonMs;
  }

  /**
   * Variables and state; of a busy session, what is known without touching it.
   * @throws RepriseError FENCED when the session was removed: what is here is of no log any more
   */
  async inspect(): Promise<InspectReply> {
    const { id } = this.#interpreter.fold;
    if ((await this.#store.get(this.name))?.id !== id) {
      // A busy one finds out by itself: its next commit fails.
      if (!this.busy) this.retire();
      throw fencedError(this.name);
    }
    const report = await this.#interpreter.quietly((kernel) => kernel.look());
    if (report) this.#report = report;
    const reply: InspectReply = { state: this.getState(), metadata: this.getMetadata() };
    if (this.#passedOver.length > 0) reply.passedOver = [...this.#passedOver];
    return reply;
  }

  async complete(code: string, cursor: number): Promise<CompleteReply> {
    const found = await this.#interpreter.quietly((kernel) => kernel.complete(code, cursor));
    return found ?? { completions: [], from: cursor };
  }

  /** Frees the kernel instance, keeps the pages. */
  async park(): Promise<void> {
    if (this.parked || this.isNew) return;
    const parked = await this.#interpreter.quietly(async (kernel) => {
      await kernel.park();
      return true;
    });
    if (!parked) return;
    this.#report = null;
    this.parked = true;
  }

  retire(): void {
    this.#interpreter.retire();
  }

  #note(events: readonly SessionEvent[]): void {
    for (const event of events) {
      if (event.type === 'checkpoint') this.updateSavePoint();
      else {
        this.#changes.push(event);
        if (event.type === 'annotation') continue;
        this.#dirty = true;
        // Whatever brought it about, a command or a timer: its heap is in an instance again.
        this.parked = false;
      }
    }
    if (this.#changes.length > CHANGES_MAX) this.#changes = this.#changes.slice(-CHANGES_MAX);
  }
}
