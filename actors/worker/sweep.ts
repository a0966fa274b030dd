/**
 * Finds sessions with unfinished work and no owner, and has a worker take them on: after a crash their cells go on
 * and their timers fire without anybody asking for the session.
 *
 * Any worker may sweep. One does at a time: whoever begins a round says so, and the others put off theirs. When it
 * dies, or is away, the next one's time comes. Two that begin together do no harm: looking is cheap, and of two owners
 * only one can commit.
 */
import { encode } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { parseAccepted } from '../../bus/long-call.ts';
import type { ListRequest } from '../../bus/operations/catalogue.ts';
import { CATALOGUE } from '../../bus/operations/catalogue.ts';
import type { OwnerRequest } from '../../bus/operations/sessions.ts';
import type { ActivateRequest } from '../../bus/operations/workers.ts';
import { WORKER } from '../../bus/operations/workers.ts';
import type { Bus, Clock, Subscription } from '../../bus/port.ts';
import { type Subjects, sessionToken } from '../../bus/subjects.ts';
import { parseReply } from '../../bus/wire.ts';
import type { Log } from '../timeline/ports.ts';

export interface SweepPorts {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  log: Log;
  /** Sessions that this worker has need no look. */
  isOurs(session: string): boolean;
  /** 0 to 1: spreads the rounds of workers that started together. Default: Math.random */
  random?: () => number;
}

const TIMEOUT_MS = 1_000;
const PAGE = 500;
/** Sessions that are looked at side by side. */
const WIDTH = 32;
/** Time between two rounds of a fleet, ms; each worker waits up to half as long again. */
const EVERY_MS = 2_000;
/** A session that no worker can take on (its log diverges, say) is left alone for this long. */
const REFUSED_MS = 300_000;

/** The sweeps of one worker. */
export class Sweeper {
  readonly #ports: SweepPorts;
  /** Sessions whose owner did not answer the last time. */
  #silent = new Set<string>();
  /** Sessions that were refused, and until when. */
  readonly #refused = new Map<string, number>();
  #subscription: Subscription | null = null;
  #next: { cancel(): void } | null = null;
  #sweeping = false;
  #stopped = false;

  constructor(ports: SweepPorts) {
    this.#ports = ports;
  }

  start(): void {
    const { bus, subjects } = this.#ports;
    // One's own word comes back, too, and is the reason to wait as the others do.
    this.#subscription = bus.subscribe(subjects.sweep, () => {
      if (!this.#sweeping) this.#later();
    });
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    this.#subscription?.unsubscribe();
    this.#next?.cancel();
  }

  #later(): void {
    const { clock, log, random = Math.random } = this.#ports;
    this.#next?.cancel();
    if (this.#stopped) return;
    const round = () => {
      this.sweep()
        .catch((thrown) => log.debug({ error: String(thrown) }, 'a sweep was cut short'))
        .finally(() => this.#later());
    };
    this.#next = clock.setTimer(round, EVERY_MS * (1 + random() / 2));
  }

  /** One round. Returns how many sessions were handed to a worker. @throws RepriseError when storage is away */
  async sweep(): Promise<number> {
    const { bus, subjects, clock, isOurs } = this.#ports;
    if (!bus.connected) return 0;
    this.#sweeping = true;
    try {
      bus.publish(subjects.sweep, encode({}));
      const silent = new Set<string>();
      let handed = 0;
      let after: string | undefined;
      do {
        const list: ListRequest = { unfinishedAt: clock.now(), limit: PAGE, after };
        const answer = await bus.request(subjects.store('list'), encode(list), { timeoutMs: TIMEOUT_MS });
        const page = parseReply(CATALOGUE.list.reply, answer);
        const names = page.sessions.flatMap(({ name }) => (isOurs(name) ? [] : [name]));
        for (let at = 0; at < names.length && !this.#stopped; at += WIDTH) {
          const looks = names.slice(at, at + WIDTH).map((name) => this.#look(name, silent));
          handed += (await Promise.all(looks)).filter(Boolean).length;
        }
        after = page.next ?? undefined;
      } while (after !== undefined && !this.#stopped);
      this.#silent = silent;
      return handed;
    } finally {
      this.#sweeping = false;
    }
  }

  /** Hands a session that nobody has to a worker. */
  async #look(session: string, silent: Set<string>): Promise<boolean> {
    const { bus, subjects, clock, log } = this.#ports;
    if ((this.#refused.get(session) ?? 0) > clock.now()) return false;
    this.#refused.delete(session);
    try {
      if (!(await this.#isAbandoned(session, silent))) return false;
      const request: ActivateRequest = { session };
      const answer = await bus.request(subjects.activate, encode(request), { timeoutMs: TIMEOUT_MS });
      if (!parseAccepted(answer)) parseReply(WORKER.activate.reply, answer);
      return true;
    } catch (thrown) {
      const error = RepriseError.from(thrown);
      // Of what may pass, the next round tries again.
      if (!error.retryable) this.#refused.set(session, clock.now() + REFUSED_MS);
      log.warn({ session, code: error.code, error: error.message }, 'session cannot be taken on');
      return false;
    }
  }

  /** Whether nobody owns the session: nobody is subscribed, or its owner was silent twice in a row. */
  async #isAbandoned(session: string, silent: Set<string>): Promise<boolean> {
    const { bus, subjects } = this.#ports;
    const owner: OwnerRequest = { op: 'owner', session };
    try {
      await bus.request(subjects.cmd(sessionToken(session)), encode(owner), { timeoutMs: TIMEOUT_MS });
      return false;
    } catch (error) {
      if (hasCode(error, 'NO_RESPONDERS')) return true;
      if (!hasCode(error, 'TIMEOUT')) throw error;
      if (this.#silent.has(session)) return true;
      silent.add(session);
      return false;
    }
  }
}
