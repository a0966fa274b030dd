/** The client library: sessions over the bus, for the command line and for programs. Holds no truth. */
import { RepriseError } from '../errors.ts';
import { connectBus } from '../nats.ts';
import type { AnnotateReply, AnnotationsReply } from '../operations/annotations.ts';
import type { RemovalProgress, Trouble } from '../operations/catalogue.ts';
import type { Imported } from '../operations/lineage.ts';
import type { BrokenLog } from '../operations/logs.ts';
import type { PresenceReply } from '../operations/presence.ts';
import type { ReplyOf } from '../operations/row.ts';
import type {
  CheckpointReply,
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
import type {
  CheckpointAnnotation,
  ExecuteResult,
  ISessionClient,
  SessionEvent,
  SessionMetadata,
} from '../types.ts';
import { type AnnotateOptions, type AnnotationFilter, type AnnotationWish, isSought } from './annotations.ts';
import { AnyWorkerCalls } from './any-worker-calls.ts';
import { newCommandId } from './command-id.ts';
import { Following } from './following.ts';
import { bringLog, type LogSource } from './import.ts';
import type { ExecuteOptions, ImportOptions, LookOptions } from './options.ts';
import { SessionPasts } from './pasts.ts';
import type { Salvaged } from './salvage.ts';
import { SessionCalls } from './session-calls.ts';
import type { Shown } from './shown.ts';
import { Snapshots } from './snapshots.ts';
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
export class SessionClient extends SessionPasts implements ISessionClient {
  /** Moments of sessions that are kept. */
  readonly snapshots = new Snapshots(this);
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  readonly #calls: SessionCalls;

  constructor({ bus, subjects, clock = systemClock, newId = () => newCommandId(clock) }: ClientPorts) {
    super({
      newId,
      any: new AnyWorkerCalls(bus, subjects, clock),
      storage: new StorageCalls(bus, subjects, clock),
    });
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
    this.#calls = new SessionCalls(bus, subjects, clock);
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
    const { commandId = this.newId(), timeoutMs, signal } = options;
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
    if (reply.error) throw Object.assign(new Error(reply.error.message), reply.error);
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

  /** The same, and says which one it is. @throws RepriseError NOT_FOUND, CLOSED */
  async checkpoint(session: string, options: LookOptions = {}): Promise<Required<CheckpointReply>> {
    const { seq, stateId } = await this.#ask({ op: 'checkpoint', session: normalName(session) }, options);
    if (stateId === undefined) throw closedError(session);
    return { seq, stateId };
  }

  /**
   * Says something of a moment of a session, says something else of it, or takes that back. It never touches what the
   * session holds or does.
   * @throws RepriseError NOT_FOUND (no such session, event or annotation), CLOSED, BAD_REQUEST, TOO_LARGE
   */
  async annotate(
    session: string,
    wish: AnnotationWish,
    options: AnnotateOptions = {},
  ): Promise<AnnotateReply> {
    const { commandId = this.newId(), ...rest } = options;
    return this.#ask({ op: 'annotate', session: normalName(session), ...wish, commandId }, rest);
  }

  /** What is said of the moments of a session, oldest first, snapshots included. @throws RepriseError NOT_FOUND */
  async annotations(
    session: string,
    filter: AnnotationFilter = {},
    options: LookOptions = {},
  ): Promise<CheckpointAnnotation[]> {
    const all: CheckpointAnnotation[] = [];
    for (let from: number | null = 0; from !== null; ) {
      const page: AnnotationsReply = await this.any.ask(
        'annotations',
        { session, from },
        `'${session}'`,
        options,
      );
      all.push(...page.annotations);
      from = page.next;
    }
    return all.filter((one) => isSought(one, filter));
  }

  async listSessions(): Promise<SessionMetadata[]> {
    return (await this.storage.list()).sessions;
  }

  /** Every session, and why some of them cannot be restored or read: the latter have no metadata. */
  overview(): Promise<{ sessions: SessionMetadata[]; troubles: Trouble[] }> {
    return this.storage.list();
  }

  /** Metadata of a session, null when there is none. */
  async getSession(name: string): Promise<SessionMetadata | null> {
    return this.storage.get(normalName(name));
  }

  /**
   * Ends a session for good; false when there was none. A new one of its name may begin at once, its own content goes
   * in the background: `removal` tells how far that is.
   */
  async deleteSession(name: string): Promise<boolean> {
    return this.storage.delete(normalName(name));
  }

  /** How much of ended sessions of this name is still to be removed; null: nothing. */
  async removal(name: string): Promise<RemovalProgress | null> {
    return this.storage.removal(normalName(name));
  }

  /** Events with seq `from` to `to` (both included), oldest first; with `follow` also those to come. */
  events(
    session: string,
    from = 0,
    to?: number,
    options: Omit<EventRange, 'from' | 'to'> = {},
  ): AsyncIterable<SessionEvent> {
    return this.storage.events(session, { from, to, ...options });
  }

  /** A session up to the commit with event `to`, as bytes of a file that proves itself (`bundle.ts`). */
  bundle(session: string, to: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.storage.bundle(session, to, signal);
  }

  /** Everything readable of a session whose log is not whole, and where it breaks; slower than `events`. */
  salvage(session: string): AsyncIterable<Salvaged> {
    return this.storage.salvage(session);
  }

  /** Sessions whose logs are not whole, as far as their links tell, and how many were looked at. */
  examine(): Promise<{ broken: BrokenLog[]; examined: number }> {
    return this.storage.examine();
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
    const ports = { bus: this.#bus, subjects: this.#subjects, clock: this.#clock, storage: this.storage };
    return new Following(ports, normalName(session), from, show);
  }

  /**
   * Begins a session out of a log (`contractLog` reads one that anybody may have written); it goes on where the log ends.
   * It has an id of its own. Where re-execution gives something else than the log, `divergence` says so: then there are
   * no variables, and no cell can run.
   * @throws what the source throws; RepriseError as `bringLog`
   */
  async importLog(name: string, source: LogSource, options: ImportOptions = {}): Promise<Imported> {
    const { commandId = this.newId(), ...rest } = options;
    const ports = { bus: this.#bus, subjects: this.#subjects, clock: this.#clock };
    return bringLog(source, { session: normalName(name), commandId }, ports, rest);
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

function closedError(session: string): RepriseError {
  return new RepriseError('CLOSED', `session ${JSON.stringify(session)} is closed: it takes no checkpoint`, {
    hint: '`reprise fork` goes on from before its end',
  });
}
