/**
 * Whether a commit may follow another. Pure: the facts of the previous commit come in, a refusal comes out.
 * What passes keeps the log's promises: seqs without gaps, an unbroken hash chain, a head whose numbers are true
 * (so that one read of the newest commit tells all of a session), and nothing after the end.
 */
import { CHAIN_START, type ChainPlace, lastSeqOf, linkFault } from '../bus/chain.ts';
import { RepriseError } from '../bus/errors.ts';
import { largeBytesOf } from '../bus/large.ts';
import { sessionToken } from '../bus/subjects.ts';
import {
  type Commit,
  type CommitHead,
  type SessionEvent,
  type StoredCommit,
  TAIL_LENGTH,
} from '../bus/types.ts';

/** What is needed of a session's newest commit to judge the next one. */
export interface Newest {
  position: number;
  hash: string;
  lastSeq: number;
  epoch: number;
  closed: boolean;
  /** Bytes of the session so far, this commit included. */
  sizeBytes: number;
  head: Pick<CommitHead, 'id' | 'name' | 'created' | 'checkpointCount' | 'parent' | 'partial'>;
  /** Positions of the newest commits, this one included and last. */
  tail: number[];
  checkpoint: { seq: number; stateId: string; position: number } | null;
}

/** What judging the next commit needs of a stored one. */
export function newestOf({ commit, position, sizeBytes }: StoredCommit): Newest {
  const { id, name, created, checkpointCount, checkpoint, sizeBefore, tail, parent, partial } = commit.head;
  return {
    position,
    hash: commit.hash,
    lastSeq: lastSeqOf(commit),
    epoch: commit.epoch,
    closed: commit.events.at(-1)?.type === 'closed',
    sizeBytes: sizeBefore + sizeBytes,
    head: { id, name, created, checkpointCount, parent, partial },
    tail: [...tail, position].slice(-TAIL_LENGTH),
    checkpoint: checkpoint ? { ...checkpoint, position: checkpoint.position ?? position } : null,
  };
}

/**
 * What judging the first commit of a fork needs: its parent as it was at the event that it goes on from.
 * @param point the commit that holds the event
 */
export function newestAtFork(commit: Commit, point: StoredCommit): Newest {
  const { head, first } = commit;
  const at = newestOf(point);
  return {
    ...at,
    lastSeq: first - 1,
    epoch: 0,
    closed: point.commit.events[first - 1 - point.commit.first]?.type === 'closed',
    sizeBytes: 0,
    head: { ...head, checkpointCount: at.head.checkpointCount },
    tail: [],
  };
}

/**
 * Refuses a commit that cannot follow `previous` (null: it is the session's first).
 * @param actualHash what the commit's content hashes to
 * @throws RepriseError SEQ_GAP, CHAIN_BROKEN, CLOSED, BAD_FORMAT
 */
export function assertFollows(commit: Commit, previous: Newest | null, actualHash: string): void {
  assertOwnHash(commit, actualHash);
  if (previous?.closed) {
    throw new RepriseError('CLOSED', `session ${JSON.stringify(previous.head.name)} is closed`);
  }
  assertLinked(commit, previous);
  assertEvents(commit);
  assertHead(commit, previous);
}

/** @throws RepriseError CHAIN_BROKEN when a commit's content does not hash to what it says */
export function assertOwnHash(commit: Commit, actualHash: string): void {
  if (commit.hash === actualHash) return;
  throw new RepriseError('CHAIN_BROKEN', `commit ${commit.commit} does not match its own hash`);
}

/** The commit will stand somewhere behind the one before: where is the log's matter. */
function assertLinked(commit: Commit, previous: Newest | null): void {
  const before: ChainPlace = previous ? { ...previous, next: previous.lastSeq + 1 } : CHAIN_START;
  const fault = linkFault(commit, Number.POSITIVE_INFINITY, before);
  if (fault?.kind === 'seq') throw new RepriseError('SEQ_GAP', `commit ${commit.commit} ${fault.what}`);
  if (fault?.kind === 'tail') refuse('head.tail', `it ${fault.what}`);
  if (fault) throw new RepriseError('CHAIN_BROKEN', `commit ${commit.commit} ${fault.what}`);
}

