/** Builds commits out of a fold and new events. Pure; the id and the time are arguments. */
import { canonical, commitHash, sha256 } from '../../bus/codec.ts';
import { cutShort, type LargeContent, largeBytesOf, largeContent } from '../../bus/large.ts';
import { limitsOf, PAYLOAD_BYTES_OURS, weightOf } from '../../bus/limits.ts';
import type { Commit, SessionEvent } from '../../bus/types.ts';
import { applyEvents, isUnfinished, seqOf, wakeAt } from '../timeline/fold.ts';
import { encodeFold } from '../timeline/fold-codec.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';

export interface CommitFacts {
  commit: string;
  epoch: number;
  kernel: string;
  atMs: number;
  /** More commits follow before the session is there. */
  partial?: boolean;
  /** What is larger goes out of the commit, bytes; default: what our own server takes. */
  inlineBytes?: number;
}

export interface Made {
  commit: Commit;
  /** The session after it, its place in the log still the old one. */
  next: SessionFold;
  /** Stored before the commit is: it names them. */
  large: LargeContent[];
}

/**
 * The commit that appends `events` to `fold`. A commit with a checkpoint event carries the fold, so that activation
 * can start there.
 */
export function makeCommit(fold: SessionFold, events: SessionEvent[], facts: CommitFacts): Made {
  const next = applyEvents(fold, events);
  const { inlineBytes = limitsOf(PAYLOAD_BYTES_OURS).inlineBytes } = facts;
  const large: LargeContent[] = [];
  const kept = events.map((event) => {
    if (weightOf(event) <= inlineBytes) return event;
    const content = largeContent(event);
    large.push(content);
    return cutShort(event, content.value);
  });
  let imageBytes = 0;
  for (const event of events) if (event.type === 'checkpoint') imageBytes += event.sizeBytes ?? 0;
  const carries = events.some((event) => event.type === 'checkpoint');
  const body: Omit<Commit, 'hash'> = {
    v: 1,
    session: fold.token,
    commit: facts.commit,
    epoch: facts.epoch,
    first: seqOf(events[0]!),
    events: kept,
    prev: fold.log.hash,
    kernel: facts.kernel,
    head: {
      name: next.name,
      id: next.id,
      created: next.created,
      at: new Date(facts.atMs).toISOString(),
      checkpointCount: next.checkpointCount,
      sizeBefore: fold.log.sizeBytes + imageBytes + largeBytesOf(kept),
      tail: fold.log.tail,
    },
  };
  if (next.checkpoint) body.head.checkpoint = next.checkpoint;
  if (isUnfinished(next)) body.head.running = true;
  if (next.closed) body.head.closed = true;
  if (facts.partial) body.head.partial = true;
  if (next.parent) body.head.parent = next.parent;
  const wake = wakeAt(next);
  if (wake !== undefined) body.head.wakeAt = wake;
  if (carries && next.ladder.length > 0) body.head.ladder = [...next.ladder];
  if (carries) carryFold(body, next, inlineBytes, large);
  // In canonical order once, so that nobody on its way has to sort it again.
  const commit = canonical({ ...body, hash: '' });
  commit.hash = commitHash(commit);
  return { commit, next, large };
}

function carryFold(
  body: Omit<Commit, 'hash'>,
  next: SessionFold,
  inlineBytes: number,
  large: LargeContent[],
): void {
  const bytes = encodeFold(next);
  if (bytes.byteLength <= inlineBytes) {
    body.fold = bytes;
    return;
  }
  const value = { sha256: sha256(bytes), bytes: bytes.byteLength };
  large.push({ value, bytes });
  body.foldLarge = value;
  body.head.sizeBefore += value.bytes;
}
