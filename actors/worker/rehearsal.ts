/**
 * The first session of a new process is restored 20 times slower than later ones: nothing of ours has been compiled
 * yet. A worker is most needed right after another one died, so it rehearses while it is idle: sessions that nobody
 * sees are executed, written, loaded and replayed, against a store that forgets them.
 */

import { decode, encode } from '../../bus/codec.ts';
import { limitsOf, PAYLOAD_BYTES_OURS } from '../../bus/limits.ts';
import type { Clock } from '../../bus/port.ts';
import type { Commit, StoredCommit } from '../../bus/types.ts';
import type { KernelHost } from '../kernel/port.ts';
import { SessionInterpreter } from '../session/interpreter.ts';
import type { SessionPorts, SessionStore } from '../session/ports.ts';
import type { Log } from '../timeline/ports.ts';

export interface RehearsalPorts {
  kernel: KernelHost;
  clock: Clock;
  log: Log;
  newId(): string;
  /** Counts real requests: while they come, the rehearsal waits. */
  served(): number;
}

const ROUNDS = 8;
const CELLS = 12;
const NAME = 'rehearsal';
const BUSY_MS = 100;
/** Checkpoints and early commits are not rehearsed. */
const SETTINGS = {
  softReplayMs: 1e9,
  hardReplayMs: 1e9,
  earlyCommitMs: 1e9,
  idleMs: 1e9,
  backgroundTurnsMax: 1e9,
};

/** Resolves when the rehearsal is over; never rejects: what goes wrong here harms nobody. */
export async function rehearse({ kernel, clock, log, newId, served }: RehearsalPorts): Promise<void> {
  const ports: Omit<SessionPorts, 'store'> = {
    worker: NAME,
    kernel,
    clock,
    newId,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    effects: { start: () => ({ cancel() {} }) },
    settings: SETTINGS,
  };
  let seen = served();
  const quiet = async () => {
    while (served() !== seen) {
      seen = served();
      await new Promise<void>((resolve) => clock.setTimer(resolve, BUSY_MS));
    }
  };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const store = forgetfulStore();
      await act({ ...ports, store }, CELLS, quiet);
      await act({ ...ports, store }, 1, quiet);
    }
  } catch (error) {
    log.debug({ error: String(error) }, 'rehearsal ended');
  }
}

/** A session from its activation to its end. */
async function act(ports: SessionPorts, cells: number, quiet: () => Promise<void>): Promise<void> {
  const listener = { onCommitted() {}, onEnd() {} };
  const interpreter = new SessionInterpreter(NAME, ports, listener);
  interpreter.start();
  try {
    for (let cell = 0; cell < cells; cell++) {
      const command = cell === 0 ? 'var x = 0; console.log("begin")' : 'x = x + 1';
      await quiet();
      await interpreter.submit({ op: 'execute', session: NAME, command, commandId: ports.newId() });
    }
  } finally {
    interpreter.retire();
  }
}

function forgetfulStore(): SessionStore {
  const commits: StoredCommit[] = [];
  return {
    limits: limitsOf(PAYLOAD_BYTES_OURS),
    async append(commit) {
      const bytes = encode(commit);
      const position = commits.length + 1;
      commits.push({ commit: decode(bytes) as Commit, position, sizeBytes: bytes.byteLength });
      return { position, sizeBytes: bytes.byteLength, duplicate: false };
    },
    load: async () => ({ last: commits.at(-1) ?? null, checkpoint: null, tail: [...commits], more: false }),
    async *read() {},
    async *scan() {},
    find: async () => ({ events: [] }),
    get: async () => null,
    trouble: async () => {},
    image: async () => null,
    putImage: async () => true,
    putLarge: async () => {},
    getLarge: async () => new Uint8Array(),
  };
}
