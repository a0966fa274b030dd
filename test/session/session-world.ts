/** One session on virtual time: a toy kernel, a store whose appends a test can hold or refuse, effects by hand. */

import type { EffectAnswer } from '../../actors/effects/kind.ts';
import { SessionInterpreter } from '../../actors/session/interpreter.ts';
import { DEFAULT_SETTINGS, type SessionSettings } from '../../actors/session/ports.ts';
import { metadataOf } from '../../actors/worker/reports.ts';
import { RepriseError } from '../../bus/errors.ts';
import { type LargeStore, restoredEvents } from '../../bus/large.ts';
import { limitsOf, PAYLOAD_BYTES_OURS } from '../../bus/limits.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import { sessionToken } from '../../bus/subjects.ts';
import type { Commit, SessionEvent } from '../../bus/types.ts';
import { History } from '../../storage/history.ts';
import { MemoryLog } from '../../storage/memory-log.ts';
import { makeVirtualClock } from '../kit/virtual-clock.ts';
import type { Op } from '../simulation/toy-heap.ts';
import { ToyKernel } from '../simulation/toy-kernel.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export class SessionWorld {
  readonly clock = makeVirtualClock();
  readonly log = new MemoryLog();
  /** Every append waits for it; a test that wants to refuse one throws in it. */
  onAppend: (commit: Commit) => Promise<void> | void = () => {};
  /** Effects that were started, with what answers them. */
  readonly started: { effect: number; answer: (answer: EffectAnswer) => void; cancelled: boolean }[] = [];
  readonly settings: SessionSettings = { ...DEFAULT_SETTINGS, softReplayMs: 1e9, hardReplayMs: 1e9 };
  readonly #large = new Map<string, Uint8Array>();
  readonly #largeStore: Pick<LargeStore, 'getLarge'> = {
    getLarge: async (scope, { sha256 }) => this.#large.get(`${scope}.${sha256}`)!,
  };
  #onFind: Promise<void> | undefined;
  hopMs = 0;
  /** The session was removed from the store. */
  removed = false;
  ended: { why: string; error: unknown } | null = null;
  kernel = new ToyKernel(this.clock, () => this.hopMs);
  session = this.activate();
  #ids = 0;
  readonly #images = new Map<string, Uint8Array>();

  /** As another worker would: a new interpreter on a new kernel. */
  activate(): SessionInterpreter {
    this.kernel = new ToyKernel(this.clock, () => this.hopMs);
    const history = new History(this.log);
    const { log } = this;
    const token = sessionToken('s');
    this.session = new SessionInterpreter(
      's',
      {
        worker: 'w',
        kernel: this.kernel,
        clock: this.clock,
        log: silent,
        newId: () => `id-${++this.#ids}`,
        settings: this.settings,
        store: {
          limits: limitsOf(PAYLOAD_BYTES_OURS),
          append: async (commit, expected) => {
            if (this.removed) throw new RepriseError('NOT_FOUND', 'the session was removed');
            await this.onAppend(commit);
            return log.append(commit, expected);
          },
          load: (_name, kernel) => history.load(token, kernel, 1e6),
          read: async function* (_name, from) {
            yield* (await history.read(token, from)).commits;
          },
          scan: async function* () {
            yield await log.scan(token, 0, 1_000);
          },
          find: async (_name, commandId, within) => {
            await this.#onFind;
            if (this.removed) return { events: [] };
            const { events, more } = await history.find(token, commandId, within);
            return { events: await restoredEvents(events, this.session.fold.id, this.#largeStore), more };
          },
          get: async () => (this.removed ? null : metadataOf(this.session.fold)),
          trouble: async () => {},
          image: async (stateId) => this.#images.get(stateId) ?? null,
          putLarge: async (scope, { sha256 }, bytes) => {
            this.#large.set(`${scope}.${sha256}`, bytes);
          },
          ...this.#largeStore,
          putImage: async (stateId, bytes) => {
            this.#images.set(stateId, bytes);
            return true;
          },
        },
        effects: {
          start: (_session, { effect }, answer) => {
            const one = { effect, answer, cancelled: false };
            this.started.push(one);
            return {
              cancel: () => {
                one.cancelled = true;
              },
            };
          },
        },
      },
      {
        onCommitted() {},
        onEnd: (why, error) => {
          this.ended = { why, error };
        },
      },
    );
    this.session.start();
    return this.session;
  }

  submit(commandId: string, ops: Op[]): Promise<ExecuteReply> {
    const command = JSON.stringify(ops);
    const reply = this.session.submit({ op: 'execute', session: 's', command, commandId });
    reply.catch(() => {});
    return reply;
  }

  /** Lets time pass until `work` is done. */
  async settled<T>(work: Promise<T>, limitMs = 60_000): Promise<T> {
    let done = false;
    const watched = work.finally(() => {
      done = true;
    });
    watched.catch(() => {});
    const end = this.clock.now() + limitMs;
    await this.clock.advance(0);
    while (!done) {
      if (this.clock.now() > end)
        throw new Error(`not within ${limitMs} ms; the session is ${this.session.state}`);
      await this.clock.advance(5);
    }
    return watched;
  }

  run(commandId: string, ops: Op[]): Promise<ExecuteReply> {
    return this.settled(this.submit(commandId, ops));
  }

  async events(): Promise<SessionEvent[]> {
    const { commits } = await new History(this.log).read(sessionToken('s'), 0);
    return commits.flatMap(({ commit }) => commit.events);
  }

  /** Holds appends until the function that comes back is called. */
  hold(): () => void {
    const { gate, open } = newGate();
    this.onAppend = () => gate;
    return () => {
      this.onAppend = () => {};
      open();
    };
  }

  /** The same for what is looked up in the log. */
  holdFind(): () => void {
    const { gate, open } = newGate();
    this.#onFind = gate;
    return open;
  }
}

function newGate(): { gate: Promise<void>; open: () => void } {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { gate, open };
}
