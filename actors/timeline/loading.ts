/**
 * What a log holds of a session up to some event, before any of it is executed: the newest usable checkpoint and the
 * commits after it, each checked against the hash chain. Without a usable checkpoint it is the whole log: checkpoints
 * cost time when they are lost, never data.
 */
import {
  CHAIN_START,
  type ChainPlace,
  ChainReader,
  cutToSession,
  eventsOf,
  lastSeqOf,
  placeAfter,
} from '../../bus/chain.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { restoredCommits, scopeOf } from '../../bus/large.ts';
import type { LoadBounds } from '../../bus/operations/logs.ts';
import type { PassedOver } from '../../bus/operations/sessions.ts';
import type { SessionEvent, StoredCommit } from '../../bus/types.ts';
import { makeBreath } from './breath.ts';
import { emptyFold, placeAt, seqOf } from './fold.ts';
import { decodeFold } from './fold-codec.ts';
import type { SessionFold } from './fold-shape.ts';
import type { Log, TimelineStore } from './ports.ts';
import { beginsTurn } from './turn.ts';

/** A version that no kernel has: the whole log is read. */
const NO_KERNEL = '';
/** Checkpoints in a row that turned out to be of no use, before the whole log is replayed. */
const CHECKPOINTS_TRIED = 3;

export interface Loaded {
  /** The fold at the checkpoint, or of an empty log. */
  fold: SessionFold;
  /** The commit of the checkpoint. */
  checkpoint: StoredCommit | null;
  /** The heap at the checkpoint; null: all is executed from the first event on. */
  image: { bytes: Uint8Array; stateId: string } | null;
  /** What follows; when it was asked for up to a seq, also the rest of the turn that is under way there. */
  tail: StoredCommit[];
  /** Checkpoints that are of no use. */
  passedOver: PassedOver[];
  /** It could not be restored the last time. */
  troubled?: boolean;
}

export interface LoadPorts {
  store: TimelineStore;
  log: Log;
  /** Version of the kernel that will execute it. */
  kernelVersion: string;
}

export interface LoadWish {
  /** seq up to which; absent: all there is. */
  at?: number;
  /** No checkpoint is used. */
  fromStart?: boolean;
  /** Nothing is to be executed: the heap is not read. */
  heapless?: boolean;
  /** Checkpoints that are known to be of no use. */
  passedOver?: readonly PassedOver[];
}

/** @throws RepriseError when storage cannot be reached, CORRUPT, CHAIN_BROKEN */
export async function loadLog(name: string, wish: LoadWish, ports: LoadPorts): Promise<Loaded> {
  const { store, log } = ports;
  const { at, fromStart = false, passedOver = [] } = wish;
  const isWhole = fromStart || passedOver.length >= CHECKPOINTS_TRIED;
  const bounds: LoadBounds = {};
  if (passedOver.length > 0) bounds.before = passedOver.at(-1)!.position;
  if (at !== undefined) bounds.at = at;
  const reply = await store.load(name, isWhole ? NO_KERNEL : ports.kernelVersion, bounds);
  const { checkpoint } = reply;
  // The commit that an activation starts from is as good as its hash; those after it are checked against it.
  const reader = new ChainReader(checkpoint ? null : CHAIN_START);
  if (checkpoint) reader.check(checkpoint);
  let start: Pick<Loaded, 'fold' | 'image'> = { fold: emptyFold(name), image: null };
  if (checkpoint) {
    try {
      start = await startAt(name, checkpoint, store, wish);
    } catch (error) {
      if (!hasCode(error, 'CORRUPT')) throw error;
      const passed = passOver(name, placeAfter(checkpoint), error, log);
      return loadLog(name, { ...wish, passedOver: [...passedOver, passed] }, ports);
    }
  }
  const tail = [...reply.tail];
  if (reply.more && !tail.some((stored) => reaches(stored, at))) {
    const last = tail.at(-1);
    const read = last ? (last.upTo ?? lastSeqOf(last.commit)) : start.fold.seq;
    for await (const stored of store.read(name, read + 1)) {
      tail.push(stored);
      if (reaches(stored, at)) break;
    }
  }
  const breath = makeBreath();
  for (const stored of tail) {
    reader.check(stored);
    const pause = breath(stored.commit.events.length);
    if (pause) await pause;
  }
  return {
    ...start,
    checkpoint,
    tail: await restoredCommits(cutToSession(tail), store),
    passedOver: [...passedOver],
    troubled: reply.troubled,
  };
}

/** Whether the turn that is under way at a seq has ended in a commit or before it. */
function reaches(stored: StoredCommit, at: number | undefined): boolean {
  const events = eventsOf(stored);
  return at !== undefined && endOfTurn(events, at) < events.length;
}

/** Index of the first event behind seq `at` that belongs to no turn that is under way there. */
export function endOfTurn(events: readonly SessionEvent[], at: number): number {
  const index = events.findIndex((event) => seqOf(event) > at && beginsTurn(event));
  return index < 0 ? events.length : index;
}

/** The fold and the heap of a checkpoint. @throws RepriseError CORRUPT when one is missing or cannot be read */
async function startAt(
  name: string,
  checkpoint: StoredCommit,
  store: TimelineStore,
  { heapless = false }: LoadWish,
): Promise<Pick<Loaded, 'fold' | 'image'>> {
  // It may be that of the session's parent.
  const { token } = emptyFold(name);
  const fold = { ...(await foldAt(checkpoint, store)), name, token };
  if (heapless) return { fold, image: null };
  const stateId = checkpoint.commit.head.checkpoint?.stateId ?? '';
  const image = await store.image(stateId);
  if (!image) throw new RepriseError('CORRUPT', `its heap image ${stateId} is missing`);
  return { fold, image: { bytes: image, stateId } };
}

/** The fold that a checkpoint holds. @throws RepriseError CORRUPT when it is missing or cannot be read */
export async function foldAt(checkpoint: StoredCommit, store: TimelineStore): Promise<SessionFold> {
  const { commit } = checkpoint;
  const fold = decodeFold(await foldBytes(commit, store));
  if (fold.id !== commit.head.id || fold.seq !== lastSeqOf(commit)) {
    throw new RepriseError('CORRUPT', 'its session state is that of another commit');
  }
  return placeAt(fold, checkpoint);
}

/** The same as it is stored. @throws RepriseError CORRUPT when it is missing */
export async function foldBytes(
  { fold, foldLarge, head }: StoredCommit['commit'],
  store: Pick<TimelineStore, 'getLarge'>,
): Promise<Uint8Array> {
  const bytes = foldLarge ? await store.getLarge(scopeOf(head.id), foldLarge) : fold;
  if (!bytes) throw new RepriseError('CORRUPT', 'it lacks its session state');
  return bytes;
}

/** Takes note that a checkpoint is of no use. */
export function passOver(
  session: string,
  { position, next }: Pick<ChainPlace, 'position' | 'next'>,
  { message: why }: RepriseError,
  log: Log,
): PassedOver {
  const passed = { position, seq: next - 1, why };
  log.warn(
    { session, ...passed },
    'checkpoint cannot be used: starting from an older one, or from the first event',
  );
  return passed;
}
