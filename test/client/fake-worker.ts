/** A worker without a kernel: speaks the protocol of the bus, and fails on command. */
import { decode, encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { answerLong } from '../../bus/long-call.ts';
import type { PresenceReply } from '../../bus/operations/presence.ts';
import type { ExecuteRequest, SessionRequest } from '../../bus/operations/sessions.ts';
import type { ActivateRequest } from '../../bus/operations/workers.ts';
import type { Bus, BusMessage, Clock, Subscription } from '../../bus/port.ts';
import { QUEUES, type Subjects, sessionToken } from '../../bus/subjects.ts';

export type Script = (request: SessionRequest, worker: FakeWorker) => Promise<object> | object;

export class FakeWorker {
  readonly id: string;
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly clock: Clock;
  /** What arrived, with the subject it came on. */
  readonly heard: { subject: string; request: SessionRequest }[] = [];
  state = 'running';
  #script: Script;
  readonly #owned = new Map<string, Subscription>();

  constructor(id: string, bus: Bus, subjects: Subjects, clock: Clock, script: Script = executed) {
    this.id = id;
    this.bus = bus;
    this.subjects = subjects;
    this.clock = clock;
    this.#script = script;
    const activate = (message: BusMessage) => this.#answer(message);
    bus.subscribe(subjects.activate, activate, { queue: QUEUES.workers });
    bus.subscribe(subjects.activateAt(id), activate);
    const presence = (message: BusMessage) => void message.respond(encode({ ok: true, ...this.presence() }));
    bus.subscribe(subjects.who, presence);
    bus.subscribe(subjects.ping(id), presence);
  }

  /** Behaves differently from now on. */
  play(script: Script): void {
    this.#script = script;
  }

  /** Commands executed here, by their id. */
  get commandIds(): string[] {
    return this.heard.map(({ request }) => (request as ExecuteRequest).commandId);
  }

  presence(): PresenceReply {
    return { role: 'worker', process: this.id, pid: process.pid, state: this.state, version: '0' };
  }

  own(session: string): void {
    if (this.#owned.has(session)) return;
    const subject = this.subjects.cmd(sessionToken(session));
    this.#owned.set(
      session,
      this.bus.subscribe(subject, (message) => this.#answer(message), { queue: QUEUES.owner }),
    );
  }

  disown(session: string): void {
    this.#owned.get(session)?.unsubscribe();
    this.#owned.delete(session);
  }

  #answer(message: BusMessage): Promise<void> {
    const sent = decode(message.data) as SessionRequest | ActivateRequest;
    const request = 'op' in sent ? sent : sent.request!;
    this.heard.push({ subject: message.subject, request });
    const work = async () => {
      const reply = await this.#script(request, this);
      this.own(request.session);
      return encode({ ok: true, ...reply });
    };
    return answerLong(message, this.id, work, { clock: this.clock });
  }
}

/** Answers every request as if it had been executed by `worker`. */
export function executed(request: SessionRequest, worker: FakeWorker): object {
  if (request.op !== 'execute') return { seq: 1 };
  return {
    session: request.session,
    commandId: request.commandId,
    seq: [1, 2],
    output: request.command,
    shouldExit: false,
    stdout: '',
    stderr: '',
    error: null,
    durationMs: 1,
    worker: worker.id,
    repeated: false,
  };
}

/** Works for `ms`, then answers as usual. */
export function slowly(ms: number): Script {
  return async (request, worker) => {
    await new Promise<void>((resolve) => worker.clock.setTimer(resolve, ms));
    return executed(request, worker);
  };
}

/** Fails with the codes in turn, then answers as usual. */
export function failing(...codes: RepriseError['code'][]): Script {
  const left = [...codes];
  return (request, worker) => {
    const code = left.shift();
    if (code) throw new RepriseError(code, `as scripted: ${code}`);
    return executed(request, worker);
  };
}
