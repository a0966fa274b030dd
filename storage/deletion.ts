/**
 * Deletes a session: its receipts and checkpoint images first, its log last, so that a deletion which is cut
 * short leaves a whole session (checkpoints are derivable) and can be repeated.
 *
 * Images are shared by content. One that is another session's newest checkpoint stays; an older one that some
 * other session's log also names goes, and that session then replays from further back.
 *
 * What is still on its way must not stay behind. A model call without an answer has its receipt sealed:
 * something else takes its place, and since the first writer of a receipt wins, the answer cannot be stored any more.
 * An image whose commit comes too late goes when that commit is refused (`forgetImages`).
 */
import { hasCode } from '../bus/errors.ts';
import { scopeOf } from '../bus/large.ts';
import type { Commit, SessionEvent, StoredCommit } from '../bus/types.ts';
import type { BlobParts } from './blob-parts.ts';
import type { History } from './history.ts';
import type { LogStore } from './ports.ts';
import type { SessionIndex } from './session-index.ts';

export interface DeletionPorts {
  log: LogStore;
  blobs: BlobParts;
  history: History;
  index: SessionIndex;
}

/** What a session keeps beside its log. */
interface Belongings {
  images: Set<string>;
  receipts: Set<string>;
  /** Receipts of calls that have no answer in the log. */
  awaited: Set<string>;
  /** Of its large values. */
  scope: string | null;
}

/** How often a session that goes on writing while it is deleted is looked through again. */
const ROUNDS_MAX = 5;
/** How often a receipt that was stored at the same moment is taken away again. */
const SEALS_MAX = 3;

/** Returns false when there was no such session. @throws RepriseError of the stores */
export async function deleteSession(token: string, ports: DeletionPorts): Promise<boolean> {
  const { log, blobs } = ports;
  const found: Belongings = { images: new Set(), receipts: new Set(), awaited: new Set(), scope: null };
  let seen = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const last = await newest(log, token);
    if (last === null) return false;
    if (last === 'unreadable' || last.position === seen) break;
    seen = last.position;
    await collect(last, found, ports.history);
    await forgetUnshared(token, [...found.images], ports);
    await blobs.remove('receipt', [...found.receipts]);
  }
  if (found.scope !== null) await blobs.removeScope(found.scope);
  const removed = await log.remove(token);
  for (const key of found.awaited) await seal(blobs, key);
  return removed;
}

/** Removes the images that a commit names which was refused because its session is gone. @throws of the stores */
export async function forgetImages(commit: Commit, ports: DeletionPorts): Promise<void> {
  const images = commit.events.flatMap((event) => (event.type === 'checkpoint' ? [event.stateId] : []));
  if (images.length === 0 || (await ports.log.last(commit.session))) return;
  await forgetUnshared(commit.session, images, ports);
}

/** A damaged log can be deleted too; what it can no longer name stays behind. */
async function newest(log: LogStore, token: string): Promise<StoredCommit | 'unreadable' | null> {
  try {
    return await log.last(token);
  } catch (thrown) {
    if (hasCode(thrown, 'CORRUPT')) return 'unreadable';
    throw thrown;
  }
}

async function collect(last: StoredCommit, found: Belongings, history: History): Promise<void> {
  found.scope = scopeOf(last.commit.head.id);
  const answered = new Set<string>();
  const note = (event: SessionEvent) => {
    if (event.type === 'checkpoint') found.images.add(event.stateId);
    if (event.type === 'llm_req') found.receipts.add(event.receiptKey);
    if (event.type === 'llm_resp') answered.add(event.receiptKey);
  };
  try {
    for await (const batch of history.backwards(last)) {
      for (const { commit } of batch) for (const event of commit.events) note(event);
    }
  } catch (thrown) {
    if (!hasCode(thrown, 'CORRUPT')) throw thrown;
  }
  found.awaited = new Set([...found.receipts].filter((key) => !answered.has(key)));
}

async function forgetUnshared(
  token: string,
  images: string[],
  { index, blobs }: DeletionPorts,
): Promise<void> {
  if (images.length === 0) return;
  const shared = await index.checkpointsOfOthers(token);
  await blobs.remove(
    'ckpt',
    images.filter((stateId) => !shared.has(stateId)),
  );
}

async function seal(blobs: BlobParts, key: string): Promise<void> {
  for (let attempt = 0; attempt < SEALS_MAX; attempt++) {
    if (await blobs.seal('receipt', key)) return;
    await blobs.remove('receipt', [key]);
  }
}
