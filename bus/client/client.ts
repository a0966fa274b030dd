/** The client library: sessions over the bus, for the command line and for programs. Holds no truth. */
import type { RepriseError } from '../errors.ts';
import { connectBus } from '../nats.ts';
import type { RemovalProgress, Trouble } from '../operations/catalogue.ts';
import type { EditRequest, ForkReply, ForkRequest } from '../operations/lineage.ts';
import type { BrokenLog } from '../operations/logs.ts';
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
import type { PresenceReply } from '../operations/presence.ts';
import type { ProbeReply, ProbeRequest, TraceReply, TraceRequest } from '../operations/probing.ts';
import type { ReplyOf } from '../operations/row.ts';
import type {
  CompleteReply,
  ExecuteReply,
  ExecuteRequest,
  InspectReply,
  InterruptReply,
  SessionRequest,
  SimpleReply,
} from '../operations/sessions.ts';
import { assertCompletable, assertExecutable, type SESSION } from '../operations/sessions.ts';
import { type Bus, type Clock, systemClock } from '../port.ts';
import { gatherPresence } from '../presence.ts';
import { makeSubjects, normalName, type Subjects, sessionToken } from '../subjects.ts';
import type { ExecuteResult, ISessionClient, SessionEvent, SessionMetadata } from '../types.ts';
import { AnyWorkerCalls } from './any-worker-calls.ts';
import { newCommandId } from './command-id.ts';
import { type EditChange, type Edited, rerunRest } from './edit.ts';
import { Following } from './following.ts';
import type {
  AtOptions,
  BisectOptions,
  EditOptions,
  ExecuteOptions,
  ForkOptions,
  LongLookOptions,
  LookOptions,
  ProbeOptions,
  TraceOptions,
  VerifyOptions,
} from './options.ts';
import type { Salvaged } from './salvage.ts';
import { SessionCalls } from './session-calls.ts';
import type { Shown } from './shown.ts';
import { type EventRange, StorageCalls } from './storage-calls.ts';

export type * from './options.ts';

export interface ClientPorts {
  bus: Bus;
  subjects: Subjects;
  clock?: Clock;
  /** Makes command ids; must never repeat. */
  newId?: () => string;
}

export interface ConnectOptions {
  /** `nats://host:port`; default 127.0.0.1:4222. */
  url?: string;
  user?: string;
  pass?: string;
  /** Prefix of all subjects; default `reprise`. */
  prefix?: string;
  /** Hears of trouble that belongs to no call. */
  onError?: (error: RepriseError) => void;
}

const EXECUTE_MS = 30_000;
const MARGIN_MS = 5_000;
/** Looking and saving: everything but executing. */
const WAIT_MS = 30_000;
const WHO = { limitMs: 200, quietMs: 100 };

/**
 * Connects a program to a running system.
 * @throws RepriseError UNAVAILABLE when no server answers, DENIED when it refuses the credentials.
 */
export async function connectClient(options: ConnectOptions = {}): Promise<SessionClient> {
  const { url = 'nats://127.0.0.1:4222', prefix, ...rest } = options;
  const bus = await connectBus({ url, role: 'client', name: 'reprise-client', ...rest });
  return new SessionClient({ bus, subjects: makeSubjects(prefix) });
}

/**
 * Sessions by name. Every call survives the death of workers, storage and server as long as its time lasts.
 * Errors are RepriseErrors; TIMEOUT means that the outcome is unknown and a retry with the same commandId is safe.
 */
export class SessionClient implements ISessionClient {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  readonly #newId: () => string;
  readonly #calls: SessionCalls;
  readonly #any: AnyWorkerCalls;
  readonly #storage: StorageCalls;

