/** Builds commits out of a fold and new events. Pure; the id and the time are arguments. */
import { canonical, commitHash } from '../../bus/codec.ts';
import type { Commit, SessionEvent } from '../../bus/types.ts';
import { applyEvents, isUnfinished, seqOf, wakeAt } from './fold.ts';
import { encodeFold } from './fold-codec.ts';
import type { SessionFold } from './fold-shape.ts';

export interface CommitFacts {
  commit: string;
  epoch: number;
  kernel: string;
  atMs: number;
}

/**
 * The commit that appends `events` to `fold`, and the fold after it (its place in the log still the old one).
 * A commit with a checkpoint event carries the fold, so that activation can start there.
 */
export function makeCommit(
  fold: SessionFold,
  events: SessionEvent[],
  facts: CommitFacts,
): { commit: Commit; next: SessionFold } {
  const next = applyEvents(fold, events);
  let imageBytes = 0;
  for (const event of events) if (event.type === 'checkpoint') imageBytes += event.sizeBytes ?? 0;
  const carries = events.some((event) => event.type === 'checkpoint');
  const body: Omit<Commit, 'hash'> = {
    v: 1,
    session: fold.token,
    commit: facts.commit,
    epoch: facts.epoch,
    first: seqOf(events[0]!),
    events,
    prev: fold.log.hash,
    kernel: facts.kernel,
    head: {
      name: next.name,
      id: next.id,
      created: next.created,
      at: new Date(facts.atMs).toISOString(),
      checkpointCount: next.checkpointCount,
      sizeBefore: fold.log.sizeBytes + imageBytes,
      tail: fold.log.tail,
    },
  };
  if (next.checkpoint) body.head.checkpoint = next.checkpoint;
  if (isUnfinished(next)) body.head.running = true;
  if (next.closed) body.head.closed = true;
  const wake = wakeAt(next);
  if (wake !== undefined) body.head.wakeAt = wake;
  if (carries) body.fold = encodeFold(next);
  // In canonical order once, so that nobody on its way has to sort it again.
  const commit = canonical({ ...body, hash: '' });
  commit.hash = commitHash(commit);
  return { commit, next };
}
