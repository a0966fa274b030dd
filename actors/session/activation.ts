/**
 * Activation: from the log to a live kernel. Newest checkpoint, then the commits after it, each checked
 * against the hash chain and compared with what re-execution gives. Without a usable checkpoint the whole
 * log is replayed: checkpoints cost time when they are lost, never data.
 */
import { CHAIN_START, type ChainPlace, ChainReader, lastSeqOf, placeAfter } from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { restoredCommits, scopeOf } from '../../bus/large.ts';
import type { LivePrinted } from '../../bus/live.ts';
import type { PassedOver } from '../../bus/operations/sessions.ts';
import type { Divergence } from '../../bus/operations/workers.ts';
import type { EventOf, StoredCommit } from '../../bus/types.ts';
import { BEHAVIOUR_VERSION } from '../kernel/behaviours.ts';
import type { BootParameters, KernelHost } from '../kernel/port.ts';
import { makeBreath } from './breath.ts';
import { applyCommit, emptyFold, placeAt } from './fold.ts';
import { decodeFold } from './fold-codec.ts';
import type { SessionFold } from './fold-shape.ts';
import type { SessionPorts, SessionStore } from './ports.ts';
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
  /** The heap at the checkpoint; null: the whole log is replayed. */
  image: { bytes: Uint8Array; stateId: string } | null;
  tail: StoredCommit[];
  /** Checkpoints that are of no use. */
  passedOver: PassedOver[];
  /** It could not be restored the last time. */
  troubled?: boolean;
}

type LoadPorts = Pick<SessionPorts, 'store' | 'kernel' | 'log' | 'show' | 'onRestored'>;

/** A kernel version that no checkpoint has: asks for the whole log. */
export const NO_KERNEL = '';

/** Checkpoints that are tried before the whole log is replayed. */
const CHECKPOINTS_TRIED = 3;

/**
 * Reads what activation needs. A checkpoint whose heap or fold is missing or damaged is passed over, and said so.
 * @param passedOver checkpoints that are known to be of no use
 * @throws RepriseError when storage cannot be reached, CORRUPT, CHAIN_BROKEN
 */
export async function loadSession(
  name: string,
  ports: LoadPorts,
  kernelVersion = ports.kernel.version,
  passedOver: readonly PassedOver[] = [],
): Promise<Loaded> {
  const { store, log } = ports;
  const version = passedOver.length < CHECKPOINTS_TRIED ? kernelVersion : NO_KERNEL;
  const reply = await store.load(name, version, passedOver.at(-1)?.position);
  const { checkpoint } = reply;
  // The commit that an activation starts from is as good as its hash; those after it are checked against it.
  const reader = new ChainReader(checkpoint ? null : CHAIN_START);
  if (checkpoint) reader.check(checkpoint);
  let start: { fold: SessionFold; image: Loaded['image'] } = { fold: emptyFold(name), image: null };
  if (checkpoint) {
    try {
      start = await startAt(checkpoint, store);
    } catch (error) {
      if (!hasCode(error, 'CORRUPT')) throw error;
      const passed = passOver(name, placeAfter(checkpoint), error, log);
      return loadSession(name, ports, kernelVersion, [...passedOver, passed]);
    }
  }
  const tail = [...reply.tail];
  if (reply.more) {
    const last = tail.at(-1)?.commit;
    const from = last ? last.first + last.events.length : start.fold.seq + 1;
    for await (const stored of store.read(name, from)) tail.push(stored);
  }
  const breath = makeBreath();
  for (const stored of tail) {
    reader.check(stored);
    const pause = breath(stored.commit.events.length);
    if (pause) await pause;
  }
  return {
    ...start,
    tail: await restoredCommits(tail, store),
    passedOver: [...passedOver],
    troubled: reply.troubled,
  };
}

/** The fold and the heap of a checkpoint. @throws RepriseError CORRUPT when one is missing or cannot be read */
async function startAt(checkpoint: StoredCommit, store: SessionStore) {
  const { commit } = checkpoint;
  const { fold: inline, foldLarge, head } = commit;
  const bytes = foldLarge ? await store.getLarge(scopeOf(head.id), foldLarge) : inline;
  if (!bytes) throw new RepriseError('CORRUPT', 'it lacks its session state');
  const fold = decodeFold(bytes);
  if (fold.id !== head.id || fold.seq !== lastSeqOf(commit)) {
    throw new RepriseError('CORRUPT', 'its session state is that of another commit');
  }
  const stateId = head.checkpoint?.stateId ?? '';
  const image = await store.image(stateId);
  if (!image) throw new RepriseError('CORRUPT', `its heap image ${stateId} is missing`);
  return { fold: placeAt(fold, checkpoint), image: { bytes: image, stateId } };
}

function passOver(
  session: string,
  { position, next }: Pick<ChainPlace, 'position' | 'next'>,
  { message: why }: RepriseError,
  log: LoadPorts['log'],
): PassedOver {
  const passed = { position, seq: next - 1, why };
  log.warn(
    { session, ...passed },
    'checkpoint cannot be used: starting from an older one, or from the first event',
  );
  return passed;
}

/** Brings a session's kernel to the state of the log. The caller owns `key` in the kernel host. */
export async function replaySession(
  loaded: Loaded,
  key: string,
  ports: LoadPorts,
): Promise<ReplayResult & { fold: SessionFold }> {
  const { kernel, log, show, store } = ports;
  const { fold, tail, image, passedOver } = loaded;
  if (image) {
    try {
      await kernel.open(key, { image: image.bytes, stateId: image.stateId });
    } catch (error) {
      if (!hasCode(error, 'CORRUPT')) throw error;
      const passed = passOver(fold.name, { position: fold.log.position, next: fold.seq + 1 }, error, log);
      const older = await loadSession(fold.name, ports, kernel.version, [...passedOver, passed]);
      return replaySession(older, key, ports);
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
  ports.onRestored?.(passedOver);
  if (loaded.troubled && !result.divergence) {
    // A record that stays costs a look, and goes with the next restoration.
    await store.trouble(fold.name, kernel.version, null).catch(() => {});
  }
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
    {
      hint: 'nothing was changed. `reprise replay` shows the difference, `reprise show --at-last-good` the state before it',
    },
  );
}