  constructor({ bus, subjects, clock = systemClock, newId = () => newCommandId(clock) }: ClientPorts) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
    this.#newId = newId;
    this.#calls = new SessionCalls(bus, subjects, clock);
    this.#any = new AnyWorkerCalls(bus, subjects, clock);
    this.#storage = new StorageCalls(bus, subjects, clock);
  }

  /** Resolves once the connection is known to work. @throws RepriseError DISCONNECTED */
  async init(): Promise<void> {
    await this.#bus.flush();
  }

  /**
   * Runs a cell; creates the session when it does not exist. A cell that throws is an answer (`error`), not an
   * exception.
   * @throws RepriseError TIMEOUT, CLOSED, TOO_LARGE, BAD_NAME…; the signal's reason (the cell goes on).
   */
  async execute(session: string, code: string, options: ExecuteOptions = {}): Promise<ExecuteReply> {
    const { commandId = this.#newId(), timeoutMs, signal } = options;
    const { waitMs = (timeoutMs ?? EXECUTE_MS) + MARGIN_MS } = options;
    const request: ExecuteRequest = {
      op: 'execute',
      session: normalName(session),
      command: code,
      commandId,
      timeoutMs,
    };
    assertExecutable(request);
    return this.#calls.ask(request, { waitMs, signal });
  }

  /** `execute`, as the contract has it. @throws Error when the cell threw */
  async executeCommand(sessionName: string, command: string): Promise<ExecuteResult> {
    const reply = await this.execute(sessionName, command);
    if (reply.error) throw cellError(reply.error);
    return { output: reply.output, shouldExit: reply.shouldExit };
  }

  /** Strikes the command (or whatever runs): its `execute` is answered with an error. */
  async interrupt(session: string, commandId?: string): Promise<InterruptReply> {
    return this.#ask({ op: 'interrupt', session: normalName(session), commandId });
  }

  /** State and metadata, without touching the session. @throws RepriseError NOT_FOUND */
  async inspect(session: string, options: LookOptions = {}): Promise<InspectReply> {
    return this.#ask({ op: 'inspect', session: normalName(session) }, options);
  }

  /** Completions at `cursor` (UTF-16 units into `code`). @throws RepriseError NOT_FOUND, TOO_LARGE above 64 Ki units */
  async complete(
    session: string,
    code: string,
    cursor: number,
    options: LookOptions = {},
  ): Promise<CompleteReply> {
    const request = { op: 'complete', session: normalName(session), code, cursor } as const;
    assertCompletable(request);
    return this.#ask(request, options);
  }

  /** Ends a session for good: its log stays readable. @throws RepriseError NOT_FOUND */
  async closeSession(session: string, reason?: string): Promise<SimpleReply> {
    return this.#ask({ op: 'close', session: normalName(session), reason });
  }

  /** Takes a checkpoint now. @throws RepriseError NOT_FOUND */
  async forceSave(session: string): Promise<void> {
    await this.#ask({ op: 'checkpoint', session: normalName(session) });
  }

  async listSessions(): Promise<SessionMetadata[]> {
    return (await this.#storage.list()).sessions;
  }

  /** Every session, and why some of them cannot be restored or read: the latter have no metadata. */
  overview(): Promise<{ sessions: SessionMetadata[]; troubles: Trouble[] }> {
    return this.#storage.list();
  }

  /** Metadata of a session, null when there is none. */
  async getSession(name: string): Promise<SessionMetadata | null> {
    return this.#storage.get(normalName(name));
  }

  /**
   * Ends a session for good; false when there was none. A new one of its name may begin at once, its own content goes
   * in the background: `removal` tells how far that is.
   */
  async deleteSession(name: string): Promise<boolean> {
    return this.#storage.delete(normalName(name));
  }

  /** How much of ended sessions of this name is still to be removed; null: nothing. */
  async removal(name: string): Promise<RemovalProgress | null> {
    return this.#storage.removal(normalName(name));
  }

  /** Events with seq `from` to `to` (both included), oldest first; with `follow` also those to come. */
  events(
    session: string,
    from = 0,
    to?: number,
    options: Omit<EventRange, 'from' | 'to'> = {},
  ): AsyncIterable<SessionEvent> {
    return this.#storage.events(session, { from, to, ...options });
  }

  /** Everything readable of a session whose log is not whole, and where it breaks; slower than `events`. */
  salvage(session: string): AsyncIterable<Salvaged> {
    return this.#storage.salvage(session);
  }

  /** Sessions whose logs are not whole, as far as their links tell, and how many were looked at. */
  examine(): Promise<{ broken: BrokenLog[]; examined: number }> {
    return this.#storage.examine();
  }

  /** Calls back whenever something may have happened in the session; returns the function that stops it. */
  watch(session: string, onActivity: () => void): () => void {
    const token = sessionToken(session);
    const subscriptions = [this.#subjects.log(token), this.#subjects.live(token)].map((subject) =>
      this.#bus.subscribe(subject, () => onActivity()),
    );
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  }

  /**
   * Shows what happens in a session from event `from` on, until it is stopped: console output while it is printed, and
   * what is committed, each place once, whoever dies meanwhile.
   */
  follow(session: string, from: number | Promise<number>, show: (shown: Shown) => void): Following {
    const ports = { bus: this.#bus, subjects: this.#subjects, clock: this.#clock, storage: this.#storage };
    return new Following(ports, normalName(session), from, show);
  }

  /** Has a worker re-execute the whole log and compare; goes on as long as one is at work. @throws RepriseError NOT_FOUND */
  async replay(session: string, options: LongLookOptions = {}): Promise<ReplayReply> {
    return this.#any.ask('replay', { session }, `the replay of '${session}'`, options);
  }

  /**
   * Has a worker prove all that can be proven of a session: as `replay`, and what follows each checkpoint once more from
   * what is stored of it.
   * @throws RepriseError NOT_FOUND
   */
  async verify(session: string, options: VerifyOptions = {}): Promise<VerifyReply> {
    const { schedule, known, ...rest } = options;
    const request: VerifyRequest = { session, schedule, known };
    return this.#any.ask('verify', request, `the verification of '${session}'`, rest);
  }

  /**
   * A session as it was before what is wrong with its log (`divergence`), or as it is when nothing is. A worker executes
   * the log up to there; the session itself is not touched.
   * @throws RepriseError NOT_FOUND; CORRUPT when nothing of the log is good
   */
  async lastGood(session: string, options: LongLookOptions = {}): Promise<LastGoodReply> {
    return this.#any.ask('lastGood', { session }, `the look at '${session}'`, options);
  }

  /**
   * A session as it was right after an event, on a copy: variables, what it waits for, and what `code` gives there.
   * Effects that the code asks for are refused; the session is not touched.
   * @throws RepriseError NOT_FOUND (no such session, no such event), DIVERGED, CORRUPT, CHAIN_BROKEN
   */
  async at(session: string, seq?: number, options: AtOptions = {}): Promise<AtReply> {
    const { code, timeoutMs, ...rest } = options;
    const request: AtRequest = { session, seq, code, timeoutMs };
    return this.#any.ask('at', request, `the look at '${session}'`, rest);
  }

  /**
   * The first event after which a predicate over the variables holds (`seq`; null: it never does), and what it gave
   * before and after. An expression; where it throws, it does not hold.
   * @throws RepriseError NOT_FOUND, DIVERGED, CORRUPT, CHAIN_BROKEN
   */
  async bisect(session: string, predicate: string, options: BisectOptions = {}): Promise<BisectReply> {
    const { monotonic, timeoutMs, ...rest } = options;
    const request: BisectRequest = { session, predicate, monotonic, timeoutMs };
    return this.#any.ask('bisect', request, `the search in '${session}'`, rest);
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
    return this.#any.ask('probe', request, `the probe of '${session}'`, rest);
  }

  /**
   * The statements of a cell as they ran, each with the names whose value had changed. As `probe`.
   * @throws RepriseError NOT_FOUND (session, cell), DIVERGED, CORRUPT, CHAIN_BROKEN
   */
  async trace(session: string, cell: number, options: TraceOptions = {}): Promise<TraceReply> {
    const { limit, ...rest } = options;
    const request: TraceRequest = { session, cell, limit };
    return this.#any.ask('trace', request, `the trace of '${session}'`, rest);
  }

  /**
   * Begins a session that shares everything up to an event of another one, which is not touched, and goes on by itself:
   * what has no answer there is asked for anew. Neither time nor space depend on how long the log is.
   * @param seq of the event; absent: the newest, of a session that was closed the one before its end
   * @throws RepriseError NOT_FOUND (no such session, no such event), BAD_REQUEST (the name is taken), BAD_NAME
   */
  async fork(session: string, name: string, seq?: number, options: ForkOptions = {}): Promise<ForkReply> {
    const { commandId = this.#newId(), ...rest } = options;
    const request: ForkRequest = { session, name: normalName(name), seq, commandId };
    return this.#any.ask('fork', request, `the fork of '${session}'`, rest);
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
    const { commandId = this.#newId(), dryRun, calls = true, onCell, ...rest } = options;
    const asked = { ...change, dryRun, noCalls: !calls };
    const request: EditRequest = { session, name: normalName(name), seq, ...asked, commandId };
    const { rest: left, ...reply } = await this.#any.ask('edit', request, `the edit of '${session}'`, rest);
    const edited = { ...reply, cells: 0, left: left !== null };
    if (dryRun || !calls) return edited;
    return rerunRest(this, { session, rest: left, signal: rest.signal, onCell }, edited);
  }

  /** Every process that answers. */
  who(): Promise<PresenceReply[]> {
    return gatherPresence(this.#bus, this.#subjects, this.#clock, WHO);
  }

  /** Closes the connection. Idempotent. */
  disconnect(): Promise<void> {
    return this.#bus.close();
  }

  #ask<Request extends SessionRequest>(
    request: Request,
    options: LookOptions = {},
  ): Promise<ReplyOf<(typeof SESSION)[Request['op']]>> {
    return this.#calls.ask(request, { waitMs: WAIT_MS, ...options });
  }
}

function cellError({ name, message, stack }: { name: string; message: string; stack: string }): Error {
  return Object.assign(new Error(message), { name, stack });
}
