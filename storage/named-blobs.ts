/** What commits name beside the log, and how it goes with them: heap images and receipts. */
import { isAnswer, isRequest, receiptKeyIn } from '../bus/effect-events.ts';
import type { Commit, StoredCommit } from '../bus/types.ts';
import type { BlobParts } from './blob-parts.ts';
import type { LogStore } from './ports.ts';
import type { SessionIndex } from './session-index.ts';

/** How often a receipt that was stored at the same moment is taken away again. */
const SEALS_MAX = 3;

/** Removes what commits name; images in `kept` stay. @throws of the stores */
export async function forgetNamed(
  commits: readonly StoredCommit[],
  kept: ReadonlySet<string>,
  parts: BlobParts,
): Promise<void> {
  const images = new Set<string>();
  const receipts = new Set<string>();
  const awaited = new Set<string>();
  for (const event of commits.flatMap(({ commit }) => commit.events)) {
    if (event.type === 'checkpoint' && !kept.has(event.stateId)) images.add(event.stateId);
    for (const { receiptKey } of event.type === 'fork' ? (event.asked ?? []) : []) {
      receipts.add(receiptKey);
      awaited.add(receiptKey);
    }
    if (!isRequest(event) && !isAnswer(event)) continue;
    const key = receiptKeyIn(event);
    if (key === undefined) continue;
    if (isAnswer(event)) awaited.delete(key);
    else {
      receipts.add(key);
      awaited.add(key);
    }
  }
  if (images.size > 0) await parts.remove('ckpt', [...images]);
  if (receipts.size > 0) await parts.remove('receipt', [...receipts]);
  for (const key of awaited) await seal(parts, key);
}

/** Removes the images that a commit names which was refused because its session is gone. @throws of the stores */
export async function forgetImages(
  commit: Commit,
  { log, parts, index }: { log: LogStore; parts: BlobParts; index: SessionIndex },
): Promise<void> {
  const images = commit.events.flatMap((event) => (event.type === 'checkpoint' ? [event.stateId] : []));
  if (images.length === 0 || (await log.last(commit.session))) return;
  const kept = await index.newestCheckpoints();
  await parts.remove(
    'ckpt',
    images.filter((stateId) => !kept.has(stateId)),
  );
}

async function seal(parts: BlobParts, key: string): Promise<void> {
  for (let attempt = 0; attempt < SEALS_MAX; attempt++) {
    if (await parts.seal('receipt', key)) return;
    await parts.remove('receipt', [key]);
  }
}