/** The events of one commit: `session` (of a fork: `fork`) first of all, `closed` last of all. What is copied begins nothing. */
function assertEvents({ events, first, head }: Commit): void {
  const start = head.parent ? head.parent.seq + 1 : 0;
  for (const [index, event] of events.entries()) {
    const isFirst = first + index === start;
    if ((event.type === 'session') !== (isFirst && !head.parent)) {
      refuse(`events.${index}.type`, 'the first event of a session, and no other, is its `session` event');
    }
    const begins = event.type === 'fork' && !event.copied;
    if (begins !== (isFirst && head.parent !== undefined)) {
      refuse(`events.${index}.type`, 'the first event of a fork, and no other, is its `fork` event');
    }
    if (event.type === 'closed' && index !== events.length - 1) {
      throw new RepriseError('CLOSED', 'nothing may follow a `closed` event');
    }
  }
}

function assertHead({ session, head, events, epoch, foldLarge }: Commit, previous: Newest | null): void {
  if (sessionToken(head.name) !== session) refuse('head.name', 'it does not belong to the session token');
  if (previous && epoch < previous.epoch) refuse('epoch', 'it is older than that of the commit before');
  const begin = beginOf(events[0]!) ?? previous!.head;
  if (head.id !== begin.id) refuse('head.id', 'it is not that of the event that began the session');
  if (head.created !== begin.created)
    refuse('head.created', 'it is not that of the event that began the session');
  if (!sameParent(head.parent, begin.parent))
    refuse('head.parent', 'it is not that of the event that began the session');
  if (previous && head.name !== previous.head.name)
    refuse('head.name', 'it is not that of the commit before');
  if (head.partial && previous && !previous.head.partial)
    refuse('head.partial', 'the session is there already');

  let { checkpointCount } = previous?.head ?? { checkpointCount: 0 };
  let sizeBefore = (previous?.sizeBytes ?? 0) + largeBytesOf(events) + (foldLarge?.bytes ?? 0);
  let checkpoint: CommitHead['checkpoint'] | null = previous?.checkpoint;
  for (const event of events) {
    if (event.type !== 'checkpoint') continue;
    checkpointCount += 1;
    sizeBefore += event.sizeBytes ?? 0;
    checkpoint = { seq: event.seq, stateId: event.stateId };
  }
  if (head.checkpointCount !== checkpointCount)
    refuse('head.checkpointCount', `it must be ${checkpointCount}`);
  if (head.sizeBefore !== sizeBefore) refuse('head.sizeBefore', `it must be ${sizeBefore}`);
  if (
    head.checkpoint?.seq !== checkpoint?.seq ||
    head.checkpoint?.stateId !== checkpoint?.stateId ||
    head.checkpoint?.position !== checkpoint?.position
  ) {
    refuse('head.checkpoint', 'it does not name the newest checkpoint');
  }
  const [rung] = head.ladder ?? [];
  const before = previous?.checkpoint;
  if (!rung) return;
  const { checkpointCount: number } = previous?.head ?? { checkpointCount: 0 };
  if (rung.number !== number || rung.seq !== before?.seq || rung.position !== before.position) {
    refuse('head.ladder', 'it does not begin with the checkpoint before');
  }
}

function beginOf(event: SessionEvent): Pick<CommitHead, 'id' | 'created' | 'parent'> | null {
  if (event.type === 'session') return { id: event.id, created: event.created };
  if (event.type !== 'fork' || event.copied) return null;
  return { id: event.id, created: event.timestamp, parent: event.parent };
}

function sameParent(one: CommitHead['parent'], other: CommitHead['parent']): boolean {
  if (!one || !other) return one === other;
  const { session, id, seq, position, hash } = one;
  return (
    session === other.session &&
    id === other.id &&
    seq === other.seq &&
    position === other.position &&
    hash === other.hash
  );
}

function refuse(path: string, why: string): never {
  throw new RepriseError('BAD_FORMAT', `commit.${path}: ${why}`);
}
