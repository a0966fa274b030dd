/**
 * The way from a fork to what it goes on from. A session's log is its own commits, before them those of its parent up to
 * an event, and so on: parts, each under a name of its own, each ended by the commit that the next part names.
 */
import { holdsPoint } from '../bus/chain.ts';
import { sessionToken } from '../bus/subjects.ts';
import type { StoredCommit } from '../bus/types.ts';
import { holed } from './chain-walk.ts';
import type { LogStore } from './ports.ts';

/**
 * The last commits of the parts of a log, from the part that holds seq `from` to its own, oldest first. Of an ancestor's
 * commit `upTo` says which of its events are the session's.
 * @throws RepriseError CORRUPT when what a fork goes on from is missing, or is not what it names
 */
export async function partsSince(last: StoredCommit, from: number, log: LogStore): Promise<StoredCommit[]> {
  const ends = [last];
  for (let oldest = last; ; ) {
    const { parent } = oldest.commit.head;
    if (!parent || from > parent.seq) return ends;
    oldest = await parentOf(oldest, log);
    ends.unshift(oldest);
  }
}

/** The commit of another session that a fork goes on from. @throws RepriseError CORRUPT */
export async function parentOf(fork: StoredCommit, log: LogStore): Promise<StoredCommit> {
  const parent = fork.commit.head.parent!;
  const [stored] = await log.at(sessionToken(parent.session), [parent.position]);
  if (!holdsPoint(stored!.commit, parent)) throw holed(fork);
  return { ...stored!, upTo: parent.seq };
}
