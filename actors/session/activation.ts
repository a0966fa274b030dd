/**
 * Activation: from the log to a live kernel. Newest checkpoint, then the commits after it, each checked
 * against the hash chain and compared with what re-execution gives. Without a usable checkpoint the whole
 * log is replayed: checkpoints cost time when they are lost, never data.
 */
import { CHAIN_START, ChainReader } from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { restoredCommits, scopeOf } from '../../bus/large.ts';
import type { Divergence, LivePrinted } from '../../bus/protocol.ts';
import type { EventOf, StoredCommit } from '../../bus/types.ts';
import { BEHAVIOUR_VERSION } from '../kernel/behaviours.ts';
import type { BootParameters, KernelHost } from '../kernel/port.ts';
import { makeBreath } from './breath.ts';
import { applyCommit, emptyFold, placeAt } from './fold.ts';
import { decodeFold } from './fold-codec.ts';
import type { SessionFold } from './fold-shape.ts';
import type { SessionPorts } from './ports.ts';
import { type ReplayKernel, type ReplayResult, replayEvents } from './replay.ts';

/** @throws RepriseError BAD_FORMAT when a newer Reprise began the session */
function bootParameters({ id, created, seed, version }: EventOf<'session'>): BootParameters {
  if (version > BEHAVIOUR_VERSION) {
    throw new RepriseError(
      'BAD_FORMAT',
      `the session was begun by a newer Reprise (its version is ${version}, this one knows ${BEHAVIOUR_VERSION})`,
      { hint: 'nothing was changed; upgrade, then try again' },
    );
  }
  return { sessionId: id, createdMs: Date.parse(created), seed: seed ?? id, version };
}

/** The kernel of one session under `key`, as replay sees it. */
export function replayKernel(
  kernel: KernelHost,
  key: string,
  show?: (printed: LivePrinted) => void,
): ReplayKernel {
  return {
    boot: (event) => kernel.open(key, { boot: bootParameters(event) }),
    apply: (step) => kernel.apply(key, step, show && ((printed) => show({ turn: step.seq, ...printed }))),
    applyAll: (steps) => kernel.applyAll(key, steps),
    stateId: async () => (await kernel.capture(key)).stateId,
  };
}

/** What the log holds of a session, before any of it runs. */
export interface Loaded {
  /** The fold at the checkpoint, or of an empty log. */
  fold: SessionFold;
  image: Uint8Array | null;
  tail: StoredCommit[];
}

type LoadPorts = Pick<SessionPorts, 'store' | 'kernel' | 'log' | 'show'>;

/** A kernel version that no checkpoint has: asks for the whole log. */
export const NO_KERNEL = '';

/** Reads what activation needs. @throws RepriseError when storage cannot be reached, CORRUPT, CHAIN_BROKEN */
export async function loadSession(
  name: string,
  ports: LoadPorts,
  kernelVersion = ports.kernel.version,
): Promise<Loaded> {
  const { store, log } = ports;
  let reply = await store.load(name, kernelVersion);
  let image: Uint8Array | null = null;
  if (reply.checkpoint) {
    const { stateId } = reply.checkpoint.commit.head.checkpoint ?? {};
    image = stateId ? await store.image(stateId) : null;
    if (!image) {
      log.warn({ session: name, stateId }, 'checkpoint image is missing: replaying the whole log');
      reply = await store.load(name, NO_KERNEL);
    }
  }
  let fold = emptyFold(name);
  // The commit that an activation starts from is as good as its hash; those after it are checked against it.
  const reader = new ChainReader(reply.checkpoint ? null : CHAIN_START);
  if (reply.checkpoint) reader.check(reply.checkpoint);
  if (reply.checkpoint && image) {
    const { commit } = reply.checkpoint;
    const { foldLarge } = commit;
    const bytes = foldLarge ? await store.getLarge(scopeOf(commit.head.id), foldLarge) : commit.fold;
    if (!bytes) throw new RepriseError('CORRUPT', `commit ${commit.commit} lacks its session state`);
    fold = placeAt(decodeFold(bytes), reply.checkpoint);
  }
  const tail = [...reply.tail];
  if (reply.more) {
    const last = tail.at(-1)?.commit;
    const from = last ? last.first + last.events.length : fold.seq + 1;
    for await (const stored of store.read(name, from)) tail.push(stored);
  }
  const breath = makeBreath();
  for (const stored of tail) {
    reader.check(stored);
    const pause = breath(stored.commit.events.length);
    if (pause) await pause;
  }
  return { fold, image, tail: await restoredCommits(tail, store) };
}

/** Brings a session's kernel to the state of the log. The caller owns `key` in the kernel host. */
export async function replaySession(
  loaded: Loaded,
  key: string,
  ports: LoadPorts,
): Promise<ReplayResult & { fold: SessionFold }> {
  const { kernel, log, show } = ports;
  let { fold, tail } = loaded;
  if (loaded.image) {
    try {
      await kernel.open(key, { image: loaded.image });
    } catch (error) {
      if (!hasCode(error, 'CORRUPT')) throw error;
      log.warn(
        { session: fold.name, error: error.message },
        'checkpoint image is damaged: replaying the whole log',
      );
      const whole = await loadSession(fold.name, ports, NO_KERNEL);
      ({ fold, tail } = whole);
    }
  }
  const events = tail.flatMap((stored) => stored.commit.events);
  const stacks = wroteAll(kernel.version, tail);
  // A turn that had not ended is run here: what it prints is seen again by those who have not seen it.
  const shown = show && ((printed: LivePrinted) => show(fold.name, printed));
  const replayed = replayKernel(kernel, key, shown);
  const result = await replayEvents(replayed, fold, events, { states: false, stacks });
  // Replay folds events; the place in the log comes from the stored commits.
  const placed = tail.reduce(applyCommit, fold);
  return { ...result, fold: result.divergence ? result.fold : placed };
}

/** Whether this version of the kernel has written all of the commits. */
export function wroteAll(kernelVersion: string, commits: readonly StoredCommit[]): boolean {
  return commits.every(({ commit }) => commit.kernel === kernelVersion);
}

/** A divergence as an error, with both sides. */
export function divergenceError(name: string, { seq, kind, expected, actual }: Divergence): RepriseError {
  return new RepriseError(
    'DIVERGED',
    `session ${JSON.stringify(name)} diverges from its log at seq ${seq} (${kind}): the log says ${expected}, re-execution gives ${actual}`,
    { hint: 'nothing was changed. `reprise replay` shows the difference; `reprise log` shows the events' },
  );
}
