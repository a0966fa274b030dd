/** What is asked of the pasts of sessions: looks at them, and sessions made out of them. */
import type { EditRequest, ForkReply, ForkRequest } from '../operations/lineage.ts';
import type {
  AtReply,
  AtRequest,
  BisectReply,
  BisectRequest,
  LastGoodReply,
  ReplayReply,
  VerifyReply,
  VerifyRequest,
} from '../operations/looks.ts';
import type { ProbeReply, ProbeRequest, TraceReply, TraceRequest } from '../operations/probing.ts';
import type { ExecuteReply } from '../operations/sessions.ts';
import { normalName } from '../subjects.ts';
import type { SessionEvent } from '../types.ts';
import type { AnyWorkerCalls } from './any-worker-calls.ts';
import type { DiffMoment, DiffPorts, DiffReply } from './diff/diff.ts';
import { type EditChange, type Edited, rerunRest } from './edit.ts';
import type {
  AtOptions,
  BisectOptions,
  DiffOptions,
  EditOptions,
  ExecuteOptions,
  ForkOptions,
  LongLookOptions,
  ProbeOptions,
  TraceOptions,
  VerifyOptions,
} from './options.ts';
import type { EventRange, StorageCalls } from './storage-calls.ts';

/** What it asks with. */
export interface PastPorts {
  any: AnyWorkerCalls;
  storage: StorageCalls;
  /** Makes command ids; must never repeat. */
  newId(): string;
}

/** The half of the client that looks back. Sessions are not touched by any of it. */
export abstract class SessionPasts {
  protected readonly any: AnyWorkerCalls;
  protected readonly storage: StorageCalls;
  protected readonly newId: () => string;

  constructor({ any, storage, newId }: PastPorts) {
    this.any = any;
    this.storage = storage;
    this.newId = newId;
  }

  abstract execute(session: string, code: string, options?: ExecuteOptions): Promise<ExecuteReply>;
  abstract events(
    session: string,
    from?: number,
    to?: number,
    options?: Omit<EventRange, 'from' | 'to'>,
  ): AsyncIterable<SessionEvent>;

  /** Has a worker re-execute the whole log and compare; goes on as long as one is at work. @throws RepriseError NOT_FOUND */
  async replay(session: string, options: LongLookOptions = {}): Promise<ReplayReply> {
    return this.any.ask('replay', { session }, `the replay of '${session}'`, options);
  }

  /**
   * Has a worker prove all that can be proven of a session: as `replay`, and what follows each checkpoint once more from
   * what is stored of it.
   * @throws RepriseError NOT_FOUND
   */
  async verify(session: string, options: VerifyOptions = {}): Promise<VerifyReply> {
    const { schedule, known, ...rest } = options;
    const request: VerifyRequest = { session, schedule, known };
    return this.any.ask('verify', request, `the verification of '${session}'`, rest);
  }

  /**
   * A session as it was before what is wrong with its log (`divergence`), or as it is when nothing is. A worker executes
   * the log up to there; the session itself is not touched.
   * @throws RepriseError NOT_FOUND; CORRUPT when nothing of the log is good
   */
  async lastGood(session: string, options: LongLookOptions = {}): Promise<LastGoodReply> {
    return this.any.ask('lastGood', { session }, `the look at '${session}'`, options);
  }

  /**
   * A session as it was right after an event, on a copy: variables, what it waits for, and what `code` gives there.
   * Effects that the code asks for are refused; the session is not touched.
   * @throws RepriseError NOT_FOUND (no such session, no such event), DIVERGED, CORRUPT, CHAIN_BROKEN
   */
  async at(session: string, seq?: number, options: AtOptions = {}): Promise<AtReply> {
    const { code, timeoutMs, ...rest } = options;
    const request: AtRequest = { session, seq, code, timeoutMs };
    return this.any.ask('at', request, `the look at '${session}'`, rest);
  }

