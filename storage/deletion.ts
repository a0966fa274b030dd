/**
 * Deletes a session: its receipts and checkpoint images first, its log last, so that a deletion which is cut
 * short leaves a whole session (checkpoints are derivable) and can be repeated.
 *
 * Images are shared by content. One that is another session's newest checkpoint stays; an older one that some
 * other session's log also names goes, and that session then replays from further back. An image that the
 * session's owner stores while it is being deleted stays behind as garbage.
 */
import { hasCode } from '../bus/errors.ts';
import type { BlobParts } from './blob-parts.ts';
import type { History } from './history.ts';
import type { LogStore } from './ports.ts';
import type { SessionIndex } from './session-index.ts';

/** Returns false when there was no such session. @throws RepriseError of the stores */
export async function deleteSession(
  token: string,
  { log, blobs, history, index }: { log: LogStore; blobs: BlobParts; history: History; index: SessionIndex },
): Promise<boolean> {
  const images = new Set<string>();
  const receipts = new Set<string>();
  try {
    const last = await log.last(token);
    if (!last) return false;
    for await (const batch of history.backwards(last)) {
      for (const event of batch.flatMap((stored) => stored.commit.events)) {
        if (event.type === 'checkpoint') images.add(event.stateId);
        if (event.type === 'llm_req') receipts.add(event.receiptKey);
      }
    }
  } catch (thrown) {
    // A damaged log can be deleted too; what it can no longer name stays behind.
    if (!hasCode(thrown, 'CORRUPT')) throw thrown;
  }
  if (images.size > 0) for (const stateId of await index.checkpointsOfOthers(token)) images.delete(stateId);
  await blobs.remove('ckpt', [...images]);
  await blobs.remove('receipt', [...receipts]);
  return log.remove(token);
}