  /**
   * The first event after which a predicate over the variables holds (`seq`; null: it never does), and what it gave
   * before and after. An expression; where it throws, it does not hold.
   * @throws RepriseError NOT_FOUND, DIVERGED, CORRUPT, CHAIN_BROKEN
   */
  async bisect(session: string, predicate: string, options: BisectOptions = {}): Promise<BisectReply> {
    const { monotonic, timeoutMs, ...rest } = options;
    const request: BisectRequest = { session, predicate, monotonic, timeoutMs };
    return this.any.ask('bisect', request, `the search in '${session}'`, rest);
  }

  /**
   * Begins a session that shares everything up to an event of another one, which is not touched, and goes on by itself:
   * what has no answer there is asked for anew. Neither time nor space depend on how long the log is.
   * @param seq of the event; absent: the newest, of a session that was closed the one before its end
   * @throws RepriseError NOT_FOUND (no such session, no such event), BAD_REQUEST (the name is taken), BAD_NAME
   */
  async fork(session: string, name: string, seq?: number, options: ForkOptions = {}): Promise<ForkReply> {
    const { commandId = this.newId(), ...rest } = options;
    const request: ForkRequest = { session, name: normalName(name), seq, commandId };
    return this.any.ask('fork', request, `the fork of '${session}'`, rest);
  }

  /**
   * Begins a fork in which what entered at event `seq` is another, and runs everything behind it again. Recorded answers
   * are taken again for as long as the same is asked; then calls are made, unless `calls` is false.
   * @throws RepriseError as `fork`; BAD_REQUEST also when nothing entered at the event; DIVERGED
   */
  async edit(
    session: string,
    name: string,
    seq: number,
    change: EditChange,
    options: EditOptions = {},
  ): Promise<Edited> {
    const { commandId = this.newId(), dryRun, calls = true, onCell, ...rest } = options;
    const asked = { ...change, dryRun, noCalls: !calls };
    const request: EditRequest = { session, name: normalName(name), seq, ...asked, commandId };
    const { rest: left, ...reply } = await this.any.ask('edit', request, `the edit of '${session}'`, rest);
    const edited = { ...reply, cells: 0, left: left !== null };
    if (dryRun || !calls) return edited;
    return rerunRest(this, { session, rest: left, signal: rest.signal, onCell }, edited);
  }

  /**
   * Where two moments differ, of one session or of two: the event at which they part, variables by path, and outputs and
   * calls behind it. Neither session is touched.
   * @throws RepriseError as `at`
   */
  async diff(a: DiffMoment, b: DiffMoment, options: DiffOptions = {}): Promise<DiffReply> {
    const { diffMoments } = await import('./diff/diff.ts');
    const ports: DiffPorts = {
      at: (session, seq, asked) => this.at(session, seq, asked),
      events: (session, from, to, range) => this.events(session, from, to, range),
      commitOf: (session, seq, signal) => this.storage.commitOf(session, seq, signal),
    };
    return diffMoments(ports, { a, b }, options);
  }

  /**
   * What expressions were each time a line of a cell ran. A worker runs the recorded cell again in a copy of the session
   * and compares what it gives with the log; no effect leaves, the session is not touched.
   * @param expressions JavaScript, with commas between them; one that throws shows its error
   * @throws RepriseError NOT_FOUND (session, cell, line), BAD_REQUEST (no expressions), DIVERGED, CORRUPT, CHAIN_BROKEN
   */
  async probe(
    session: string,
    { cell, line }: { cell: number; line: number },
    expressions: string,
    options: ProbeOptions = {},
  ): Promise<ProbeReply> {
    const { condition, limit, ...rest } = options;
    const request: ProbeRequest = { session, cell, line, expressions, condition, limit };
    return this.any.ask('probe', request, `the probe of '${session}'`, rest);
  }

  /**
   * The statements of a cell as they ran, each with the names whose value had changed. As `probe`.
   * @throws RepriseError NOT_FOUND (session, cell), DIVERGED, CORRUPT, CHAIN_BROKEN
   */
  async trace(session: string, cell: number, options: TraceOptions = {}): Promise<TraceReply> {
    const { limit, ...rest } = options;
    const request: TraceRequest = { session, cell, limit };
    return this.any.ask('trace', request, `the trace of '${session}'`, rest);
  }
}
